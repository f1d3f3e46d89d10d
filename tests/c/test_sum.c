/* Sums: the exact accumulator against MPFR, and every reduction against the exact sum of exact losses, at the lengths
 * and on the inputs that are hard on a sum. */
#include "bounds.h"
#include "harness.h"
#include "inputs.h"
#include "reference.h"
#include "sum.h"

#include <stdlib.h>

#ifdef HAVE_MPFR
#include "reference_mpfr.h"
#endif

/* ---- the exact accumulator ------------------------------------------------------------------------ */

enum { TERMS = 3000 };

static double terms[TERMS];

typedef enum { WIDE, CANCELLING, HUGE_TERMS, SUBNORMAL, TIES, TERM_KINDS } term_kind;

static void make_terms(term_kind kind)
{
    random_state r = { 31 + (uint64_t)kind };
    for (size_t i = 0; i < TERMS; ++i) switch (kind) {
        case WIDE: terms[i] = random_wide(&r, -1074, 1000); break;
        case CANCELLING: terms[i] = i % 2 ? -terms[i - 1] : random_wide(&r, -500, 500); break;
        case HUGE_TERMS: terms[i] = random_wide(&r, 1020, 1022); break;
        case SUBNORMAL: terms[i] = random_wide(&r, -1074, -1040); break;
        default: terms[i] = ldexp(1.0, i % 3 == 0 ? 60 : i % 3 == 1 ? 7 : 6); break;
        }
    if (kind == CANCELLING) terms[TERMS - 2] = 0x1p-1074, terms[TERMS - 1] = 0x1.8p-300;
    for (size_t i = TERMS - 1; i > 0; --i) {
        size_t k = random_below(&r, i + 1);
        double term = terms[i];
        terms[i] = terms[k];
        terms[k] = term;
    }
}

static bcel_scaled sum_of(size_t start, size_t end)
{
    bcel_exact sum;
    bcel_exact_init(&sum);
    for (size_t i = start; i < end; ++i) bcel_exact_add(&sum, terms[i]);
    return bcel_exact_value(&sum);
}

static int same_scaled(bcel_scaled a, bcel_scaled b)
{
    return same_f64(a.value.hi, b.value.hi) && same_f64(a.value.lo, b.value.lo) && a.exponent == b.exponent;
}

/* Any order, any split, merged in any order: the same value. */
static void test_order(void)
{
    random_state r = { 5 };
    for (int kind = 0; kind < TERM_KINDS; ++kind) {
        make_terms((term_kind)kind);
        bcel_scaled forward = sum_of(0, TERMS);
        for (size_t i = 0; i < TERMS / 2; ++i) {
            double term = terms[i];
            terms[i] = terms[TERMS - 1 - i];
            terms[TERMS - 1 - i] = term;
        }
        CHECK(same_scaled(forward, sum_of(0, TERMS)));
        for (int round = 0; round < 20; ++round) {
            bcel_exact parts[8], all;
            for (int k = 0; k < 8; ++k) bcel_exact_init(&parts[k]);
            for (size_t i = 0; i < TERMS; ++i) bcel_exact_add(&parts[random_below(&r, 8)], terms[i]);
            bcel_exact_init(&all);
            for (int k = 0; k < 8; ++k) bcel_exact_merge(&all, &parts[(k * 3 + round) % 8]);
            CHECK(same_scaled(forward, bcel_exact_value(&all)));
        }
    }
}

static void test_specials(void)
{
    const double inf = (double)INFINITY;
    static const double finite[] = { 1, -0x1p1023, 0x1p-1074 };
    for (int plus = 0; plus < 2; ++plus)
        for (int minus = 0; minus < 2; ++minus)
            for (int nan = 0; nan < 2; ++nan) {
                bcel_exact sum, other;
                bcel_exact_init(&sum);
                bcel_exact_init(&other);
                for (size_t i = 0; i < COUNT(finite); ++i) bcel_exact_add(&sum, finite[i]);
                if (plus) bcel_exact_add(&sum, inf);
                if (minus) bcel_exact_add(&other, -inf);
                if (nan) bcel_exact_add(&other, (double)NAN);
                bcel_exact_merge(&sum, &other);
                bcel_scaled scaled = bcel_exact_value(&sum);
                double value = ldexp(scaled.value.hi, scaled.exponent);
                if (nan || (plus && minus))
                    CHECK(value != value);
                else
                    CHECK(value == (plus ? inf : minus ? -inf : -0x1p1023));
            }
    bcel_exact none;
    bcel_exact_init(&none);
    CHECK(bits_of_f64(bcel_exact_value(&none).value.hi) == 0);
    bcel_exact_add(&none, -0.0);
    CHECK(bcel_exact_value(&none).value.hi == 0);
}

