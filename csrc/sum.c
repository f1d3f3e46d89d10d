#include "sum.h"

#include "fma.h"

#include <math.h>
#include <string.h>

/* Relative error below 2^-104 for operands of one sign (Joldes, Muller, Popescu 2017, algorithm 6). */
bcel_pair bcel_pair_add(bcel_pair a, bcel_pair b)
{
    bcel_pair s = bcel_two_sum(a.hi, b.hi);
    if (!(bcel_is_finite(s.hi))) {
        s.lo = 0;
        return s;
    }
    bcel_pair t = bcel_two_sum(a.lo, b.lo);
    s = bcel_two_sum(s.hi, s.lo + t.hi);
    return bcel_two_sum(s.hi, s.lo + t.lo);
}

/* ---- the exact sum: limbs of 32 bits, the lowest bit of the first is 2^LOWEST_EXPONENT ------------- */

enum {
    LIMBS = sizeof(((bcel_exact *)0)->limb) / sizeof(int64_t),
    EXTRA_BITS = 512, /* below the smallest double */
    LOWEST_EXPONENT = -1074 - EXTRA_BITS,
    POSITIVE_INFINITY = 1,
    NEGATIVE_INFINITY = 2,
    NOT_A_NUMBER = 4
};

/* A limb grows by less than 2^32 with each addition, so this many fit before carries must move. */
#define PENDING_MAX (UINT32_C(1) << 30)

void bcel_exact_init(bcel_exact *sum)
{
    memset(sum, 0, sizeof *sum);
}

/* Leaves every limb but the last in [0, 2^32); the last carries the sign. */
static void propagate(bcel_exact *sum)
{
    int64_t carry = 0;
    for (int i = 0; i < LIMBS - 1; ++i) {
        int64_t limb = sum->limb[i] + carry;
        int64_t low = limb & INT64_C(0xffffffff);
        carry = (limb - low) / (INT64_C(1) << 32);
        sum->limb[i] = low;
    }
    sum->limb[LIMBS - 1] += carry;
    sum->pending = 0;
}

void bcel_exact_add(bcel_exact *sum, double term)
{
    bcel_exact_add_scaled(sum, term, 0);
}

void bcel_exact_add_scaled(bcel_exact *sum, double term, int scale)
{
    uint64_t bits;
    memcpy(&bits, &term, sizeof bits);
    int negative = (int)(bits >> 63);
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 0x7ff) {
        sum->specials |= mantissa ? NOT_A_NUMBER : negative ? NEGATIVE_INFINITY : POSITIVE_INFINITY;
        return;
    }
    if (exponent == 0)
        exponent = 1;
    else
        mantissa |= UINT64_C(1) << 52;
    int place = exponent - 1 + scale + EXTRA_BITS;
    if (place < 0) {
        mantissa = place > -64 ? mantissa >> -place : 0;
        place = 0;
    }
    unsigned position = (unsigned)place;
    unsigned limb = position / 32, shift = position % 32;
    uint64_t low = (mantissa & UINT64_C(0xffffffff)) << shift;
    uint64_t high = (mantissa >> 32) << shift;
    int64_t parts[3] = { (int64_t)(low & UINT64_C(0xffffffff)),
                         (int64_t)((low >> 32) + (high & UINT64_C(0xffffffff))), (int64_t)(high >> 32) };
    for (int i = 0; i < 3; ++i) sum->limb[limb + (unsigned)i] += negative ? -parts[i] : parts[i];
    if (++sum->pending >= PENDING_MAX) propagate(sum);
}

void bcel_exact_merge(bcel_exact *sum, const bcel_exact *other)
{
    bcel_exact normal = *other;
    propagate(&normal);
    propagate(sum);
    for (int i = 0; i < LIMBS; ++i) sum->limb[i] += normal.limb[i];
    sum->pending = 1;
    sum->specials |= other->specials;
}

static double power_of_two(int n)
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double r;
    memcpy(&r, &bits, sizeof r);
    return r;
}

/* a * 2^n, n in a range that two normal powers cover; exact unless the result is subnormal. */
static double scale_by_power(double a, int n)
{
    int half = n / 2;
    return a * power_of_two(half) * power_of_two(n - half);
}

