#include "convert.h"

#include "dispatch.h"
#include "float16.h"
#include "sum.h"

#include <math.h>
#include <string.h>

#define SAME(value) (value)
#define IS_TRUE(value) ((value) != 0)

/* Every element type: its constant, a C type of its bits, and how a value of it is read. Elements are copied and not
 * looked at in place: the caller's may be of another C type, long long or _Float16 say. */
#define FOR_EACH_DTYPE(DO)               \
    DO(BCEL_FLOAT32, float, SAME)            \
    DO(BCEL_FLOAT64, double, SAME)           \
    DO(BCEL_FLOAT16, uint16_t, bcel_float_of_half) \
    DO(BCEL_BFLOAT16, uint16_t, bcel_float_of_bfloat) \
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

double bcel_element(bcel_dtype dtype, const void *element)
{
    switch (dtype) {
#define ELEMENT_CASE(constant, type, read)      \
    case constant: {                            \
        type value;                             \
        memcpy(&value, element, sizeof value);  \
        return (double)read(value);             \
    }
        FOR_EACH_DTYPE(ELEMENT_CASE)
    }
    return 0;
}

void bcel_to_real(bcel_precision precision, void *to, bcel_dtype dtype, const void *from, size_t n)
{
    bcel_active_kernels()->to_real[precision](to, dtype, from, n);
}

void bcel_from_real(bcel_precision precision, bcel_dtype dtype, void *to, const void *from, size_t n)
{
    bcel_active_kernels()->from_real[precision](dtype, to, from, n);
}

void bcel_from_pair(bcel_dtype dtype, void *to, const bcel_pair *value)
{
    double rounded = dtype == BCEL_FLOAT64 ? value->hi : bcel_round_to_odd(*value);
    if (value->hi != value->hi) rounded = (double)NAN;
    float single;
    uint16_t half;
    switch ((int)dtype) {
    case BCEL_FLOAT32:
        single = (float)rounded;
        memcpy(to, &single, sizeof single);
        break;
    case BCEL_FLOAT64:
        memcpy(to, &rounded, sizeof rounded);
        break;
    case BCEL_FLOAT16:
    case BCEL_BFLOAT16:
        single = bcel_odd_float(rounded);
        half = dtype == BCEL_FLOAT16 ? bcel_half_of_float(single) : bcel_bfloat_of_float(single);
        memcpy(to, &half, sizeof half);
        break;
    }
}

typedef union { float single[BCEL_CHUNK]; double dbl[BCEL_CHUNK]; } reals;

/* A chunk's elements, and zeros up to the end of the last vector. */
static void to_padded(bcel_precision precision, reals *to, bcel_dtype dtype, const void *from, size_t n)
{
    for (size_t i = n; i % BCEL_LANES; ++i)
        if (precision == BCEL_SINGLE)
            to->single[i] = 0;
        else
            to->dbl[i] = 0;
    bcel_to_real(precision, to, dtype, from, n);
}

void bcel_targets_to_real(bcel_precision precision, void *y, void *q, double a, bcel_dtype dtype, const void *from,
                          size_t n)
{
    reals values;
    to_padded(BCEL_DOUBLE, &values, dtype, from, n);
    bcel_active_kernels()->smooth[precision](y, q, a, values.dbl, n);
}

int bcel_are_ordinary(bcel_precision precision, const void *values, size_t n)
{
    /* The upper limits are the numbers next to 2^60 and 2^500. */
    const bcel_kernels *kernels = bcel_active_kernels();
    return precision == BCEL_SINGLE ? kernels->are_within[precision](0x1p-20, 0x1.000002p60, values, n)
                                    : kernels->are_within[precision](0x1p-400, 0x1.0000000000001p500, values, n);
}

void bcel_clear_equal_float(bcel_dtype dtype, const void *from, double value, unsigned char *keep, size_t n)
{
    /* To a float below 2^24 a double may be rounded, but no element of another type. */
    int single = dtype != BCEL_FLOAT64 && fabs(value) < 0x1p24 && (double)(float)value == value;
    bcel_precision precision = single ? BCEL_SINGLE : BCEL_DOUBLE;
    reals values;
    to_padded(precision, &values, dtype, from, n);
    bcel_active_kernels()->clear_equal[precision](keep, &values, value, n);
}

#define CLEAR_EQUAL(type)                                                      \
    {                                                                          \
        const unsigned char *at = from;                                        \
        for (size_t i = 0; i < n; ++i, at += sizeof(type)) {                   \
            type element;                                                      \
            memcpy(&element, at, sizeof element);                              \
            keep[i] &= element != (type)value;                                 \
        }                                                                      \
    }

void bcel_clear_equal_int(bcel_dtype dtype, const void *from, int64_t value, unsigned char *keep, size_t n)
{
    const int64_t limit = INT64_C(1) << 53;
    if (-limit < value && value < limit)
        bcel_clear_equal_float(dtype, from, (double)value, keep, n); /* rounds no other integer to it */
    else if (bcel_dtype_is_float(dtype)) {
        /* An integer that no double equals is equal to no element. */
        double rounded = (double)value;
        if (rounded < 0x1p63 && (int64_t)rounded == value) bcel_clear_equal_float(dtype, from, rounded, keep, n);
    } else if (dtype == BCEL_INT64)
        CLEAR_EQUAL(int64_t)
    else if (dtype == BCEL_UINT64 && value > 0)
        CLEAR_EQUAL(uint64_t)
}

size_t bcel_first_out_of_range(bcel_dtype dtype, const void *from, const unsigned char *keep, size_t n)
{
    switch (dtype) {
#define RANGE_CASE(constant, type, read)                                                        \
    case constant: {                                                                            \
        const unsigned char *at = from;                                                         \
        for (size_t i = 0; i < n; ++i, at += sizeof(type)) {                                    \
            type element;                                                                       \
            memcpy(&element, at, sizeof element);                                               \
            if ((!keep || keep[i]) && !((double)read(element) >= 0 && (double)read(element) <= 1)) \
                return i;                                                                       \
        }                                                                                       \
        break;                                                                                  \
    }
        FOR_EACH_DTYPE(RANGE_CASE)
    }
    return n;
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
