/* a * b + c of single numbers, rounded once. By the processor where it can. Elsewhere by integers, for fma() of a C
 * library may be slow, change the floating-point environment for a while, or be wrong near the ends of the range. */
#ifndef BCEL_FMA_H
#define BCEL_FMA_H

#include "build.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__aarch64__) || defined(__powerpc64__) \
    || defined(__s390x__) || (defined(__riscv_flen) && __riscv_flen >= 64)
#  define BCEL_HARDWARE_FMA
#endif

/* Without optimisation fma() would be a call to a library that is not linked. */
#if defined(__GNUC__)
#  define BCEL_FMA __builtin_fma
#  define BCEL_FMAF __builtin_fmaf
#else
#  define BCEL_FMA fma
#  define BCEL_FMAF fmaf
#endif

/* A finite number is mantissa * 2^exponent; the top bit of the mantissa is set, unless the number is 0. */
typedef struct { uint64_t mantissa; int exponent, negative; } bcel_parts;

static inline bcel_parts bcel_parts_of(double a)
{
    uint64_t bits;
    memcpy(&bits, &a, sizeof bits);
    int biased = (int)(bits >> 52 & 0x7ff);
    bcel_parts p = { bits << 11, (biased ? biased : 1) - 1086, (int)(bits >> 63) };
    if (biased) {
        p.mantissa |= UINT64_C(1) << 63;
        return p;
    }
    while (p.mantissa && !(p.mantissa >> 63)) {
        p.mantissa <<= 1;
        --p.exponent;
    }
    return p;
}

/* A magnitude of 128 bits and its sign. */
typedef struct { uint64_t high, low; int negative; } bcel_term;

/* Down by n >= 0 bits; what falls off leaves the last bit set. */
static inline bcel_term bcel_shift_down(bcel_term a, int n)
{
    bcel_term r = { 0, 0, a.negative };
    if (n == 0) return a;
    if (n < 64) {
        r.high = a.high >> n;
        r.low = a.low >> n | a.high << (64 - n) | (uint64_t)(a.low << (64 - n) != 0);
    } else if (n < 128) {
        r.low = a.high >> (n - 64) | (uint64_t)((a.high << 1 << (127 - n)) != 0 || a.low != 0);
    } else {
        r.low = a.high != 0 || a.low != 0;
    }
    return r;
}

/* Both magnitudes below 2^127. */
static inline bcel_term bcel_add_terms(bcel_term a, bcel_term b)
{
    if (a.negative == b.negative) {
        a.low += b.low;
        a.high += b.high + (a.low < b.low);
        return a;
    }
    if (a.high < b.high || (a.high == b.high && a.low < b.low)) {
        bcel_term larger = b;
        b = a;
        a = larger;
    }
    a.high -= b.high + (a.low < b.low);
    a.low -= b.low;
    return a;
}

/* a * 2^exponent, not 0, to the nearest double, ties to even. */
static inline double bcel_round_term(bcel_term a, int exponent)
{
    while (!(a.high >> 63)) {
        a.high = a.high << 1 | a.low >> 63;
        a.low <<= 1;
        --exponent;
    }
    uint64_t bits = a.high | (a.low != 0);
    int biased = exponent + 127 + 1023;
    double magnitude = (double)INFINITY;
    if (biased < 0x7ff) {
        /* 53 bits stay, or fewer if the result is subnormal. */
        int drop = biased > 0 ? 11 : 12 - biased;
        uint64_t kept = drop < 64 ? bits >> drop : 0;
        uint64_t rest = drop < 65 ? bits << (64 - drop) : 1, half = UINT64_C(1) << 63;
        kept += rest > half || (rest == half && (kept & 1));
        if (biased > 0) kept += (uint64_t)(biased - 1) << 52;
        memcpy(&magnitude, &kept, sizeof magnitude);
    }
    return a.negative ? -magnitude : magnitude;
}

static inline double bcel_fma_by_integers(double a, double b, double c)
{
    double infinity = (double)INFINITY;
    if (!(fabs(a) < infinity && fabs(b) < infinity) || a == 0 || b == 0) return a * b + c;
    if (!(fabs(c) < infinity)) return c;
    bcel_parts x = bcel_parts_of(a), y = bcel_parts_of(b), z = bcel_parts_of(c);

    /* Both terms with the top bit free; of the product's 128 bits the last ones are 0. */
    uint64_t x_high = x.mantissa >> 32, x_low = x.mantissa & 0xffffffff;
    uint64_t y_high = y.mantissa >> 32, y_low = y.mantissa & 0xffffffff;
    uint64_t low = x_low * y_low, cross = x_high * y_low + (low >> 32);
    uint64_t middle = x_low * y_high + (cross & 0xffffffff);
    uint64_t high = x_high * y_high + (cross >> 32) + (middle >> 32);
    low = middle << 32 | (low & 0xffffffff);
    bcel_term product = { high >> 1, high << 63 | low >> 1, x.negative ^ y.negative };
    bcel_term addend = { z.mantissa >> 1, z.mantissa << 63, z.negative };
    int exponent = x.exponent + y.exponent + 1, addend_exponent = z.exponent - 63;
    if (exponent < addend_exponent) {
        product = bcel_shift_down(product, addend_exponent - exponent);
        exponent = addend_exponent;
    } else {
        addend = bcel_shift_down(addend, exponent - addend_exponent);
    }
    bcel_term sum = bcel_add_terms(product, addend);
    return sum.high || sum.low ? bcel_round_term(sum, exponent) : 0;
}

static inline double bcel_fma(double a, double b, double c)
{
#if defined(BCEL_HARDWARE_FMA)
    return BCEL_FMA(a, b, c);
#else
    return bcel_fma_by_integers(a, b, c);
#endif
}

/* The product of floats is exact as a double. The sum is rounded to odd: truncated, and its last bit set if anything
 * was cut off. Then the rounding to float is the only one (Boldo and Melquiond 2008). */
static inline float bcel_fmaf(float a, float b, float c)
{
#if defined(BCEL_HARDWARE_FMA)
    return BCEL_FMAF(a, b, c);
#else
    double product = (double)a * (double)b, sum = product + (double)c, part = sum - product;
    double error = (product - (sum - part)) + ((double)c - part);
    if (error < 0 || error > 0) {
        uint64_t bits;
        memcpy(&bits, &sum, sizeof bits);
        bits = (bits - ((error < 0) != (sum < 0))) | 1;
        memcpy(&sum, &bits, sizeof sum);
    }
    return (float)sum;
#endif
}

#endif