/* Magnitude of a sum whose limbs are all in [0, 2^32), times 2^-exponent, to the nearest, ties to even. */
static double magnitude(const bcel_exact *sum, int exponent)
{
    int top = LIMBS - 1;
    while (top > 0 && sum->limb[top] == 0) --top;
    /* The top 64 bits, those below as one sticky bit. */
    uint64_t bits = (uint64_t)sum->limb[top];
    int lowest = 32 * top + LOWEST_EXPONENT - exponent; /* exponent of the last bit in `bits` */
    int next = top - 1;
    int filled = 0;
    while (filled < 64 && bits >> filled) ++filled;
    for (; next >= 0 && filled <= 32; --next) {
        bits = bits << 32 | (uint64_t)sum->limb[next];
        if (filled) filled += 32;
        lowest -= 32;
    }
    int sticky = 0;
    uint64_t partial = 0;
    if (next >= 0 && filled < 64) {
        int room = 64 - filled;
        partial = (uint64_t)sum->limb[next];
        bits = bits << room | partial >> (32 - room);
        sticky = (partial & ((UINT64_C(1) << (32 - room)) - 1)) != 0;
        lowest -= room;
        filled = 64;
        --next;
    }
    for (; next >= 0; --next) sticky |= sum->limb[next] != 0;
    if (filled > 53) {
        int drop = filled - 53;
        uint64_t half = UINT64_C(1) << (drop - 1);
        uint64_t rest = bits & ((half << 1) - 1);
        bits >>= drop;
        lowest += drop;
        if (rest > half || (rest == half && (sticky || (bits & 1)))) ++bits;
    }
    return scale_by_power((double)bits, lowest);
}

/* Leaves the magnitude, all limbs in [0, 2^32); returns 1 if the sum was negative. */
static int make_positive(bcel_exact *sum)
{
    propagate(sum);
    if (sum->limb[LIMBS - 1] >= 0) return 0;
    for (int i = 0; i < LIMBS; ++i) sum->limb[i] = -sum->limb[i];
    propagate(sum);
    return 1;
}

/* 0, unless hi might overflow, or lo lose bits below the smallest double. */
static int choose_exponent(const bcel_exact *positive)
{
    enum { LARGE = (900 - LOWEST_EXPONENT) / 32, SMALL = (-500 - LOWEST_EXPONENT) / 32 };
    int top = LIMBS - 1;
    while (top > 0 && positive->limb[top] == 0) --top;
    return top >= LARGE ? 128 : top < SMALL ? -EXTRA_BITS : 0;
}

bcel_scaled bcel_exact_value(const bcel_exact *sum)
{
    bcel_scaled r = { { 0, 0 }, 0 };
    if (sum->specials) {
        int both = POSITIVE_INFINITY | NEGATIVE_INFINITY;
        if ((sum->specials & NOT_A_NUMBER) || (sum->specials & (uint32_t)both) == (uint32_t)both)
            r.value.hi = (double)NAN;
        else
            r.value.hi = sum->specials & POSITIVE_INFINITY ? (double)INFINITY : -(double)INFINITY;
        return r;
    }
    bcel_exact rest = *sum;
    int negative = make_positive(&rest);
    r.exponent = choose_exponent(&rest);
    r.value.hi = magnitude(&rest, r.exponent);
    /* hi * 2^exponent may be beyond double: take it off as limbs, 32 bits of exponent each. */
    bcel_exact part;
    bcel_exact_init(&part);
    bcel_exact_add(&part, r.value.hi);
    int shift = r.exponent / 32;
    for (int i = 0; i < LIMBS; ++i)
        if (i - shift >= 0 && i - shift < LIMBS) rest.limb[i] -= part.limb[i - shift];
    int below = make_positive(&rest);
    r.value.lo = magnitude(&rest, r.exponent);
    if (below) r.value.lo = -r.value.lo;
    if (negative) {
        r.value.hi = -r.value.hi;
        r.value.lo = -r.value.lo;
    }
    return r;
}

