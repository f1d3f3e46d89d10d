/* The floating-point environment: rounding and traps are left as they were; no result depends on flags of exceptions; and
 * what still holds in one that is not the default, where another part of the process rounds in a direction, flushes
 * subnormal numbers to zero or unmasks traps. */
#if defined(__linux__)
#  define _GNU_SOURCE /* feenableexcept */
#endif
#include "bounds.h"
#include "harness.h"
#include "reference.h"

#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__)
#  include <signal.h>
#  include <sys/wait.h>
#  include <unistd.h>
#endif

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

/* ---- every function, over everything that raises a flag --------------------------------------------- */

enum { MIXED = 2 * BCEL_BLOCK + 100, FEW = 612, RESULTS = 2 * MIXED, KINDS = 2 };

static const bcel_dtype dtypes[KINDS] = { BCEL_FLOAT32, BCEL_FLOAT64 };
static double wide[4][MIXED];
static float narrow[4][MIXED];
static double results[RESULTS];
static bcel_accumulator accumulators[2];

/* Logits, targets, weights and weights of positives: infinite, huge, subnormal and ordinary ones, and a NaN. */
static void fill_mixed(void)
{
    const double special[] = { 0, -0.0, 0x1p-1074, -0x1p-1040, 0x1p-149, -0x1p-130, 1, -1, 20, -20, 104, -104, 740, -740,
                               3e38, -3e38, 1e308, -1e308, (double)INFINITY, -(double)INFINITY, (double)NAN };
    const double weight[] = { 1, 0, 0x1p-1074, 0x1p-140, 1e-30, 1e30, 3e38, 1e308, 0.1 };
    for (size_t i = 0; i < MIXED; ++i) {
        wide[0][i] = i % 3 ? special[i / 3 % COUNT(special)] : (double)i / 97 - 40;
        wide[1][i] = i % 7 ? (double)(i % 2) : (double)(i % 11) / 10;
        wide[2][i] = weight[i % COUNT(weight)];
        wide[3][i] = weight[i / 5 % COUNT(weight)];
        for (int k = 0; k < 4; ++k) narrow[k][i] = fabs(wide[k][i]) < 0x1p128 ? (float)wide[k][i] : INFINITY;
    }
}

/* FNV-1a of what the functions write; every NaN is one. */
static uint64_t hash_of(const void *data, bcel_dtype dtype, size_t n, uint64_t hash)
{
    for (size_t i = 0; i < n; ++i) {
        double value = dtype == BCEL_FLOAT32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
        uint64_t bits = 0x7ff8;
        if (value == value) memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ bits) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* What each call of n elements, a multiple of 4, leaves of rounding and traps must be `during`; the hash of all results. */
static uint64_t call_everything(size_t n, unsigned during, int rounding, int *changed)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    size_t rows[2] = { 4, n / 4 };
    *changed = 0;
#define LEAVES(dtype, written, call)                                                            \
    do {                                                                                        \
        (void)(call);                                                                           \
        *changed += fegetround() != rounding || control() != during;                            \
        hash = hash_of(results, dtype, written, hash);                                          \
    } while (0)
    for (int kind = 0; kind < KINDS; ++kind) {
        bcel_dtype dtype = dtypes[kind];
        const void *data[4];
        for (int k = 0; k < 4; ++k) data[k] = kind ? (const void *)wide[k] : (const void *)narrow[k];
        bcel_output one = output(results, dtype);
        bcel_output two[2] = { one, output(dtype == BCEL_FLOAT32 ? (void *)((float *)results + MIXED)
                                                                 : (void *)(results + MIXED), dtype) };
        for (int weighted = 0; weighted < 2; ++weighted) {
            bcel_call call = call_of(&n, packed(data[0], dtype), packed(data[1], dtype));
            if (weighted) {
                call.weight = packed(data[2], dtype);
                call.pos_weight = packed(data[3], dtype);
                call.label_smoothing = 0.1;
            }
            memset(results, 0, sizeof results);
            for (int function = BCEL_LOSS; function <= BCEL_SOFTPLUS; ++function)
                LEAVES(dtype, RESULTS, bcel_map((bcel_function)function, &call, two));
            for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
                LEAVES(dtype, 1, bcel_reduce((bcel_reduction)reduction, 0, &call, &one));
                LEAVES(dtype, RESULTS, bcel_value_and_grad((bcel_reduction)reduction, 0.7, &call, &one, &two[1]));
                for (int function = BCEL_GRAD_TARGET; function <= BCEL_GRAD_POS_WEIGHT; ++function)
                    LEAVES(dtype, n, bcel_reduce_grad((bcel_function)function, (bcel_reduction)reduction, 0.7, 1,
                                                          &call, &one));
            }
            call.ndim = 2;
            call.shape = rows;
            for (int function = BCEL_GRAD_WEIGHT; function <= BCEL_GRAD_POS_WEIGHT; ++function)
                LEAVES(dtype, 4, bcel_sum_grad((bcel_function)function, 1, &call, &one));
            LEAVES(dtype, 4, bcel_reduce(BCEL_MEAN, 1, &call, &one));
            call.ndim = 1;
            call.shape = &n;
            for (int k = 0; k < 2; ++k) LEAVES(dtype, 0, (bcel_accumulator_init(&accumulators[k]), 0));
            LEAVES(dtype, 0, bcel_accumulate(&accumulators[0], &call, 0, 1));
            LEAVES(dtype, 0, bcel_accumulate(&accumulators[1], &call, 1, SIZE_MAX));
            LEAVES(dtype, 0, (bcel_accumulator_merge(&accumulators[0], &accumulators[1]), 0));
            LEAVES(dtype, 1, bcel_accumulator_result(&accumulators[0], BCEL_WEIGHTED_MEAN, &one));
            LEAVES(dtype, 1, bcel_exact_result(&accumulators[0].positive, &one));
            LEAVES(dtype, 0, bcel_find_bad_target(&call));
            LEAVES(dtype, 0, bcel_find_negative(1, &n, &call.input));
        }
    }
