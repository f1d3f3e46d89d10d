/* Errors in float64, against MPFR on special and random logits, and against the committed exact values of the worst
 * logits that `make search` has found: these need no MPFR. */
#include "bounds.h"
#include "harness.h"
#include "inputs.h"
#include "reference.h"
#include "worst_file.h"

#include <stdlib.h>

static double limit_of(logit_function function)
{
    return bound_of(row_of_function(function), "hard")->float64;
}

static void test_worst_known(void)
{
    size_t count;
    worst_entry *entries = worst_file_read("worst_f64.txt", &count);
    worst found = { 0, 0 };
    CHECK(count > 0);
    for (size_t i = 0; i < count; ++i) {
        const worst_entry *e = &entries[i];
        double result;
        compute(e->function, BCEL_FLOAT64, &e->x, &result, 1);
        double error = ulp_error_f64(result, e->exact);
        worst_add(&found, error, e->x);
        if (!(error <= limit_of(e->function)))
            test_fail("%s at %a: %a, exact %a, %.3f ULP", name_of_function(e->function), e->x, result, e->exact.value,
                      error);
    }
    test_note("%zu logits, max %.4f ULP at %a", count, found.error, found.at);
    free(entries);
}

#ifdef HAVE_MPFR

#include "reference_mpfr.h"

static size_t n;
static double *x, *result, *y, *w, *p, *g;
static exact_f64 *exact;
static int exact_is_for = -1;

static void make_inputs(void)
{
    random_state r = { 20241 };
    n = special_logits_f64(NULL, 0) + sampled(30000);
    x = allocate(n, sizeof *x);
    y = allocate(n, sizeof *y);
    w = allocate(n, sizeof *w);
    p = allocate(n, sizeof *p);
    g = allocate(n, sizeof *g);
    result = allocate(2 * n, sizeof *result);
    exact = allocate(n, sizeof *exact);
    logits_f64(&r, x, n);
    soft_targets_f64(&r, y, n);
    weights_f64(&r, w, n, -16, 16);
    weights_f64(&r, p, n, -16, 16);
    weights_f64(&r, g, n, -4, 4);
}

static void check_function(logit_function function)
{
    worst found = { 0, 0 };
    if (exact_is_for != (int)function)
        for (size_t i = 0; i < n; ++i) exact[i] = exact_of_f64(function, x[i]);
    exact_is_for = (int)function;
    compute(function, BCEL_FLOAT64, x, result, n);
    for (size_t i = 0; i < n; ++i) {
        double error = ulp_error_f64(result[i], exact[i]);
        worst_add(&found, error, x[i]);
        if (!(error <= limit_of(function)))
            test_fail("at %a: %a, exact %a, %.3f ULP", x[i], result[i], exact[i].value, error);
    }
    test_note("%zu logits, max %.4f ULP at %a", n, found.error, found.at);
}

/* ---- soft targets and weights -------------------------------------------------------------------- */

static const struct { const char *row; bcel_function function; } functions[] = {
    { "loss", BCEL_LOSS }, { "gradient", BCEL_GRAD }, { "hessian", BCEL_GRAD_AND_HESS },
    { "target gradient", BCEL_GRAD_TARGET }, { "weight gradient", BCEL_GRAD_WEIGHT },
    { "pos_weight gradient", BCEL_GRAD_POS_WEIGHT },
};

/* a *= b * c */
static void scale(mpfr_t a, double b, double c)
{
    mpfr_mul_d(a, a, b, MPFR_RNDN);
    mpfr_mul_d(a, a, c, MPFR_RNDN);
}

/* The two terms of a function, and their sum in place of the first. Returns the larger of the three. */
static double add_terms(mpfr_t first, mpfr_t second)
{
    double a = mpfr_get_d(first, MPFR_RNDN), b = mpfr_get_d(second, MPFR_RNDN);
    mpfr_add(first, first, second, MPFR_RNDN);
    double sum = mpfr_get_d(first, MPFR_RNDN), larger = fabs(a) > fabs(b) ? a : b;
    return fabs(sum) > fabs(larger) ? sum : larger;
}