/* Moves the exponent of a number that is not 0 into *exponent and leaves a mantissa in [1, 2), or an infinity or NaN. */
static double split_exponent(double a, int *exponent)
{
    uint64_t bits;
    if (!(bcel_is_finite(a))) return a;
    if (fabs(a) < 0x1p-1022) {
        a *= 0x1p64;
        *exponent -= 64;
    }
    memcpy(&bits, &a, sizeof bits);
    *exponent += (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (bits & ~(UINT64_C(0x7ff) << 52)) | UINT64_C(1023) << 52;
    memcpy(&a, &bits, sizeof a);
    return a;
}

double bcel_product(double w, double f, double g, double t)
{
    if (w == 0 || f == 0 || g == 0) return 0;
    if (t == 0) return t;
    int exponent = 0;
    w = split_exponent(w, &exponent);
    f = split_exponent(f, &exponent);
    g = split_exponent(g, &exponent);
    t = split_exponent(t, &exponent);
    double product = w * f * g * t;
    if (exponent > 2000) exponent = 2000;
    if (exponent < -2000) exponent = -2000;
    return scale_by_power(product, exponent);
}

/* ---- blocks ------------------------------------------------------------------------------------ */

void bcel_lanes_init(bcel_lanes *lanes, bcel_exact *aside)
{
    memset(lanes->hi, 0, sizeof lanes->hi);
    memset(lanes->lo, 0, sizeof lanes->lo);
    lanes->multiplied = 0; /* products are not read before they are written */
    lanes->aside = aside;
    lanes->aside_used = 0;
}

void bcel_lanes_set_aside(bcel_lanes *lanes, double term, int exponent)
{
    if (!lanes->aside_used) {
        bcel_exact_init(lanes->aside);
        lanes->aside_used = 1;
    }
    bcel_exact_add_scaled(lanes->aside, term, exponent);
}

void bcel_total_init(bcel_total *total)
{
    total->blocks = 0;
    total->first.hi = 0;
    total->first.lo = 0;
}

static void add_pair(bcel_exact *sum, bcel_pair value)
{
    bcel_exact_add(sum, value.hi);
    bcel_exact_add(sum, value.lo);
}

void bcel_total_add(bcel_total *total, bcel_pair value, const bcel_lanes *lanes)
{
    if (total->blocks == 0 && !lanes->aside_used) {
        total->first = value;
        total->blocks = 1;
        return;
    }
    if (total->blocks < 2) {
        bcel_exact_init(&total->exact);
        add_pair(&total->exact, total->first);
        total->blocks = 2;
    }
    add_pair(&total->exact, value);
    if (lanes->aside_used) bcel_exact_merge(&total->exact, lanes->aside);
}

bcel_scaled bcel_total_value(const bcel_total *total)
{
    if (total->blocks < 2) {
        bcel_scaled r = { total->first, 0 };
        return r;
    }
    return bcel_exact_value(&total->exact);
}

void bcel_total_into(const bcel_total *total, bcel_exact *sum)
{
    if (total->blocks < 2)
        add_pair(sum, total->first);
    else
        bcel_exact_merge(sum, &total->exact);
}

/* ---- results ----------------------------------------------------------------------------------- */

static bcel_pair scale_pair(bcel_pair value, int exponent)
{
    if (exponent) {
        value.hi = scale_by_power(value.hi, exponent);
        value.lo = bcel_is_finite(value.hi) ? scale_by_power(value.lo, exponent) : 0;
    }
    return value;
}

#if !defined(BCEL_HARDWARE_FMA)
/* Products of the halves of two such numbers are exact, and so are those of the halves' rests. */
static int is_moderate(double a)
{
    return fabs(a) > 0x1p-400 && fabs(a) < 0x1p400;
}

/* The upper 26 bits (Veltkamp). */
static double upper_half(double a)
{
    double shifted = 0x1.0000002p27 * a;
    return shifted - (shifted - a);
}
#endif

/* a * b - product exactly, where product is a * b rounded: in a fraction of the time that bcel_fma takes by integers, if
 * both are moderate (Dekker). */
static double product_error(double a, double b, double product)
{
#if !defined(BCEL_HARDWARE_FMA)
    if (is_moderate(a) && is_moderate(b)) {
        double a_hi = upper_half(a), a_lo = a - a_hi, b_hi = upper_half(b), b_lo = b - b_hi;
        return ((a_hi * b_hi - product) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo;
    }
#endif
    return bcel_fma(a, b, -product);
}

/* a - q * b, where q is a / b rounded: a double. So is a less the product, which is near. */
static double remainder_of(double a, double q, double b)
{
#if !defined(BCEL_HARDWARE_FMA)
    double product = q * b;
    if (is_moderate(q) && is_moderate(b)) return (a - product) - product_error(q, b, product);
#endif
    return bcel_fma(-q, b, a);
}

/* Two steps of long division; the quotient's relative error is below 2^-100. */
bcel_pair bcel_divide(bcel_scaled a, bcel_scaled b)
{
    bcel_pair q = { a.value.hi / b.value.hi, 0 };
    if (bcel_is_finite(q.hi) && q.hi != 0) {
        double remainder = remainder_of(a.value.hi, q.hi, b.value.hi);
        q = bcel_two_sum(q.hi, (remainder + (a.value.lo - q.hi * b.value.lo)) / b.value.hi);
    }
    return scale_pair(q, a.exponent - b.exponent);
}

bcel_pair bcel_unscaled(bcel_scaled a)
{
    return scale_pair(a.value, a.exponent);
}

/* Relative error below 2^-100. */
bcel_pair bcel_scaled_multiply(bcel_scaled a, bcel_pair b)
{
    bcel_pair p = { a.value.hi * b.hi, 0 };
    if (bcel_is_finite(p.hi) && p.hi != 0)
        p = bcel_two_sum(p.hi, product_error(a.value.hi, b.hi, p.hi) + (a.value.hi * b.lo + a.value.lo * b.hi));
    return scale_pair(p, a.exponent);
}

/* The value truncated, its last bit set if anything was cut off: a later rounding to fewer bits is then the
 * only one (Boldo and Melquiond 2008). */
double bcel_round_to_odd(bcel_pair value)
{
    uint64_t bits;
    if (value.lo == 0 || !(bcel_is_finite(value.hi))) return value.hi;
    memcpy(&bits, &value.hi, sizeof bits);
    if (!(bits & 1)) bits = (value.lo > 0) == (value.hi > 0) ? bits + 1 : bits - 1;
    memcpy(&value.hi, &bits, sizeof bits);
    return value.hi;
}

float bcel_round_to_float(bcel_pair value)
{
    return (float)bcel_round_to_odd(value);
}