/* More additions of the largest number than fit without carries. */
static void test_many_additions(void)
{
    bcel_exact sum, doubled;
    bcel_exact_init(&sum);
    bcel_exact_add(&sum, 0x1.fffffffffffffp1023);
    bcel_exact_add(&sum, -0x1.fffffffffffffp-1022);
    for (int i = 0; i < 60; ++i) {
        doubled = sum;
        bcel_exact_merge(&sum, &doubled);
    }
    bcel_scaled all = bcel_exact_value(&sum);
    /* 2^60 times the first term, less what is far below its last place. */
    CHECK(ldexp(all.value.hi, -100) == ldexp(0x1.fffffffffffffp1023, 60 - 100 - all.exponent));
    bcel_exact_init(&sum);
    for (int i = 0; i < 100000; ++i) bcel_exact_add(&sum, 0x1.fffffffffffffp-1);
    CHECK(bcel_exact_value(&sum).value.hi == 100000 * 0x1.fffffffffffffp-1);
    sum.pending = (UINT32_C(1) << 30) - 5; /* as after that many */
    for (int i = 0; i < 10; ++i) bcel_exact_add(&sum, -0x1.fffffffffffffp-1);
    CHECK(bcel_exact_value(&sum).value.hi == 99990 * 0x1.fffffffffffffp-1);
}

#ifdef HAVE_MPFR

enum { WHOLE_RANGE = 2400 };

static void test_against_mpfr(void)
{
    mpfr_t exact, rest;
    mpfr_inits2(WHOLE_RANGE, exact, rest, (mpfr_ptr)0);
    for (int kind = 0; kind < TERM_KINDS; ++kind) {
        make_terms((term_kind)kind);
        for (size_t n = 1; n <= TERMS; n += n < 20 ? 1 : 149) {
            size_t start = TERMS - n;
            mpfr_set_zero(exact, 1);
            for (size_t i = start; i < TERMS; ++i) mpfr_add_d(exact, exact, terms[i], MPFR_RNDN);
            bcel_scaled sum = sum_of(start, TERMS);
            mpfr_mul_2si(exact, exact, -sum.exponent, MPFR_RNDN);
            double hi = mpfr_get_d(exact, MPFR_RNDN);
            mpfr_sub_d(rest, exact, sum.value.hi, MPFR_RNDN);
            double lo = mpfr_get_d(rest, MPFR_RNDN);
            if (sum.value.hi != hi || sum.value.lo != lo)
                test_fail("kind %d, %zu terms: %a + %a, not %a + %a", kind, n, sum.value.hi, sum.value.lo, hi, lo);
        }
    }
    mpfr_clears(exact, rest, (mpfr_ptr)0);
}

#else
static void test_against_mpfr(void) { test_skip("built without MPFR"); }
#endif

/* hi + lo rounded once: next to every tie of a shorter format the sign of lo decides. */
static void test_rounding_once(void)
{
    random_state r = { 77 };
    for (size_t i = sampled(200000); i > 0; --i) {
        float f = (float)random_wide(&r, -140, 120);
        double unit = ulp_of_f32((double)f), tie = (double)f + unit / 2, tiny = ldexp(fabs(tie), -60);
        double above = (double)f + unit;
        bcel_pair pair = { tie, tiny };
        if ((double)bcel_round_to_float(pair) != above) test_fail("%a + %a", pair.hi, pair.lo);
        pair.lo = -tiny;
        if (bcel_round_to_float(pair) != f) test_fail("%a + %a", pair.hi, pair.lo);
        pair.lo = 0;
        if (bcel_round_to_float(pair) != (float)tie) test_fail("%a", pair.hi);
    }
    bcel_pair overflow = { 0x1.ffffffp127, -1e-20 }, largest = { 0x1.ffffffp127, 0 };
    CHECK(bcel_round_to_float(overflow) == 0x1.fffffep127f);
    CHECK(bcel_round_to_float(largest) == INFINITY);
}

/* ---- reductions ------------------------------------------------------------------------------------ */

enum { LONGEST = 40000 };

typedef struct {
    const char *name;
    double (*logit)(random_state *, size_t, double side); /* side: -1 if the target is 0, 1 if it is 1 */
} data_set;

static double usual(random_state *r, size_t i, double side) { (void)i, (void)side; return 4 * random_normal(r); }
static double confident(random_state *r, size_t i, double side) { (void)i; return side * (15 + 15 * random_unit(r)); }
static double certain(random_state *r, size_t i, double side) { (void)i; return side * (60 + 19 * random_unit(r)); }
static double vanishing(random_state *r, size_t i, double side) { (void)i; return side * (80 + 24 * random_unit(r)); }
static double between(random_state *r, double a, double b) { return a + (b - a) * random_unit(r); }
static double subnormal_f32(random_state *r, size_t i, double side) { (void)i; return side * between(r, 87.5, 103.9); }
static double subnormal_f64(random_state *r, size_t i, double side) { (void)i; return side * between(r, 708.5, 745); }
static double wrong(random_state *r, size_t i, double side) { (void)i; return -side * (50 + 1e5 * random_unit(r)); }
static double one_wrong(random_state *r, size_t i, double side) { return i % 5000 ? certain(r, i, side) : -side * 1e6; }
static double spread(random_state *r, size_t i, double side) { (void)i; return side * (120 * random_unit(r) - 40); }
static double zero(random_state *r, size_t i, double side) { (void)r, (void)i, (void)side; return 0; }
static double near_zero(random_state *r, size_t i, double side) { (void)i, (void)side; return random_wide(r, -40, -10); }
static double tenth(random_state *r, size_t i, double side) { (void)r, (void)i; return 0.1 * side; }
static double five(random_state *r, size_t i, double side) { (void)r, (void)i; return 5.3 * side; }
static double twelve(random_state *r, size_t i, double side) { (void)r, (void)i; return 12.7 * side; }
static double thirty(random_state *r, size_t i, double side) { (void)r, (void)i; return 30.3 * side; }
static double seventy(random_state *r, size_t i, double side) { (void)r, (void)i; return 71.7 * side; }
static double minus_tenth(random_state *r, size_t i, double side) { (void)r, (void)i; return -0.1 * side; }
static double period_3(random_state *r, size_t i, double side) { (void)r; return side * (0.7 + 3.1 * (double)(i % 3)); }
static double period_16(random_state *r, size_t i, double side) { (void)r; return side * (5.7 * (double)(i % 16) - 9); }
static double lanes(random_state *r, size_t i, double side) { (void)r; return i % 16 ? side * 70.1 : 0.01; }
static double rows(random_state *r, size_t i, double side) { (void)r; return i / 512 % 2 ? side * 70.1 : side * 0.01; }
static double growing(random_state *r, size_t i, double side) { (void)r; return side * (75 - 0.0017 * (double)i); }

