/* Unevaluated sums hi + lo: what their addition promises, which the results of kernels hardly show. */
#include "harness.h"
#include "numbers.h"
#include "sum.h"

#include <math.h>

/* Where the low part of the low parts' sum is all that is left of it. */
static void the_last_bits_count(void)
{
    bcel_pair a = { 1, 0x1p-54 }, b = { 0.5 + 0x1p-53, 0x1p-54 - 0x1p-107 };
    for (int sign = -1; sign <= 1; sign += 2) {
        bcel_pair one = { sign * a.hi, sign * a.lo }, other = { sign * b.hi, sign * b.lo };
        for (int swapped = 0; swapped < 2; ++swapped) {
            bcel_pair sum = swapped ? bcel_pair_add(other, one) : bcel_pair_add(one, other);
            bcel_exact left;
            bcel_exact_init(&left);
            bcel_exact_add(&left, one.hi);
            bcel_exact_add(&left, one.lo);
            bcel_exact_add(&left, other.hi);
            bcel_exact_add(&left, other.lo);
            bcel_exact_add(&left, -sum.hi);
            bcel_exact_add(&left, -sum.lo);
            bcel_pair rest = bcel_unscaled(bcel_exact_value(&left));
            if (rest.hi != 0) test_fail("%a + %a: %a is left", one.hi, other.hi, rest.hi);
        }
    }
}

static bcel_pair random_pair(random_state *r)
{
    bcel_pair p = { fabs(random_wide(r, -40, 40)), 0 };
    double unit = ldexp(1, ilogb(p.hi) - 53);
    p.lo = unit * (2 * random_unit(r) - 1);
    return bcel_two_sum(p.hi, p.lo);
}

/* The bound of its comment, against the exact sum. */
static void of_one_sign_it_is_right_to_104_bits(void)
{
    random_state r = { 7 };
    double worst = 0;
    for (size_t i = 0; i < sampled(200000); ++i) {
        bcel_pair a = random_pair(&r), b = random_pair(&r);
        bcel_pair sum = bcel_pair_add(a, b);
        bcel_exact left;
        bcel_exact_init(&left);
        const double terms[] = { a.hi, a.lo, b.hi, b.lo, -sum.hi, -sum.lo };
        for (size_t k = 0; k < COUNT(terms); ++k) bcel_exact_add(&left, terms[k]);
        double error = fabs(bcel_unscaled(bcel_exact_value(&left)).hi) / sum.hi;
        if (error > worst) worst = error;
        if (fabs(sum.lo) > ldexp(1, ilogb(sum.hi) - 53)) test_fail("%a and %a overlap", sum.hi, sum.lo);
    }
    test_note("2^%.1f", log2(worst));
    if (!(worst < 0x1p-104)) test_fail("an error of %a", worst);
}

static void what_overflows_has_no_low_part(void)
{
    bcel_pair large = { 0x1.fffffffffffffp1023, 0x1p969 }, infinite = { (double)INFINITY, 0 }, one = { 1, 0x1p-60 };
    bcel_pair sums[] = { bcel_pair_add(large, large), bcel_pair_add(infinite, one), bcel_pair_add(one, infinite) };
    for (size_t i = 0; i < COUNT(sums); ++i) CHECK(sums[i].hi == (double)INFINITY && sums[i].lo == 0);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "the last bits count", the_last_bits_count, 0 },
        { "of one sign it is right to 104 bits", of_one_sign_it_is_right_to_104_bits, 0 },
        { "what overflows has no low part", what_overflows_has_no_low_part, 0 },
    };
    return run_tests("pair", tests, COUNT(tests), argc, argv);
}
