/* Errors in float32: a fixed sample of logits for every function on every instruction set, soft targets and weights.
 * `make exhaustive` does the same for all 2^32 logits. */
#include "bounds.h"
#include "harness.h"
#include "inputs.h"
#include "reference.h"

static size_t n;
static float *x, *result, *y, *w, *p, *g;
static logit_values *values;

static void make_inputs(void)
{
    random_state r = { 20240 };
    n = sampled(500000);
    x = allocate(n, sizeof *x);
    y = allocate(n, sizeof *y);
    w = allocate(n, sizeof *w);
    p = allocate(n, sizeof *p);
    g = allocate(n, sizeof *g);
    result = allocate(2 * n, sizeof *result);
    values = allocate(n, sizeof *values);
    logits_f32(&r, x, n);
    soft_targets_f32(&r, y, n);
    weights_f32(&r, w, n, -16, 16);
    weights_f32(&r, p, n, -16, 16);
    weights_f32(&r, g, n, -4, 4);
    for (size_t i = 0; i < n; ++i) values[i] = values_of_logit((double)x[i]);
}

static void check_function(logit_function function)
{
    worst found = { 0, 0 };
    double limit = bound_of(row_of_function(function), "hard")->float32;
    compute(function, BCEL_FLOAT32, x, result, n);
    for (size_t i = 0; i < n; ++i) {
        double exact = exact_of_f32(function, &values[i]);
        double error = ulp_error_f32(result[i], exact);
        worst_add(&found, error, (double)x[i]);
        if (!(error <= limit))
            test_fail("at %a: %a, exact %a, %.3f ULP", (double)x[i], (double)result[i], exact, error);
    }
    test_note("max %.4f ULP at %a", found.error, found.at);
}

#define DEFINE_TEST(id, name, row, function, target) \
    static void test_##id(void) { check_function(id); }
LOGIT_FUNCTIONS(DEFINE_TEST)

/* What the limits of infinite logits are, and that NaN stays NaN. */
static void test_special_logits(void)
{
    const double inf = (double)INFINITY;
    static const float logits[] = { INFINITY, -INFINITY, NAN };
    const double expected[LOGIT_FUNCTION_COUNT][2] = {
        { inf, 0 }, { 0, inf }, { 1, 0 }, { 0, -1 }, { 0, 0 }, { 1, 0 }, { 0, -inf }, { inf, 0 },
    };
    for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f) {
        float single[3];
        double wide[3], doubles[3] = { inf, -inf, (double)NAN };
        compute((logit_function)f, BCEL_FLOAT32, logits, single, 3);
        compute((logit_function)f, BCEL_FLOAT64, doubles, wide, 3);
        for (int i = 0; i < 2; ++i)
            if ((double)single[i] != expected[f][i] || wide[i] != expected[f][i])
                test_fail("%s at %g: %g and %g, not %g", name_of_function((logit_function)f), (double)logits[i],
                          (double)single[i], wide[i], expected[f][i]);
        if (single[2] == single[2] || wide[2] == wide[2])
            test_fail("%s of NaN is a number", name_of_function((logit_function)f));
    }
}

/* ---- soft targets and weights -------------------------------------------------------------------- */

typedef enum { HARD, SOFT } target_kind;

static double error_of(const char *row, const char *targets, bcel_function function, const float *computed,
                       target_kind kind, int weighted, int pos_weighted, double *at)
{
    worst found = { 0, 0 };
    double limit = bound_of(row, targets)->float32;
    for (size_t i = 0; i < n; ++i) {
        const logit_values *v = &values[i];
        double target = kind == SOFT ? (double)y[i] : (double)(y[i] > 0.5f);
        double rest = 1 - target, weight = weighted ? (double)w[i] : 1, pos = pos_weighted ? (double)p[i] : 1;
        double terms[2] = { 0, 0 };
        switch (function) {
        case BCEL_LOSS:
            terms[0] = weight * pos * target * v->softplus_minus;
            terms[1] = weight * rest * v->softplus;
            break;
        case BCEL_GRAD:
            terms[0] = weight * rest * v->sigmoid;
            terms[1] = -weight * pos * target * v->sigmoid_minus;
            break;
        case BCEL_GRAD_AND_HESS: terms[0] = weight * (rest + pos * target) * v->hessian; break;
        case BCEL_GRAD_TARGET:
            terms[0] = (double)g[i] * weight * pos * v->softplus_minus;
            terms[1] = -(double)g[i] * weight * v->softplus;
            break;
        case BCEL_GRAD_WEIGHT:
            terms[0] = (double)g[i] * pos * target * v->softplus_minus;
            terms[1] = (double)g[i] * rest * v->softplus;
            break;
        case BCEL_GRAD_POS_WEIGHT: terms[0] = (double)g[i] * weight * target * v->softplus_minus; break;
        default: break;
        }
        double scale = fabs(terms[0]) > fabs(terms[1]) ? terms[0] : terms[1];
        double exact = terms[0] + terms[1];
        if (fabs(exact) > fabs(scale)) scale = exact;
        double error = ulp_error_at_f32(computed[i], exact, scale);
        worst_add(&found, error, (double)x[i]);
        if (!(error <= limit))
            test_fail("%s at x=%a y=%a w=%a p=%a g=%a: %a, exact %a, %.3f ULP", row, (double)x[i], target, weight, pos,
                      (double)g[i], (double)computed[i], exact, error);
    }
    *at = found.at;
    return found.error;
}