/* "all subnormal": every loss is, without a weight, in the precision named. Few samples take the first of each line. */
static const data_set sets[] = {
    { "usual", usual }, { "confident", confident }, { "certain", certain }, { "vanishing", vanishing },
    { "wrong", wrong }, { "one wrong", one_wrong },
    { "all subnormal in float32", subnormal_f32 }, { "zero", zero }, { "near zero", near_zero }, { "all 0.1", tenth },
    { "all 5.3", five }, { "all 12.7", twelve },
    { "all subnormal in float64", subnormal_f64 }, { "all 30.3", thirty }, { "all 71.7", seventy },
    { "all -0.1", minus_tenth }, { "period of 3", period_3 }, { "period of 16", period_16 },
    { "spread", spread }, { "one lane large", lanes }, { "chunks in turn", rows }, { "growing", growing },
};

/* Under SAMPLE fewer sets, and none of the lengths above two blocks. */
static size_t longest(void) { return sampled(2) < 2 ? 2 * BCEL_BLOCK + 1 : LONGEST; }
static size_t set_step(void) { return COUNT(sets) / sampled(COUNT(sets)) > 6 ? 6 : COUNT(sets) / sampled(COUNT(sets)); }

static const size_t large[] = { 400, 511, 512, 513, 1000, 2048, 4095, 4096, 4097, 8192, 8193, 12289, LONGEST };

/* All lengths to 300, or few of them under SAMPLE; then large ones. Returns 0 after the last. */
static size_t next_length(size_t n)
{
    if (n < 300) return n + 1 + 300 / sampled(300) - 1;
    for (size_t i = 0; i < COUNT(large); ++i)
        if (large[i] > n) return large[i] <= longest() ? large[i] : 0;
    return 0;
}

static float x32[LONGEST], w32[LONGEST], y32[LONGEST];
static double x64[LONGEST], w64[LONGEST], y64[LONGEST];
static unsigned char hard[LONGEST];

static void make_set(const data_set *set)
{
    random_state r = { 3 };
    for (size_t i = 0; i < LONGEST; ++i) {
        hard[i] = (unsigned char)random_below(&r, 2);
        x64[i] = set->logit(&r, i, hard[i] ? 1 : -1);
        x32[i] = (float)x64[i];
        w64[i] = fabs(random_wide(&r, -6, 6));
        w32[i] = (float)w64[i];
        y64[i] = i % 5 ? random_unit(&r) : hard[i];
        y32[i] = (float)y64[i];
    }
}

typedef enum { HARD, SOFT, WEIGHTED } variant;
static const char *const rows_of_bounds[] = { "hard", "soft", "weighted" };

static bcel_call call_for(const size_t *n, bcel_dtype dtype, variant v)
{
    int single = dtype == BCEL_FLOAT32;
    const void *x = single ? (const void *)x32 : x64, *y = single ? (const void *)y32 : y64;
    const void *w = single ? (const void *)w32 : w64;
    bcel_call call = call_of(n, packed(x, dtype), v == SOFT ? packed(y, dtype) : packed(hard, BCEL_UINT8));
    if (v == WEIGHTED) call.weight = packed(w, dtype);
    return call;
}

/* The reductions of one call, in float and in double; the sum of a pass with gradient has the same bits. */
typedef struct { float single[3]; double wide[3]; } results;

static results reduce_all(const bcel_call *call, bcel_dtype dtype)
{
    static double gradient[LONGEST];
    results r;
    for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
        double again;
        bcel_output single = output(&r.single[reduction], BCEL_FLOAT32);
        bcel_output wide = output(&r.wide[reduction], BCEL_FLOAT64), value = output(&again, BCEL_FLOAT64);
        bcel_output to = output(gradient, dtype);
        CHECK(bcel_reduce((bcel_reduction)reduction, 0, call, &single) == BCEL_OK);
        CHECK(bcel_reduce((bcel_reduction)reduction, 0, call, &wide) == BCEL_OK);
        if (call->shape[0] % 7) continue;
        CHECK(bcel_value_and_grad((bcel_reduction)reduction, 1, call, &value, &to) == BCEL_OK);
        if (!same_f64(again, r.wide[reduction]))
            test_fail("reduction %d of %zu: %a, with its gradient %a", reduction, call->shape[0], r.wide[reduction],
                      again);
    }
    return r;
}