/* With every target soft or not, with weight and pos_weight or without. */
static void check_general(int soft, int weighted)
{
    static mpfr_logit l;
    static mpfr_t a, b, rest;
    if (!rest[0]._mpfr_d) {
        mpfr_logit_init(&l);
        mpfr_inits2(EXACT_BITS, a, b, rest, (mpfr_ptr)0);
    }
    size_t m = sampled(8000);
    const size_t step = n / m; /* takes from near and far logits alike */
    double *xs = allocate(m, sizeof *xs);
    double *outputs_of[COUNT(functions)];
    unsigned char *hard = allocate(m, 1);
    for (size_t i = 0; i < m; ++i) {
        hard[i] = y[i] > 0.5;
        xs[i] = x[i * step];
    }
    bcel_call call = call_of(&m, packed(xs, BCEL_FLOAT64),
                             soft ? packed(y, BCEL_FLOAT64) : packed(hard, BCEL_BOOL));
    if (weighted) {
        call.weight = packed(w, BCEL_FLOAT64);
        call.pos_weight = packed(p, BCEL_FLOAT64);
    }
    for (size_t f = 0; f < COUNT(functions); ++f) {
        double *room = outputs_of[f] = allocate(2 * m, sizeof *room);
        int hessian = functions[f].function == BCEL_GRAD_AND_HESS;
        bcel_output outputs[2] = { output(room + (hessian ? m : 0), BCEL_FLOAT64), output(room, BCEL_FLOAT64) };
        bcel_call with = call;
        if (f > 2) with.grad_output = packed(g, BCEL_FLOAT64);
        CHECK(bcel_map(functions[f].function, &with, outputs) == BCEL_OK);
    }
    worst found[COUNT(functions)] = { { 0, 0 } };
    for (size_t i = 0; i < m; ++i) {
        double target = soft ? y[i] : hard[i], weight = weighted ? w[i] : 1, pos = weighted ? p[i] : 1;
        mpfr_logit_set(&l, xs[i]);
        mpfr_set_d(rest, target, MPFR_RNDN);
        mpfr_ui_sub(rest, 1, rest, MPFR_RNDN);
        for (size_t f = 0; f < COUNT(functions); ++f) {
            mpfr_set_zero(a, 1);
            mpfr_set_zero(b, 1);
            switch (functions[f].function) {
            case BCEL_LOSS:
            case BCEL_GRAD_WEIGHT:
                mpfr_mul_d(a, l.softplus_minus, target, MPFR_RNDN);
                scale(a, pos, 1);
                mpfr_mul(b, l.softplus, rest, MPFR_RNDN);
                break;
            case BCEL_GRAD:
                mpfr_mul(a, l.sigmoid, rest, MPFR_RNDN);
                mpfr_mul_d(b, l.sigmoid_minus, -target, MPFR_RNDN);
                scale(b, pos, 1);
                break;
            case BCEL_GRAD_AND_HESS:
                mpfr_mul_d(a, l.hessian, target, MPFR_RNDN);
                scale(a, pos, 1);
                mpfr_mul(b, l.hessian, rest, MPFR_RNDN);
                break;
            case BCEL_GRAD_TARGET:
                mpfr_mul_d(a, l.softplus_minus, pos, MPFR_RNDN);
                mpfr_neg(b, l.softplus, MPFR_RNDN);
                break;
            default: mpfr_mul_d(a, l.softplus_minus, target, MPFR_RNDN); break;
            }
            double factor = f > 2 ? g[i] : 1, by = functions[f].function == BCEL_GRAD_WEIGHT ? 1 : weight;
            scale(a, factor, by);
            scale(b, factor, by);
            double size = add_terms(a, b), limit;
            double error = ulp_error_at_f64(outputs_of[f][i], exact_from_mpfr(a), size);
            worst_add(&found[f], error, xs[i]);
            limit = bound_of(functions[f].row, weighted || f > 2 ? "weighted" : soft ? "soft" : "hard")->float64;
            if (!(error <= limit))
                test_fail("%s at x=%a y=%a w=%a p=%a g=%a: %a, %.3f ULP", functions[f].row, xs[i], target, weight, pos,
                          factor, outputs_of[f][i], error);
        }
    }
    for (size_t f = 0; f < COUNT(functions); ++f) {
        test_note("%s %.3f", functions[f].row, found[f].error);
        release(outputs_of[f]);
    }
    release(hard);
    release(xs);
}

static void test_soft(void) { check_general(1, 0); }
static void test_weighted(void) { check_general(0, 1); }
static void test_all(void) { check_general(1, 1); }

#else

static void make_inputs(void) { }

static void check_function(logit_function function)
{
    (void)function;
    (void)limit_of;
    test_skip("built without MPFR");
}

static void check_general(void) { test_skip("built without MPFR"); }
#define test_soft check_general
#define test_weighted check_general
#define test_all check_general

#endif

#define DEFINE_TEST(id, name, row, function, target) \
    static void test_##id(void) { check_function(id); }
LOGIT_FUNCTIONS(DEFINE_TEST)

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "worst logits known", test_worst_known, 1 },
#define ROW(id, name, row, function, target) { name, test_##id, 1 },
        LOGIT_FUNCTIONS(ROW)
        { "soft targets", test_soft, 1 },
        { "weight and pos_weight", test_weighted, 1 },
        { "soft targets, weight and pos_weight", test_all, 1 },
    };
    make_inputs();
    return run_tests("float64", tests, COUNT(tests), argc, argv);
}
