/* float16 and bfloat16: for each of their 65,536 logits the result is that of float32 rounded once, from float32 and
 * from float64 arithmetic. Both directions of the conversion are done here by counting in the units of the last place. */
#include "harness.h"
#include "calls.h"
#include "numbers.h"

enum { ALL = 65536 };

typedef struct { bcel_dtype dtype; int mantissa, lowest_exponent; } format;

static const format formats[] = { { BCEL_FLOAT16, 10, -14 }, { BCEL_BFLOAT16, 7, -126 } };

static double value_of(const format *f, unsigned bits)
{
    unsigned exponents = (1u << (15 - f->mantissa)) - 1;
    unsigned exponent = bits >> f->mantissa & exponents, mantissa = bits & ((1u << f->mantissa) - 1);
    double magnitude;
    if (exponent == exponents)
        magnitude = mantissa ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        magnitude = ldexp(mantissa, f->lowest_exponent - f->mantissa);
    else
        magnitude = ldexp((double)(mantissa | 1u << f->mantissa), f->lowest_exponent - f->mantissa + (int)exponent - 1);
    return bits & 0x8000 ? -magnitude : magnitude;
}

/* The nearest, ties to even; doubles have room for every tie. */
static double rounded(const format *f, double a)
{
    int e;
    if (!isfinite(a) || a == 0) return a;
    (void)frexp(a, &e);
    e = e - 1 < f->lowest_exponent ? f->lowest_exponent : e - 1;
    double unit = ldexp(1, e - f->mantissa), result = nearbyint(a / unit) * unit;
    double limit = ldexp(1, 1 - f->lowest_exponent + 1);
    return fabs(result) >= limit ? copysign((double)INFINITY, a) : result;
}

static void check_format(const format *f)
{
    uint16_t *x = allocate(ALL, sizeof *x), *narrow = allocate(ALL, sizeof *narrow);
    float *x32 = allocate(ALL, sizeof *x32), *single = allocate(ALL, sizeof *single);
    double *wide = allocate(ALL, sizeof *wide);
    for (unsigned i = 0; i < ALL; ++i) {
        x[i] = (uint16_t)i;
        x32[i] = (float)value_of(f, i);
    }
    size_t n = ALL;
    for (int k = 0; k < LOGIT_FUNCTION_COUNT; ++k) {
        logit_function function = (logit_function)k;
        compute(function, f->dtype, x, narrow, n);
        compute(function, BCEL_FLOAT32, x32, single, n);
        for (unsigned i = 0; i < ALL; ++i) {
            double expected = rounded(f, (double)single[i]), got = value_of(f, narrow[i]);
            if (!same_f64(expected, got))
                test_fail("%s at %a: %a, not %a", name_of_function(function), (double)x32[i], got, expected);
        }
    }
    /* Logits of 16 bits, results of 32 and of 64, and the loss of both in 16. */
    static const unsigned char one = 1;
    bcel_call call = call_of(&n, packed(x, f->dtype), constant(&one, BCEL_BOOL));
    bcel_output to_single = output(single, BCEL_FLOAT32), to_wide = output(wide, BCEL_FLOAT64);
    float *again = allocate(ALL, sizeof *again);
    compute(LOSS_1, BCEL_FLOAT32, x32, again, n);
    CHECK(bcel_map(BCEL_LOSS, &call, &to_single) == BCEL_OK);
    for (unsigned i = 0; i < ALL; ++i)
        if (!same_f32(single[i], again[i])) test_fail("float32 at %a: %a", (double)x32[i], (double)single[i]);
    call.flags |= BCEL_COMPUTE_FLOAT64;
    bcel_output to_narrow = output(narrow, f->dtype);
    CHECK(bcel_map(BCEL_LOSS, &call, &to_wide) == BCEL_OK);
    CHECK(bcel_map(BCEL_LOSS, &call, &to_narrow) == BCEL_OK);
    for (unsigned i = 0; i < ALL; ++i)
        if (!same_f64(rounded(f, wide[i]), value_of(f, narrow[i])))
            test_fail("float64 at %a: %a from %a", (double)x32[i], value_of(f, narrow[i]), wide[i]);
    release(x);
    release(narrow);
    release(x32);
    release(single);
    release(again);
    release(wide);
}

static void test_float16(void) { check_format(&formats[0]); }
static void test_bfloat16(void) { check_format(&formats[1]); }

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "float16, every logit", test_float16, 1 },
        { "bfloat16, every logit", test_bfloat16, 1 },
    };
    return run_tests("16 bits", tests, COUNT(tests), argc, argv);
}