static const char *row_of(int reduction, variant v)
{
    return reduction == BCEL_SUM ? "sum" : reduction == BCEL_MEAN || v != WEIGHTED ? "mean" : "weighted mean";
}

/* A sum of doubles as hi + lo; the values added have 2^-51 of relative error, a float 2^-24. */
static bcel_pair add(bcel_pair sum, double term)
{
    bcel_pair s = bcel_two_sum(sum.hi, term);
    s.lo += sum.lo;
    return s;
}

static void test_float32(void)
{
    static double losses[3][LONGEST];
    worst found[3] = { { 0, 0 } };
    const char *where[3] = { "", "", "" };
    for (size_t s = 0; s < COUNT(sets); s += set_step()) {
        make_set(&sets[s]);
        for (size_t i = 0; i < LONGEST; ++i) {
            logit_values v = values_of_logit((double)x32[i]);
            losses[HARD][i] = hard[i] ? v.softplus_minus : v.softplus;
            losses[SOFT][i] = (double)y32[i] * v.softplus_minus + (1 - (double)y32[i]) * v.softplus;
            losses[WEIGHTED][i] = (double)w32[i] * losses[HARD][i];
        }
        for (int v = HARD; v <= WEIGHTED; ++v) {
            bcel_pair sum = { 0, 0 }, weights = { 0, 0 };
            size_t done = 0;
            for (size_t n = 1; n; n = next_length(n)) {
                for (; done < n; ++done) {
                    sum = add(sum, losses[v][done]);
                    weights = add(weights, (double)w32[done]);
                }
                bcel_call call = call_for(&n, BCEL_FLOAT32, (variant)v);
                results r = reduce_all(&call, BCEL_FLOAT32);
                for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
                    double by = reduction == BCEL_SUM ? 1
                                : reduction == BCEL_MEAN || v != WEIGHTED ? (double)n : weights.hi + weights.lo;
                    double exact = (sum.hi + sum.lo) / by;
                    double error = ulp_error_f32(r.single[reduction], exact);
                    double wide = fabs(r.wide[reduction] - exact) / ulp_of_f32(exact);
                    double limit = bound_of(row_of(reduction, (variant)v), rows_of_bounds[v])->float32;
                    if (error > found[v].error) where[v] = sets[s].name;
                    worst_add(&found[v], error, (double)n);
                    if (!(error <= limit && wide <= limit))
                        test_fail("%s, %s, reduction %d of %zu: %a (%a in double), exact %a, %.3f ULP", sets[s].name,
                                  rows_of_bounds[v], reduction, n, (double)r.single[reduction], r.wide[reduction],
                                  exact, error);
                }
            }
        }
    }
    for (int v = HARD; v <= WEIGHTED; ++v)
        test_note("%s %.4f ULP (%s, %.0f)", rows_of_bounds[v], found[v].error, where[v], found[v].at);
}

#ifdef HAVE_MPFR

/* Logits up to LENGTH_F64: MPFR is slow. */
enum { LENGTH_F64 = 4200 };

/* The exact losses of a data set are the same for every instruction set: remembered. */
static mpfr_t *exact_losses(size_t set)
{
    static mpfr_t *kept[COUNT(sets)];
    if (kept[set]) return kept[set];
    mpfr_t *losses = kept[set] = allocate(3 * LENGTH_F64, sizeof(mpfr_t));
    mpfr_logit l;
    mpfr_t term;
    mpfr_logit_init(&l);
    mpfr_init2(term, EXACT_BITS);
    for (size_t i = 0; i < LENGTH_F64; ++i) {
        mpfr_ptr plain = losses[i], soft = losses[LENGTH_F64 + i], weighted = losses[2 * LENGTH_F64 + i];
        mpfr_inits2(EXACT_BITS, plain, soft, weighted, (mpfr_ptr)0);
        mpfr_logit_set(&l, x64[i]);
        mpfr_set(plain, hard[i] ? l.softplus_minus : l.softplus, MPFR_RNDN);
        mpfr_mul_d(weighted, plain, w64[i], MPFR_RNDN);
        mpfr_mul_d(soft, l.softplus_minus, y64[i], MPFR_RNDN);
        mpfr_set_d(term, y64[i], MPFR_RNDN);
        mpfr_ui_sub(term, 1, term, MPFR_RNDN);
        mpfr_mul(term, term, l.softplus, MPFR_RNDN);
        mpfr_add(soft, soft, term, MPFR_RNDN);
    }
    mpfr_logit_clear(&l);
    mpfr_clear(term);
    return losses;
}