static void check_general(target_kind kind, int weighted, int pos_weighted)
{
    static unsigned char *hard;
    const char *targets = weighted || pos_weighted ? "weighted" : kind == SOFT ? "soft" : "hard";
    if (!hard) hard = allocate(n, 1);
    for (size_t i = 0; i < n; ++i) hard[i] = y[i] > 0.5f;
    bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32),
                             kind == SOFT ? packed(y, BCEL_FLOAT32) : packed(hard, BCEL_UINT8));
    if (weighted) call.weight = packed(w, BCEL_FLOAT32);
    if (pos_weighted) call.pos_weight = packed(p, BCEL_FLOAT32);
    static const struct { const char *row; bcel_function function; } functions[] = {
        { "loss", BCEL_LOSS }, { "gradient", BCEL_GRAD }, { "hessian", BCEL_GRAD_AND_HESS },
        { "target gradient", BCEL_GRAD_TARGET }, { "weight gradient", BCEL_GRAD_WEIGHT },
        { "pos_weight gradient", BCEL_GRAD_POS_WEIGHT },
    };
    for (size_t f = 0; f < COUNT(functions); ++f) {
        bcel_function function = functions[f].function;
        int second = function == BCEL_GRAD_AND_HESS;
        int parameter = function == BCEL_GRAD_TARGET || function == BCEL_GRAD_WEIGHT
                        || function == BCEL_GRAD_POS_WEIGHT;
        bcel_output outputs[2] = { output(result, BCEL_FLOAT32), output(result + n, BCEL_FLOAT32) };
        bcel_call with = call;
        if (parameter) with.grad_output = packed(g, BCEL_FLOAT32);
        CHECK(bcel_map(function, &with, outputs) == BCEL_OK);
        double at, error = error_of(functions[f].row, parameter ? "weighted" : targets, function,
                                    result + (second ? n : 0), kind, weighted, pos_weighted, &at);
        test_note("%s %.3f", functions[f].row, error);
    }
}

static void test_soft(void) { check_general(SOFT, 0, 0); }
static void test_weighted(void) { check_general(HARD, 1, 0); }
static void test_pos_weighted(void) { check_general(HARD, 0, 1); }
static void test_soft_weighted(void) { check_general(SOFT, 1, 0); }
static void test_all(void) { check_general(SOFT, 1, 1); }

/* The worst that random searches have found with soft targets, a weight and a pos_weight. */
static void test_worst_known(void)
{
    static const struct { const char *row; bcel_function function; float x, y, w, p; } known[] = {
        { "loss", BCEL_LOSS, 0x1.066f9p+1f, 0x1.ffffe2p-1f, 0x1.05f9a2p-1f, 0x1.01892ep-3f },
        { "gradient", BCEL_GRAD, 0x1.ba2b32p+1f, 0x1.d826b2p-2f, 0x1.e89bcap-1f, 0x1.07cd18p-1f },
        { "hessian", BCEL_GRAD_AND_HESS, 0x1.c6d5a6p-3f, 0x1.ffffeap-1f, 0x1.ffa978p-1f, 0x1.020f78p+0f },
    };
    for (size_t i = 0; i < COUNT(known); ++i) {
        size_t one = 1;
        float results[2];
        bcel_call call = call_of(&one, packed(&known[i].x, BCEL_FLOAT32), packed(&known[i].y, BCEL_FLOAT32));
        call.weight = packed(&known[i].w, BCEL_FLOAT32);
        call.pos_weight = packed(&known[i].p, BCEL_FLOAT32);
        bcel_output outputs[2] = { output(&results[0], BCEL_FLOAT32), output(&results[1], BCEL_FLOAT32) };
        CHECK(bcel_map(known[i].function, &call, outputs) == BCEL_OK);
        logit_values v = values_of_logit((double)known[i].x);
        double y = (double)known[i].y, w = (double)known[i].w, p = (double)known[i].p;
        int hessian = known[i].function == BCEL_GRAD_AND_HESS, gradient = known[i].function == BCEL_GRAD;
        double a = w * p * y * (hessian ? v.hessian : gradient ? -v.sigmoid_minus : v.softplus_minus);
        double b = w * (1 - y) * (hessian ? v.hessian : gradient ? v.sigmoid : v.softplus);
        double scale = fmax(fmax(fabs(a), fabs(b)), fabs(a + b));
        double error = ulp_error_at_f32(results[hessian], a + b, scale);
        test_note("%s %.3f", known[i].row, error);
        if (!(error <= bound_of(known[i].row, "weighted")->float32))
            test_fail("%s at x=%a y=%a w=%a p=%a: %a, exact %a, %.3f ULP", known[i].row, (double)known[i].x, y, w, p,
                      (double)results[hessian], a + b, error);
    }
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
#define ROW(id, name, row, function, target) { name, test_##id, 1 },
        LOGIT_FUNCTIONS(ROW)
        { "infinite logits and NaN", test_special_logits, 1 },
        { "soft targets", test_soft, 1 },
        { "weight", test_weighted, 1 },
        { "pos_weight", test_pos_weighted, 1 },
        { "soft targets and weight", test_soft_weighted, 1 },
        { "soft targets, weight and pos_weight", test_all, 1 },
        { "worst weights known", test_worst_known, 1 },
    };
    make_inputs();
    return run_tests("float32", tests, COUNT(tests), argc, argv);
}
