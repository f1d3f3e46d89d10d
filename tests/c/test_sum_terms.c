/* The error of exp(-t) as it enters a float32 sum of losses: relative, against exp in double. The promise for sums of
 * any length rests on it: a relative error d of every factor 1 + exp(-t) is at most d in the sum of their logarithms.
 *
 * The vocabulary is the scalar one, of which all others have the bits. Environment: STRIDE=n takes one float in n of
 * all those in [2^-30, 80], 1 takes each. */
#include "harness.h"
#include "numbers.h"

#include "simd/scalar.h"
#define ISA terms
#define BCEL_ISA_NAME "terms"
#include "isa.inc.h"

#include <stdlib.h>

/* NEAR_MAX of csrc/f32.inc.h: larger logits are not multiplied into the product. */
static const float first_t = 0x1p-30f, last_t = 80.0f;

/* Half a unit for the last rounding, and a quarter at most for this: 2^-26 is a quarter of the largest unit. */
static const double limit = 0x1p-26;

static void terms_of(const float *t, double *e)
{
    float hi[16], lo[16];
    pair_f32 pair = exp_near_f32(f32_load(t));
    f32_store(hi, pair.hi);
    f32_store(lo, pair.lo);
    for (int i = 0; i < 16; ++i) e[i] = (double)hi[i] + (double)lo[i];
}

static void test_terms(void)
{
    const char *text = getenv("STRIDE");
    uint32_t stride = text ? (uint32_t)strtoul(text, NULL, 10) : (uint32_t)(61 * (100 / sampled(100)));
    uint32_t first = bits_of_f32(first_t), last = bits_of_f32(last_t);
    worst found = { 0, 0 };
    size_t count = 0;
    if (stride < 1) stride = 1;
    for (uint32_t next = first; next <= last;) {
        float t[16];
        double e[16];
        int n = 0;
        for (int i = 0; i < 16; ++i) {
            t[i] = f32_of_bits(next <= last ? next : last);
            if (next > last) continue;
            n = i + 1;
            next += stride;
        }
        terms_of(t, e);
        for (int i = 0; i < n; ++i) {
            double exact = exp(-(double)t[i]);
            worst_add(&found, fabs(e[i] - exact) / exact, (double)t[i]);
        }
        count += (size_t)n;
    }
    if (!(found.error <= limit)) test_fail("at %a: a relative error of %a", found.at, found.error);
    test_note("%zu floats, max %.4f * 2^-25 at %a", count, found.error * 0x1p25, found.at);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = { { "exp(-t) in a float32 sum", test_terms, 0 } };
    return run_tests("sum terms", tests, COUNT(tests), argc, argv);
}