static void test_float64(void)
{
    worst found[3] = { { 0, 0 } };
    const char *where[3] = { "", "", "" };
    mpfr_t sum, weights, quotient;
    mpfr_inits2(EXACT_BITS, sum, weights, quotient, (mpfr_ptr)0);
    for (size_t s = 0; s < COUNT(sets); s += set_step()) {
        make_set(&sets[s]);
        mpfr_t *losses = exact_losses(s);
        for (int v = HARD; v <= WEIGHTED; ++v) {
            size_t done = 0;
            mpfr_set_zero(sum, 1);
            mpfr_set_zero(weights, 1);
            for (size_t n = 1; n && n <= LENGTH_F64; n = next_length(n)) {
                for (; done < n; ++done) {
                    mpfr_add(sum, sum, losses[(size_t)v * LENGTH_F64 + done], MPFR_RNDN);
                    mpfr_add_d(weights, weights, w64[done], MPFR_RNDN);
                }
                bcel_call call = call_for(&n, BCEL_FLOAT64, (variant)v);
                results r = reduce_all(&call, BCEL_FLOAT64);
                for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
                    mpfr_set(quotient, sum, MPFR_RNDN);
                    if (reduction == BCEL_WEIGHTED_MEAN && v == WEIGHTED)
                        mpfr_div(quotient, sum, weights, MPFR_RNDN);
                    else if (reduction != BCEL_SUM)
                        mpfr_div_ui(quotient, sum, n, MPFR_RNDN);
                    exact_f64 exact = exact_from_mpfr(quotient);
                    double error = ulp_error_f64(r.wide[reduction], exact);
                    double limit = bound_of(row_of(reduction, (variant)v), rows_of_bounds[v])->float64;
                    if (error > found[v].error) where[v] = sets[s].name;
                    worst_add(&found[v], error, (double)n);
                    if (!(error <= limit) || !(ulp_error_f32(r.single[reduction], exact.value) <= limit))
                        test_fail("%s, %s, reduction %d of %zu: %a, exact %a, %.3f ULP", sets[s].name,
                                  rows_of_bounds[v], reduction, n, r.wide[reduction], exact.value, error);
                }
            }
        }
    }
    mpfr_clears(sum, weights, quotient, (mpfr_ptr)0);
    for (int v = HARD; v <= WEIGHTED; ++v)
        test_note("%s %.4f ULP (%s, %.0f)", rows_of_bounds[v], found[v].error, where[v], found[v].at);
}

#else
static void test_float64(void) { test_skip("built without MPFR"); }
#endif

/* With weights of both signs: relative to the sum of magnitudes. */
static void test_negative_weights(void)
{
    double limit = bound_of("sum", "weighted")->float32;
    worst found = { 0, 0 };
    for (size_t s = 0; s < COUNT(sets); s += set_step()) {
        make_set(&sets[s]);
        for (size_t i = 1; i < LONGEST; i += 2) {
            /* Every second term almost takes the one before it away. */
            x32[i] = x32[i - 1];
            hard[i] = hard[i - 1];
            w32[i] = -w32[i - 1] * (i % 8 == 1 ? 0.999999f : 1);
        }
        bcel_pair sum = { 0, 0 };
        double magnitude = 0;
        size_t done = 0;
        for (size_t n = 1; n; n = next_length(n)) {
            for (; done < n; ++done) {
                logit_values v = values_of_logit((double)x32[done]);
                double loss = (double)w32[done] * (hard[done] ? v.softplus_minus : v.softplus);
                sum = add(sum, loss);
                magnitude += fabs(loss);
            }
            float computed;
            bcel_call call = call_for(&n, BCEL_FLOAT32, WEIGHTED);
            bcel_output to = output(&computed, BCEL_FLOAT32);
            CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
            double error = ulp_error_at_f32(computed, sum.hi + sum.lo, magnitude);
            worst_add(&found, error, (double)n);
            if (!(error <= limit)) test_fail("%s, %zu: %a, exact %a", sets[s].name, n, (double)computed, sum.hi);
        }
    }
    test_note("max %.4f ULP of the sum of magnitudes", found.error);
}

/* One pos_weight for all, with hard targets and with some soft ones among them: in float32 against the sum of doubles,
 * in float64 against the same sum with a pos_weight for each element, which takes another way. 1 changes no bit. */
static void test_one_pos_weight(void)
{
    static const double pos_weights[] = { 3, 0.1, 1, 0 };
    double limit = bound_of("sum", "weighted")->float32;
    double *each = allocate(LONGEST, sizeof *each);
    float *y = allocate(LONGEST, sizeof *y);
    worst found = { 0, 0 };
    for (size_t s = 0; s < COUNT(sets); s += set_step())
        for (size_t k = 0; k < 2 * COUNT(pos_weights); ++k) {
            float pos_weight = (float)pos_weights[k / 2];
            if (s % COUNT(pos_weights) != k / 2) continue; /* the sets in turn */
            make_set(&sets[s]);
            for (size_t i = 0; i < LONGEST; ++i) {
                each[i] = (double)pos_weight;
                y[i] = k % 2 && i % 1000 == 700 ? 0.25f : (float)hard[i];
            }
            bcel_pair sum = { 0, 0 };
            size_t done = 0;
            for (size_t n = 1; n; n = next_length(n)) {
                for (; done < n; ++done) {
                    logit_values v = values_of_logit((double)x32[done]);
                    sum = add(sum, (double)pos_weight * (double)y[done] * v.softplus_minus);
                    sum = add(sum, (1 - (double)y[done]) * v.softplus);
                }
                float computed;
                double wide, other;
                bcel_call call = call_of(&n, packed(x32, BCEL_FLOAT32), packed(y, BCEL_FLOAT32));
                bcel_output to = output(&computed, BCEL_FLOAT32), to_wide = output(&wide, BCEL_FLOAT64);
                call.pos_weight = constant(&pos_weight, BCEL_FLOAT32);
                CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
                double error = ulp_error_f32(computed, sum.hi + sum.lo);
                worst_add(&found, error, (double)n);
                if (!(error <= limit))
                    test_fail("%s, p=%g, %zu: %a, exact %a", sets[s].name, (double)pos_weight, n, (double)computed, sum.hi);
                if (pos_weight == 1) {
                    bcel_call without = call;
                    float same;
                    without.pos_weight.data = NULL;
                    bcel_output to_same = output(&same, BCEL_FLOAT32);
                    CHECK(bcel_reduce(BCEL_SUM, 0, &without, &to_same) == BCEL_OK);
                    CHECK(same_f32(same, computed));
                }
                call.flags |= BCEL_COMPUTE_FLOAT64;
                CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to_wide) == BCEL_OK);
                call.pos_weight = packed(each, BCEL_FLOAT64);
                bcel_output to_other = output(&other, BCEL_FLOAT64);
                CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to_other) == BCEL_OK);
                if (!(fabs(wide - other) <= 0x1p-52 * other))
                    test_fail("%s, p=%g, %zu: %a, but %a with a pos_weight for each", sets[s].name, (double)pos_weight, n,
                              wide, other);
            }
        }
    test_note("max %.4f ULP in float32", found.error);
    release(each);
    release(y);
}

