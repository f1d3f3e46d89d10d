/* The floating-point environment: it is left as it was; and what still holds in one that is not the default, where
 * another part of the process rounds in a direction or flushes subnormal numbers to zero. */
#include "bounds.h"
#include "harness.h"
#include "reference.h"

#include <fenv.h>

#if defined(__SSE2__)
#  include <xmmintrin.h>
static unsigned control(void) { return _mm_getcsr() & ~0x3fu; } /* without the flags of exceptions */
static void set_control(unsigned word) { _mm_setcsr(word); }
static const unsigned flush_to_zero = 0x8040; /* results and operands */
#else
static unsigned control(void) { return (unsigned)fegetround(); }
static void set_control(unsigned word) { (void)word; }
static const unsigned flush_to_zero = 0;
#endif

enum { LOGITS = 200000 };

static float x[LOGITS], loss[LOGITS], gradient[LOGITS], mean;

/* Everything over logits of [-110, 110] for the target 0, in an environment that is undone at once. */
static void compute_in(int rounding, unsigned flags)
{
    static const unsigned char zero[LOGITS];
    size_t n = sampled(LOGITS);
    for (size_t i = 0; i < n; ++i) x[i] = (float)(((double)i / (double)n - 0.5) * 220);
    bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), packed(zero, BCEL_UINT8));
    bcel_output outputs[2] = { output(loss, BCEL_FLOAT32), output(gradient, BCEL_FLOAT32) };
    bcel_output value = output(&mean, BCEL_FLOAT32);
    unsigned before = control();
    fesetround(rounding);
    set_control(control() | flags);
    unsigned during = control();
    int changed = bcel_map(BCEL_LOSS_AND_GRAD, &call, outputs) != BCEL_OK
                  || bcel_reduce(BCEL_MEAN, 0, &call, &value) != BCEL_OK || fegetround() != rounding
                  || control() != during;
    fesetround(FE_TONEAREST);
    set_control(before);
    CHECK(!changed);
}

/* flushed: a subnormal result may be 0. */
static void check_results(double limit, int flushed)
{
    worst found[2] = { { 0, 0 }, { 0, 0 } };
    size_t n = sampled(LOGITS);
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
        logit_values v = values_of_logit((double)x[i]);
        sum += v.softplus;
        if (!(flushed && v.softplus < 0x1p-126 && loss[i] == 0))
            worst_add(&found[0], ulp_error_f32(loss[i], v.softplus), (double)x[i]);
        if (!(flushed && v.sigmoid < 0x1p-126 && gradient[i] == 0))
            worst_add(&found[1], ulp_error_f32(gradient[i], v.sigmoid), (double)x[i]);
    }
    for (int k = 0; k < 2; ++k)
        if (!(found[k].error <= limit)) test_fail("%s: %.3f ULP at %a", k ? "gradient" : "loss", found[k].error, found[k].at);
    double error = ulp_error_f32(mean, sum / (double)n);
    if (!(error <= limit)) test_fail("mean: %.3f ULP", error);
    test_note("loss %.3f, gradient %.3f, mean %.3f ULP", found[0].error, found[1].error, error);
}

static void test_flush_to_zero(void)
{
    if (!flush_to_zero) {
        test_skip("no flush-to-zero that this test can set here");
        return;
    }
    compute_in(FE_TONEAREST, flush_to_zero);
    check_results(bound_of("loss", "hard")->float32, 1);
}

/* No promise, but no nonsense either: the argument of a polynomial leaves its interval by half. */
static void check_directed(int rounding)
{
    compute_in(rounding, 0);
    check_results(32, 0);
}

static void test_upward(void) { check_directed(FE_UPWARD); }
static void test_downward(void) { check_directed(FE_DOWNWARD); }
static void test_toward_zero(void) { check_directed(FE_TOWARDZERO); }

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "subnormal numbers flushed to zero", test_flush_to_zero, 1 },
        { "rounding upward", test_upward, 1 },
        { "rounding downward", test_downward, 1 },
        { "rounding toward zero", test_toward_zero, 1 },
    };
    return run_tests("environment", tests, COUNT(tests), argc, argv);
}
