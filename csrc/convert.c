#include "convert.h"

#include "sum.h"

#include <math.h>
#include <string.h>

/* half to single: shifted into place the exponent is 112 too small, which a multiplication by 2^112 mends, for subnormal
 * halves too. Infinity and NaN need the exponent set. */
static inline float half_to_float(uint16_t h)
{
    uint32_t magnitude = (uint32_t)(h & 0x7fffu) << 13;
    uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0;
    uint32_t bits = magnitude;
    float f;
    memcpy(&f, &bits, sizeof f);
    f *= 0x1p112f;
    memcpy(&bits, &f, sizeof bits);
    bits |= special | (uint32_t)(h & 0x8000u) << 16;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Rounded to nearest even. In the normal range the bits below are rounded by an integer addition; a subnormal half is
 * what an addition of 1/2 leaves in the last 10 bits of a float. */
static inline uint16_t float_to_half(float f)
{
    uint32_t bits, sign, normal, half;
    memcpy(&bits, &f, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    normal = (bits + 0x0fffu + (bits >> 13 & 1u) - 0x38000000u) >> 13;
    float magnitude;
    memcpy(&magnitude, &bits, sizeof magnitude);
    magnitude += 0.5f;
    uint32_t shifted;
    memcpy(&shifted, &magnitude, sizeof shifted);
    half = bits < 0x38800000u ? shifted - 0x3f000000u : normal;
    half = bits >= 0x477ff000u ? 0x7c00u : half;
    half = bits > 0x7f800000u ? 0x7e00u : half;
    return (uint16_t)(sign | half);
}

static inline float bfloat_to_float(uint16_t b)
{
    uint32_t bits = (uint32_t)b << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint16_t float_to_bfloat(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16 & 0x8000u) | 0x7fc0u : rounded);
}

static float double_to_odd_float(double d)
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

/* Through a float rounded to odd, so that the rounding to 16 bits is the only one. */
static uint16_t double_to_half(double d)
{
    return float_to_half(double_to_odd_float(d));
}

static uint16_t double_to_bfloat(double d)
{
    return float_to_bfloat(double_to_odd_float(d));
}

#define SAME(value) (value)
#define IS_TRUE(value) ((value) != 0)

/* Every element type: its constant, its C type, and how a value of it is read. */
#define FOR_EACH_DTYPE(DO)               \
    DO(BCEL_FLOAT32, float, SAME)            \
    DO(BCEL_FLOAT64, double, SAME)           \
    DO(BCEL_FLOAT16, uint16_t, half_to_float) \
    DO(BCEL_BFLOAT16, uint16_t, bfloat_to_float) \
    DO(BCEL_BOOL, unsigned char, IS_TRUE)    \
    DO(BCEL_INT8, int8_t, SAME)              \
    DO(BCEL_UINT8, uint8_t, SAME)            \
    DO(BCEL_INT16, int16_t, SAME)            \
    DO(BCEL_UINT16, uint16_t, SAME)          \
    DO(BCEL_INT32, int32_t, SAME)            \
    DO(BCEL_UINT32, uint32_t, SAME)          \
    DO(BCEL_INT64, int64_t, SAME)            \
    DO(BCEL_UINT64, uint64_t, SAME)

size_t bcel_dtype_size(bcel_dtype dtype)
{
    switch (dtype) {
#define SIZE_CASE(constant, type, read) \
    case constant: return sizeof(type);
        FOR_EACH_DTYPE(SIZE_CASE)
    }
    return 0;
}

int bcel_dtype_is_float(bcel_dtype dtype)
{
    return dtype >= BCEL_FLOAT32 && dtype <= BCEL_BFLOAT16;
}

bcel_dtype bcel_real_dtype(bcel_precision precision)
{
    return precision == BCEL_SINGLE ? BCEL_FLOAT32 : BCEL_FLOAT64;
}

void bcel_to_real(bcel_precision precision, void *to, bcel_dtype dtype, const void *from, size_t n)
{
    float *singles = to;
    double *doubles = to;
    switch (dtype) {
#define READ_CASE(constant, type, read)                                              \
    case constant: {                                                                 \
        const type *values = from;                                                   \
        if (precision == BCEL_SINGLE)                                                \
            for (size_t i = 0; i < n; ++i) singles[i] = (float)read(values[i]);      \
        else                                                                         \
            for (size_t i = 0; i < n; ++i) doubles[i] = (double)read(values[i]);     \
        break;                                                                       \
    }
        FOR_EACH_DTYPE(READ_CASE)
    }
}

void bcel_targets_to_real(bcel_precision precision, void *y, void *q, double a, bcel_dtype dtype, const void *from,
                          size_t n)
{
    float *y_singles = y, *q_singles = q;
    double *y_doubles = y, *q_doubles = q;
    double keep = 1 - a, half = a / 2;
    switch (dtype) {
#define TARGET_CASE(constant, type, read)                            \
    case constant: {                                                 \
        const type *values = from;                                   \
        if (precision == BCEL_SINGLE)                                \
            for (size_t i = 0; i < n; ++i) {                         \
                double value = (double)read(values[i]);              \
                y_singles[i] = (float)(value * keep + half);         \
                q_singles[i] = (float)((1 - value) * keep + half);   \
            }                                                        \
        else                                                         \
            for (size_t i = 0; i < n; ++i) {                         \
                double value = (double)read(values[i]);              \
                y_doubles[i] = value * keep + half;                  \
                q_doubles[i] = (1 - value) * keep + half;            \
            }                                                        \
        break;                                                       \
    }
        FOR_EACH_DTYPE(TARGET_CASE)
    }
}

int bcel_are_ordinary(bcel_precision precision, const void *values, size_t n)
{
    const float *singles = values;
    const double *doubles = values;
    int all = 1;
    if (precision == BCEL_SINGLE)
        for (size_t i = 0; i < n; ++i) {
            float a = fabsf(singles[i]);
            all &= (a == 0) | ((a >= 0x1p-20f) & (a <= 0x1p60f));
        }
    else
        for (size_t i = 0; i < n; ++i) {
            double a = fabs(doubles[i]);
            all &= (a == 0) | ((a >= 0x1p-400) & (a <= 0x1p500));
        }
    return all;
}

void bcel_complement(bcel_precision precision, void *q, const void *y, size_t n)
{
    const float *y_singles = y;
    const double *y_doubles = y;
    float *q_singles = q;
    double *q_doubles = q;
    if (precision == BCEL_SINGLE)
        for (size_t i = 0; i < n; ++i) q_singles[i] = 1 - y_singles[i];
    else
        for (size_t i = 0; i < n; ++i) q_doubles[i] = 1 - y_doubles[i];
}

void bcel_from_real(bcel_precision precision, bcel_dtype dtype, void *to, const void *from, size_t n)
{
    const float *singles = from;
    const double *doubles = from;
#define WRITE_CASE(constant, type, from_single, from_double)                          \
    case constant: {                                                                  \
        type *values = to;                                                            \
        if (precision == BCEL_SINGLE)                                                 \
            for (size_t i = 0; i < n; ++i) values[i] = from_single(singles[i]);       \
        else                                                                          \
            for (size_t i = 0; i < n; ++i) values[i] = from_double(doubles[i]);       \
        break;                                                                        \
    }
    switch ((int)dtype) {
        WRITE_CASE(BCEL_FLOAT32, float, SAME, (float))
        WRITE_CASE(BCEL_FLOAT64, double, (double), SAME)
        WRITE_CASE(BCEL_FLOAT16, uint16_t, float_to_half, double_to_half)
        WRITE_CASE(BCEL_BFLOAT16, uint16_t, float_to_bfloat, double_to_bfloat)
    }
}

void bcel_from_pair(bcel_dtype dtype, void *to, const bcel_pair *value)
{
    double rounded = dtype == BCEL_FLOAT64 ? value->hi : bcel_round_to_odd(*value);
    bcel_from_real(BCEL_DOUBLE, dtype, to, &rounded, 1);
}

size_t bcel_first_out_of_range(bcel_dtype dtype, const void *from, const unsigned char *keep, size_t n)
{
    switch (dtype) {
#define RANGE_CASE(constant, type, read)                                                        \
    case constant: {                                                                            \
        const type *values = from;                                                              \
        for (size_t i = 0; i < n; ++i)                                                          \
            if ((!keep || keep[i]) && !((double)read(values[i]) >= 0 && (double)read(values[i]) <= 1)) \
                return i;                                                                       \
        break;                                                                                  \
    }
        FOR_EACH_DTYPE(RANGE_CASE)
    }
    return n;
}

void bcel_clear_equal_float(bcel_dtype dtype, const void *from, double value, unsigned char *keep, size_t n)
{
    switch (dtype) {
#define EQUAL_FLOAT_CASE(constant, type, read)                                  \
    case constant: {                                                            \
        const type *values = from;                                              \
        for (size_t i = 0; i < n; ++i) keep[i] &= (double)read(values[i]) != value; \
        break;                                                                  \
    }
        FOR_EACH_DTYPE(EQUAL_FLOAT_CASE)
    }
}

void bcel_clear_equal_int(bcel_dtype dtype, const void *from, int64_t value, unsigned char *keep, size_t n)
{
    if (dtype == BCEL_UINT64) {
        const uint64_t *values = from;
        for (size_t i = 0; i < n; ++i) keep[i] &= value < 0 || values[i] != (uint64_t)value;
        return;
    }
    if (bcel_dtype_is_float(dtype)) {
        /* An integer that no double equals is equal to no element. */
        double rounded = (double)value;
        if (rounded < 0x1p63 && (int64_t)rounded == value) bcel_clear_equal_float(dtype, from, rounded, keep, n);
        return;
    }
    switch ((int)dtype) {
#define EQUAL_INT_CASE(constant, type)                                               \
    case constant: {                                                                 \
        const type *values = from;                                                   \
        for (size_t i = 0; i < n; ++i) keep[i] &= (int64_t)values[i] != value;       \
        break;                                                                       \
    }
    case BCEL_BOOL: {
        const unsigned char *values = from;
        for (size_t i = 0; i < n; ++i) keep[i] &= (values[i] != 0) != value;
        break;
    }
        EQUAL_INT_CASE(BCEL_INT8, int8_t)
        EQUAL_INT_CASE(BCEL_UINT8, uint8_t)
        EQUAL_INT_CASE(BCEL_INT16, int16_t)
        EQUAL_INT_CASE(BCEL_UINT16, uint16_t)
        EQUAL_INT_CASE(BCEL_INT32, int32_t)
        EQUAL_INT_CASE(BCEL_UINT32, uint32_t)
        EQUAL_INT_CASE(BCEL_INT64, int64_t)
    }
}

void bcel_swap_bytes(void *data, size_t size, size_t n)
{
    unsigned char *bytes = data;
    for (size_t i = 0; i < n; ++i, bytes += size)
        for (size_t b = 0; b < size / 2; ++b) {
            unsigned char byte = bytes[b];
            bytes[b] = bytes[size - 1 - b];
            bytes[size - 1 - b] = byte;
        }
}