/* Equal soft targets near 0 with confident logits: linear parts far below log 2, all with the same error. */
static void test_soft_targets_near_0(void)
{
    enum { N = BCEL_BLOCK, TRIES = 2000 };
    double limit = bound_of("mean", "soft")->float32;
    random_state r = { 61 };
    worst found = { 0, 0 };
    float *x = allocate(N, sizeof *x), *y = allocate(N, sizeof *y), draws[2];
    for (size_t t = 0; t < sampled(TRIES); ++t) {
        soft_targets_f32(&r, draws, 2);
        float logit = -8 - 6 * draws[0], target = ldexpf(1 + draws[1], -11 - (int)(t % 6)) / -logit;
        for (size_t i = 0; i < N; ++i) {
            x[i] = logit;
            y[i] = target;
        }
        logit_values v = values_of_logit((double)logit);
        double exact = (double)target * v.softplus_minus + (1 - (double)target) * v.softplus;
        for (size_t n = 16; n <= N; n *= 2) {
            float computed;
            bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), packed(y, BCEL_FLOAT32));
            bcel_output to = output(&computed, BCEL_FLOAT32);
            CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to) == BCEL_OK);
            double error = ulp_error_f32(computed, exact);
            worst_add(&found, error, (double)n);
            if (!(error <= limit))
                test_fail("%zu of x=%a y=%a: %a, exact %a, %.3f ULP", n, (double)logit, (double)target, (double)computed,
                          exact, error);
        }
    }
    test_note("max %.4f ULP", found.error);
    release(x);
    release(y);
}

/* A loss so large that no lane takes it has a low part, too: a power of two in the weight changes no digit. */
static void test_low_parts_of_large_losses(void)
{
    enum { N = 5 };
    static const double x[N] = { 0.75, -0.75, -13, 3, 0.01 }, y[N] = { 0.5, 0.25, 0, 1, 0.75 };
    static const int exponents[] = { 890, 899, 900, 901, 950, 1015 };
    size_t n = N;
    double weight = 1, sum, expected;
    bcel_call call = call_of(&n, packed(x, BCEL_FLOAT64), packed(y, BCEL_FLOAT64));
    bcel_output out = output(&sum, BCEL_FLOAT64);
    call.weight = constant(&weight, BCEL_FLOAT64);
    CHECK(bcel_reduce(BCEL_SUM, 0, &call, &out) == BCEL_OK);
    expected = sum;
    for (size_t i = 0; i < COUNT(exponents); ++i) {
        weight = ldexp(1, exponents[i]);
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &out) == BCEL_OK);
        double error = fabs(ldexp(sum, -exponents[i]) - expected) / ulp_of_f64(expected);
        if (!(error <= 1)) test_fail("weight 2^%d: %.3g ULP off", exponents[i], error);
    }
}

/* Sums beyond the largest number: infinite, while their mean is right. */
static void test_overflow(void)
{
    enum { N = 10000 };
    static const unsigned char one = 1;
    size_t n = N;
    float *x = allocate(N, sizeof *x), single;
    double *wide_x = allocate(N, sizeof *wide_x), wide;
    for (size_t i = 0; i < N; ++i) {
        x[i] = -0x1.fp127f;
        wide_x[i] = i % 2 ? -0x1.fp1023 : -0x1.1p1023;
    }
    bcel_output to_single = output(&single, BCEL_FLOAT32), to_wide = output(&wide, BCEL_FLOAT64);
    bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), constant(&one, BCEL_BOOL));
    for (n = 1; n <= N; n = n * 3 + 1) {
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to_single) == BCEL_OK);
        CHECK(n == 1 ? single == 0x1.fp127f : single == INFINITY);
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to_wide) == BCEL_OK);
        CHECK(wide == (double)n * 0x1.fp127);
        CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to_single) == BCEL_OK);
        CHECK(single == 0x1.fp127f);
    }
    call.input = packed(wide_x, BCEL_FLOAT64);
    for (n = 2; n <= N; n = n * 4 + 2) {
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to_wide) == BCEL_OK);
        CHECK(wide == (double)INFINITY);
        CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to_wide) == BCEL_OK);
        CHECK(wide == 0x1.8p1023);
        CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to_single) == BCEL_OK);
        CHECK(single == INFINITY);
    }
    release(x);
    release(wide_x);
}

