/* float16 and bfloat16 to float and back, one number at a time, by integers. Exact, or rounded once, to nearest, ties
 * to even. A NaN stays a NaN, and becomes the quiet one of its sign without a payload on its way to 16 bits. */
#ifndef BCEL_FLOAT16_H
#define BCEL_FLOAT16_H

#include "build.h"

#include <stdint.h>
#include <string.h>

/* The exponent of a half is 112 too small for a float; that of infinity and NaN is so again after it is mended. A
 * subnormal half counts 2^-24. */
static inline float bcel_float_of_half(uint16_t h)
{
    uint32_t magnitude = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16, bits;
    float f = (float)magnitude * 0x1p-24f;
    memcpy(&bits, &f, sizeof bits);
    if (magnitude >= 0x0400u) bits = (magnitude << 13) + 0x38000000u;
    if (magnitude >= 0x7c00u) bits += 0x38000000u;
    bits |= sign;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* In the normal range the bits below are rounded by an integer addition; a subnormal half is what an addition of 1/2
 * leaves in the last 10 bits of a float. */
static inline uint16_t bcel_half_of_float(float f)
{
    uint32_t bits, sign, half;
    memcpy(&bits, &f, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) {
        half = 0x7e00u;
    } else if (bits >= 0x477ff000u) {
        half = 0x7c00u;
    } else if (bits >= 0x38800000u) {
        half = (bits + 0x0fffu + (bits >> 13 & 1u) - 0x38000000u) >> 13;
    } else {
        float magnitude;
        memcpy(&magnitude, &bits, sizeof magnitude);
        magnitude += 0.5f;
        memcpy(&half, &magnitude, sizeof half);
        half -= 0x3f000000u;
    }
    return (uint16_t)(sign | half);
}

static inline float bcel_float_of_bfloat(uint16_t b)
{
    uint32_t bits = (uint32_t)b << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint16_t bcel_bfloat_of_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16 & 0x8000u) | 0x7fc0u : rounded);
}

/* Rounded to odd: the number itself if a float is, else the one of its two neighbours whose last bit is set. Rounded
 * again, to 16 bits, it gives what one rounding would. */
static inline float bcel_odd_float(double d)
{
    float nearest = (float)d;
    double back = (double)nearest;
    uint32_t bits;
    if (back == d || d != d) return nearest;
    memcpy(&bits, &nearest, sizeof bits);
    if (!(bits & 1u)) bits = (back < d) == (d > 0) ? bits + 1 : bits - 1;
    memcpy(&nearest, &bits, sizeof nearest);
    return nearest;
}

#endif