#undef LEAVES
    return hash;
}

static uint64_t hash_in(size_t n, int rounding, unsigned control_flags, int exceptions, int *raised)
{
    int changed;
    unsigned before = control();
    fill_mixed();
    fesetround(rounding);
    set_control(control() | control_flags);
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(exceptions);
    unsigned during = control();
    uint64_t hash = call_everything(n, during, rounding, &changed);
    *raised = fetestexcept(FE_ALL_EXCEPT);
    feclearexcept(FE_ALL_EXCEPT);
    fesetround(FE_TONEAREST);
    set_control(before);
    if (changed) test_fail("%d calls changed the environment", changed);
    return hash;
}

static void test_flags(void)
{
    int raised;
    size_t n = sampled(100) < 100 ? FEW : MIXED;
    uint64_t clear = hash_in(n, FE_TONEAREST, 0, 0, &raised);
    test_note("raised %#x of %#x", (unsigned)raised, (unsigned)FE_ALL_EXCEPT);
    CHECK(hash_in(n, FE_TONEAREST, 0, FE_ALL_EXCEPT, &raised) == clear);
    CHECK(raised == FE_ALL_EXCEPT); /* none was cleared */
}

/* Every function returns and leaves what it found. */
static void test_every_environment(void)
{
    const int roundings[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    int raised;
    for (size_t i = 0; i < COUNT(roundings); ++i) {
        hash_in(FEW, roundings[i], 0, 0, &raised);
        if (flush_to_zero) hash_in(FEW, roundings[i], flush_to_zero, 0, &raised);
    }
}

/* Where an exception stops the program, it may: the header says so. Else the result is right and the traps are as they
 * were. */
static void test_unmasked_traps(void)
{
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
    const int traps[] = { FE_INVALID, FE_DIVBYZERO, FE_OVERFLOW, FE_UNDERFLOW, FE_INEXACT };
    const float logits[] = { INFINITY, 1000, 1e-44f, NAN };
    size_t n = 1;
    float one = 1, value;
    int stopped = 0;
    for (size_t t = 0; t < COUNT(traps); ++t)
        for (size_t k = 0; k < COUNT(logits); ++k) {
            bcel_call call = call_of(&n, packed(&logits[k], BCEL_FLOAT32), packed(&one, BCEL_FLOAT32));
            bcel_output out = output(&value, BCEL_FLOAT32);
            CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &out) == BCEL_OK);
            float expected = value;
            pid_t child = fork();
            if (child == 0) {
                signal(SIGFPE, SIG_DFL);
                alarm(60);
                feclearexcept(FE_ALL_EXCEPT);
                if (feenableexcept(traps[t]) < 0) _exit(0); /* none to unmask, as on most Arm */
                int before = fegetexcept();
                value = 0;
                int right = bcel_reduce(BCEL_MEAN, 0, &call, &out) == BCEL_OK && fegetexcept() == before
                            && memcmp(&value, &expected, sizeof value) == 0;
                _exit(right ? 0 : 1);
            }
            int status = 0;
            if (child < 0 || waitpid(child, &status, 0) != child) {
                test_skip("no process of its own");
                return;
            }
            int by_trap = WIFSIGNALED(status) && WTERMSIG(status) == SIGFPE;
            stopped += by_trap;
            if (!by_trap && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
                test_fail("trap %#x at %a: status %#x", (unsigned)traps[t], (double)logits[k], (unsigned)status);
        }
    test_note("%d of %d calls stopped", stopped, (int)(COUNT(traps) * COUNT(logits)));
#else
    test_skip("no traps that this test can unmask here");
#endif
}

/* ---- accuracy elsewhere ---------------------------------------------------------------------------- */

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
        { "flags of exceptions", test_flags, 1 },
        { "every function in every environment", test_every_environment, 1 },
        { "unmasked traps", test_unmasked_traps, 1 },
        { "subnormal numbers flushed to zero", test_flush_to_zero, 1 },
        { "rounding upward", test_upward, 1 },
        { "rounding downward", test_downward, 1 },
        { "rounding toward zero", test_toward_zero, 1 },
    };
    return run_tests("environment", tests, COUNT(tests), argc, argv);
}