static void test_infinite_terms(void)
{
    enum { N = 700 };
    static float x[N], w[N];
    static const unsigned char none = 0;
    size_t n = N;
    double value;
    bcel_output to = output(&value, BCEL_FLOAT64);
    for (size_t at = 0; at < N; at += 37) {
        bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), constant(&none, BCEL_BOOL));
        for (size_t i = 0; i < N; ++i) {
            x[i] = 0.5f;
            w[i] = 1;
        }
        x[at] = INFINITY;
        CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to) == BCEL_OK);
        CHECK(value == (double)INFINITY);
        x[at] = -INFINITY;
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
        CHECK(value > 0 && value < (double)N);
        x[at] = NAN;
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
        CHECK(value != value);
        /* A weight of 0 takes a term out, whatever it is. */
        x[at] = INFINITY;
        w[at] = 0;
        call.weight = packed(w, BCEL_FLOAT32);
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
        CHECK(value > 0 && value < (double)N);
        w[at] = -1;
        x[(at + 300) % N] = INFINITY;
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
        CHECK(value != value);
    }
}

static void test_nothing(void)
{
    double value = 5;
    size_t n = 0;
    static const unsigned char nowhere = 0;
    bcel_output to = output(&value, BCEL_FLOAT64);
    bcel_call call = call_of(&n, packed(x64, BCEL_FLOAT64), packed(hard, BCEL_BOOL));
    CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
    CHECK(bits_of_f64(value) == 0);
    CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to) == BCEL_OK);
    CHECK(value != value);
    n = 5000;
    call.where = constant(&nowhere, BCEL_BOOL);
    CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to) == BCEL_OK);
    CHECK(bits_of_f64(value) == 0);
    CHECK(bcel_reduce(BCEL_WEIGHTED_MEAN, 0, &call, &to) == BCEL_OK);
    CHECK(value != value);
}

/* ---- the same bits however the elements lie and however the work is split --------------------------- */

static void check_alignment(bcel_dtype dtype, size_t n, size_t offset, ptrdiff_t stride)
{
    size_t size = size_of_dtype(dtype), room = ((size_t)labs((long)stride) * (n + 1) + 64) * 2;
    char *memory = allocate(room, 1), *targets = allocate(room, 1);
    char *x = memory + offset + (stride < 0 ? (size_t)-stride * n : 0);
    char *y = targets + (offset * 5) % 64 + (stride < 0 ? (size_t)-stride * n : 0);
    const char *from_x = dtype == BCEL_FLOAT32 ? (const char *)x32 : (const char *)x64;
    const char *from_y = dtype == BCEL_FLOAT32 ? (const char *)y32 : (const char *)y64;
    for (size_t i = 0; i < n; ++i) {
        memcpy(x + (ptrdiff_t)i * stride, from_x + i * size, size);
        memcpy(y + (ptrdiff_t)i * stride, from_y + i * size, size);
    }
    bcel_call plain = call_for(&n, dtype, SOFT), moved = plain;
    moved.input.data = x;
    moved.target.data = y;
    if (stride != (ptrdiff_t)size) moved.input.strides = moved.target.strides = &stride;
    double expected, got;
    bcel_output to_expected = output(&expected, BCEL_FLOAT64), to_got = output(&got, BCEL_FLOAT64);
    for (int reduction = BCEL_SUM; reduction <= BCEL_MEAN; ++reduction) {
        CHECK(bcel_reduce((bcel_reduction)reduction, 0, &plain, &to_expected) == BCEL_OK);
        CHECK(bcel_reduce((bcel_reduction)reduction, 0, &moved, &to_got) == BCEL_OK);
        if (!same_f64(expected, got))
            test_fail("%s, %zu elements at %zu, stride %td: %a, not %a", name_of_dtype(dtype), n, offset, stride, got,
                      expected);
    }
    release(memory);
    release(targets);
}

static void test_alignment(void)
{
    make_set(&sets[0]);
    for (int dtype = BCEL_FLOAT32; dtype <= BCEL_FLOAT64; ++dtype) {
        ptrdiff_t size = (ptrdiff_t)size_of_dtype((bcel_dtype)dtype);
        for (size_t n = 0; n <= 300; n += 300 / sampled(300))
            for (size_t offset = 0; offset < 64; offset += n % 16 == 3 ? 1 : (size_t)size)
                check_alignment((bcel_dtype)dtype, n, offset, size);
        for (size_t n = 1; n; n = next_length(n)) {
            check_alignment((bcel_dtype)dtype, n, 0, 3 * size);
            check_alignment((bcel_dtype)dtype, n, 8, -size);
            check_alignment((bcel_dtype)dtype, n, 1, 2 * size + 1);
            if (n > 300)
                for (size_t offset = 1; offset < 64; offset += 9) check_alignment((bcel_dtype)dtype, n, offset, size);
        }
    }
}

/* Blocks in any order, over any number of accumulators, merged in any order: the bits of bcel_reduce. */
static void test_blocks(void)
{
    enum { ACCUMULATORS = 5, BLOCKS = (LONGEST + BCEL_BLOCK - 1) / BCEL_BLOCK };
    random_state r = { 8 };
    for (size_t s = 0; s < COUNT(sets); s += set_step()) {
        make_set(&sets[s]);
        size_t n = longest() - s * 200, blocks = (n + BCEL_BLOCK - 1) / BCEL_BLOCK;
        for (int dtype = BCEL_FLOAT32; dtype <= BCEL_FLOAT64; ++dtype)
            for (int v = HARD; v <= WEIGHTED; ++v) {
                bcel_call call = call_for(&n, (bcel_dtype)dtype, (variant)v);
                bcel_accumulator parts[ACCUMULATORS];
                size_t order[BLOCKS];
                for (int k = 0; k < ACCUMULATORS; ++k) bcel_accumulator_init(&parts[k]);
                for (size_t i = 0; i < blocks; ++i) order[i] = i;
                for (size_t i = blocks - 1; i > 0; --i) {
                    size_t k = random_below(&r, i + 1), block = order[i];
                    order[i] = order[k];
                    order[k] = block;
                }
                for (size_t i = 0; i < blocks; ++i)
                    CHECK(bcel_accumulate(&parts[random_below(&r, ACCUMULATORS)], &call, order[i], order[i] + 1)
                          == BCEL_OK);
                for (int k = 1; k < ACCUMULATORS; ++k) bcel_accumulator_merge(&parts[0], &parts[k]);
                CHECK(parts[0].count == n);
                for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
                    double expected, got;
                    bcel_output to_expected = output(&expected, BCEL_FLOAT64), to_got = output(&got, BCEL_FLOAT64);
                    CHECK(bcel_reduce((bcel_reduction)reduction, 0, &call, &to_expected) == BCEL_OK);
                    CHECK(bcel_accumulator_result(&parts[0], (bcel_reduction)reduction, &to_got) == BCEL_OK);
                    if (!same_f64(expected, got))
                        test_fail("%s, %s, %s, reduction %d: %a, not %a", sets[s].name, name_of_dtype((bcel_dtype)dtype),
                                  rows_of_bounds[v], reduction, got, expected);
                }
                /* The sum of weight * target, too. */
                bcel_pair positive = { 0, 0 };
                int single = dtype == BCEL_FLOAT32;
                for (size_t i = 0; i < n; ++i) {
                    double y = v == SOFT ? (single ? (double)y32[i] : y64[i]) : hard[i];
                    positive = add(positive, v == WEIGHTED ? y * (single ? (double)w32[i] : w64[i]) : y);
                }
                double got = bcel_exact_value(&parts[0].positive).value.hi;
                CHECK(fabs(got - (positive.hi + positive.lo)) <= ulp_of_f64(got) * 2);
            }
    }
}

/* ---- 2^26 elements ---------------------------------------------------------------------------------- */

static void test_long(void)
{
    const size_t n = (size_t)1 << 26, period = 9973;
    if (sampled(2) < 2) {
        test_skip("not with SAMPLE");
        return;
    }
    static const unsigned char none = 0;
    float *x = allocate(n, sizeof *x), mean;
    bcel_output to = output(&mean, BCEL_FLOAT32);
    double value;
    bcel_output to_wide = output(&value, BCEL_FLOAT64);
    for (int kind = 0; kind < 3; ++kind) {
        random_state r = { 1 };
        bcel_pair sum = { 0, 0 };
        for (size_t i = 0; i < period; ++i)
            x[i] = kind == 0 ? -5.3f : kind == 1 ? (float)(4 * random_normal(&r)) : (float)(-79 * random_unit(&r));
        for (size_t i = period; i < n; ++i) x[i] = x[i - period];
        for (size_t i = 0; i < period; ++i)
            sum = add(sum, values_of_logit((double)x[i]).softplus * (double)(n / period + (i < n % period)));
        bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), constant(&none, BCEL_BOOL));
        CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to) == BCEL_OK);
        CHECK(bcel_reduce(BCEL_SUM, 0, &call, &to_wide) == BCEL_OK);
        double exact = sum.hi + sum.lo, error = ulp_error_f32(mean, exact / (double)n);
        test_note("%.4f ULP", error);
        CHECK(error <= bound_of("mean", "hard")->float32);
        CHECK(fabs(value - exact) / ulp_of_f32(exact) <= bound_of("sum", "hard")->float32);
        test_note("sum off by %.2g of itself", fabs(value - exact) / exact);
    }
    release(x);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "exact sum: order, splits, merges", test_order, 0 },
        { "exact sum: infinities and NaN", test_specials, 0 },
        { "exact sum: many additions", test_many_additions, 0 },
        { "exact sum: against MPFR", test_against_mpfr, 0 },
        { "rounding once", test_rounding_once, 0 },
        { "reductions in float32", test_float32, 1 },
        { "reductions in float64", test_float64, 1 },
        { "weights of both signs", test_negative_weights, 1 },
        { "one pos_weight", test_one_pos_weight, 1 },
        { "soft targets near 0", test_soft_targets_near_0, 1 },
        { "low parts of large losses", test_low_parts_of_large_losses, 1 },
        { "sums that overflow", test_overflow, 1 },
        { "infinite terms and NaN", test_infinite_terms, 1 },
        { "nothing to sum", test_nothing, 1 },
        { "alignments and strides", test_alignment, 1 },
        { "blocks in any order", test_blocks, 1 },
        { "2^26 elements", test_long, 0 },
    };
    return run_tests("sum", tests, COUNT(tests), argc, argv);
}
