/* Elements of every type to floats and doubles and back, by the kernels of each instruction set: at every length and
 * offset what one element at a time gives, and not a byte more. */
#include "harness.h"
#include "convert.h"
#include "calls.h"
#include "dispatch.h"
#include "numbers.h"
#include "sum.h"

#include <math.h>
#include <stdlib.h>

enum { LONGEST = 70, FIRST_DTYPE = BCEL_FLOAT32, LAST_DTYPE = BCEL_UINT64 };

/* Hard targets, ignored ones, and now and then any bits. */
static void random_elements(random_state *r, bcel_dtype dtype, void *to, size_t n)
{
    size_t size = size_of_dtype(dtype);
    int wild = (random_bits(r) & 3) == 0;
    for (size_t i = 0; i < n; ++i) {
        uint64_t bits = random_bits(r);
        int8_t target = (int8_t)((int)(bits % 3) - 1);
        double real = target;
        if (!wild && bcel_dtype_is_float(dtype)) {
            bcel_pair pair = { real, 0 };
            double element = 0;
            bcel_from_pair(dtype, &element, &pair);
            memcpy((char *)to + i * size, &element, size);
        } else {
            memset((char *)to + i * size, target < 0 ? 0xff : 0, size);
            if (target >= 0) {
                const union { uint16_t number; unsigned char byte[2]; } order = { 1 };
                ((char *)to)[i * size + (order.byte[0] ? 0 : size - 1)] = (char)target;
            }
            if (wild) memcpy((char *)to + i * size, &bits, size);
        }
    }
}

/* The number of an element of 16 bits or less, or of 32 or 64, rounded to the precision. */
static int is_right(bcel_precision precision, bcel_dtype dtype, const void *element, const void *real)
{
    if (precision == BCEL_DOUBLE) return same_f64(*(const double *)real, bcel_element(dtype, element));
    float expected = (float)bcel_element(dtype, element);
    if (dtype == BCEL_INT64) expected = (float)*(const int64_t *)element;
    if (dtype == BCEL_UINT64) expected = (float)*(const uint64_t *)element;
    return same_f32(*(const float *)real, expected);
}

static void test_to_real(void)
{
    random_state r = { 1 };
    for (int d = FIRST_DTYPE; d <= LAST_DTYPE; ++d)
        for (int p = 0; p < BCEL_PRECISIONS; ++p)
            for (size_t n = 0; n <= LONGEST; ++n) {
                bcel_dtype dtype = (bcel_dtype)d;
                bcel_precision precision = (bcel_precision)p;
                size_t size = size_of_dtype(dtype), real = precision == BCEL_SINGLE ? sizeof(float) : sizeof(double);
                /* The sanitizer sees what is read beyond their ends. */
                char *from = malloc(n * size + 1), *to = malloc((n + 1) * real);
                random_elements(&r, dtype, from, n);
                memset(to, 0xa5, (n + 1) * real);
                bcel_active_kernels()->to_real[precision](to, dtype, from, n);
                for (size_t i = 0; i < n; ++i)
                    if (!is_right(precision, dtype, from + i * size, to + i * real))
                        test_fail("%s, %zu of %zu, precision %d", name_of_dtype(dtype), i, n, p);
                for (size_t i = 0; i < real; ++i)
                    if ((unsigned char)to[n * real + i] != 0xa5) test_fail("%s writes beyond %zu", name_of_dtype(dtype), n);
                free(from);
                free(to);
            }
}

static void test_from_real(void)
{
    random_state r = { 2 };
    for (int d = BCEL_FLOAT32; d <= BCEL_BFLOAT16; ++d)
        for (int p = 0; p < BCEL_PRECISIONS; ++p)
            for (size_t n = 0; n <= LONGEST; ++n) {
                bcel_dtype dtype = (bcel_dtype)d;
                bcel_dtype real = p == BCEL_SINGLE ? BCEL_FLOAT32 : BCEL_FLOAT64;
                size_t size = size_of_dtype(dtype), real_size = size_of_dtype(real);
                char *from = malloc(n * real_size + 1), *to = malloc((n + 1) * size);
                for (size_t i = 0; i < n; ++i) {
                    bcel_pair pair = { random_wide(&r, -30, 18), 0 };
                    bcel_from_pair(real, from + i * real_size, &pair);
                }
                memset(to, 0xa5, (n + 1) * size);
                bcel_active_kernels()->from_real[p](dtype, to, from, n);
                for (size_t i = 0; i < n; ++i) {
                    bcel_pair pair = { bcel_element(real, from + i * real_size), 0 };
                    double expected = 0;
                    bcel_from_pair(dtype, &expected, &pair);
                    if (memcmp(&expected, to + i * size, size))
                        test_fail("%s, %zu of %zu, precision %d", name_of_dtype(dtype), i, n, p);
                }
                for (size_t i = 0; i < size; ++i)
                    if ((unsigned char)to[n * size + i] != 0xa5) test_fail("%s writes beyond %zu", name_of_dtype(dtype), n);
                free(from);
                free(to);
            }
}

static void test_nan(void)
{
    for (int d = BCEL_FLOAT32; d <= BCEL_BFLOAT16; ++d) {
        bcel_pair pairs[] = { { (double)NAN, 0 }, { -(double)NAN, 0 }, { -(double)NAN, 1 } };
        unsigned char first[8] = { 0 }, other[8] = { 0 };
        bcel_from_pair((bcel_dtype)d, first, &pairs[0]);
        double element = bcel_element((bcel_dtype)d, first);
        if (element == element || signbit(element)) test_fail("%s: %a", name_of_dtype((bcel_dtype)d), element);
        for (size_t i = 1; i < COUNT(pairs); ++i) {
            bcel_from_pair((bcel_dtype)d, other, &pairs[i]);
            if (memcmp(first, other, sizeof first)) test_fail("%s, NaN %zu", name_of_dtype((bcel_dtype)d), i);
        }
    }
}

/* Every integer that is next to a limit of what a float or a double can hold, among others. */
static void test_clear_equal(void)
{
    static const int64_t values[] = { 0, 1, -1, -100, 16777215, 16777216, 16777217, INT64_C(9007199254740991),
                                      INT64_C(9007199254740992), INT64_C(9007199254740993), INT64_MAX, INT64_MIN };
    enum { N = COUNT(values) };
    int64_t signed_elements[LONGEST];
    uint64_t unsigned_elements[LONGEST];
    float floats[LONGEST];
    double doubles[LONGEST];
    unsigned char keep[LONGEST + 16];
    for (size_t i = 0; i < LONGEST; ++i) {
        signed_elements[i] = values[i % N];
        unsigned_elements[i] = (uint64_t)values[i % N];
        floats[i] = (float)values[i % N];
        doubles[i] = (double)values[i % N];
    }
    const struct { bcel_dtype dtype; const void *elements; } operands[] = {
        { BCEL_INT64, signed_elements }, { BCEL_UINT64, unsigned_elements }, { BCEL_FLOAT32, floats },
        { BCEL_FLOAT64, doubles } };
    for (size_t v = 0; v < N; ++v)
        for (size_t o = 0; o < COUNT(operands); ++o) {
            int64_t value = values[v];
            memset(keep, 1, sizeof keep);
            keep[5] = 0;
            bcel_clear_equal_int(operands[o].dtype, operands[o].elements, value, keep, LONGEST);
            for (size_t i = 0; i < LONGEST; ++i) {
                int equal = 0;
                switch ((int)operands[o].dtype) {
                case BCEL_INT64: equal = signed_elements[i] == value; break;
                case BCEL_UINT64: equal = value >= 0 && unsigned_elements[i] == (uint64_t)value; break;
                /* Exactly, so in integers; 2^63 is none of them. */
                case BCEL_FLOAT32: equal = floats[i] < 0x1p63f && (int64_t)floats[i] == value; break;
                case BCEL_FLOAT64: equal = doubles[i] < 0x1p63 && (int64_t)doubles[i] == value; break;
                }
                if (keep[i] != (i != 5 && !equal))
                    test_fail("%s, %zu, ignoring %lld: %d", name_of_dtype(operands[o].dtype), i, (long long)value, keep[i]);
            }
        }
    /* A value that is no float is not the float next to it. */
    memset(keep, 1, sizeof keep);
    doubles[3] = 0.1;
    floats[3] = (float)0.1;
    bcel_clear_equal_float(BCEL_FLOAT64, doubles, 0.1, keep, 4);
    CHECK(!keep[3] && keep[2]);
    bcel_clear_equal_float(BCEL_FLOAT64, doubles, (double)(float)0.1, keep + 8, 4);
    CHECK(keep[8 + 3]);
    memset(keep, 1, sizeof keep);
    bcel_clear_equal_float(BCEL_FLOAT32, floats, 0.1, keep, 4);
    CHECK(keep[3]);
    bcel_clear_equal_float(BCEL_FLOAT32, floats, (double)(float)0.1, keep, 4);
    CHECK(!keep[3]);
}

static void test_are_ordinary(void)
{
    static const struct { double value; int single, dbl; } values[] = {
        { 0, 1, 1 }, { -1, 1, 1 }, { 0x1p-20, 1, 1 }, { 0x1.fffffep-21, 0, 1 }, { 0x1p60, 1, 1 }, { -0x1.000002p60, 0, 1 },
        { INFINITY, 0, 0 }, { NAN, 0, 0 }, { 0x1p-126, 0, 1 }, { 0x1p-149, 0, 1 }, { 0x1p-400, 1, 1 },
        { 0x1.fffffffffffffp-401, 1, 0 }, { 0x1p500, 0, 1 }, { 0x1.0000000000001p500, 0, 0 }, { 0x1p-1074, 1, 0 } };
    for (size_t v = 0; v < COUNT(values); ++v)
        for (size_t n = 1; n <= 2 * BCEL_LANES + 3; ++n)
            for (size_t at = 0; at < n; ++at) {
                float singles[2 * BCEL_LANES + 3];
                double doubles[2 * BCEL_LANES + 3];
                for (size_t i = 0; i < n; ++i) singles[i] = 1, doubles[i] = 1;
                singles[at] = (float)values[v].value;
                doubles[at] = values[v].value;
                CHECK(bcel_are_ordinary(BCEL_SINGLE, singles, n) == values[v].single);
                CHECK(bcel_are_ordinary(BCEL_DOUBLE, doubles, n) == values[v].dbl);
            }
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "to floats and doubles", test_to_real, 1 },
        { "from floats and doubles", test_from_real, 1 },
        { "results that are NaN", test_nan, 0 },
        { "elements that are left out", test_clear_equal, 1 },
        { "ordinary weights", test_are_ordinary, 1 },
    };
    return run_tests("convert", tests, COUNT(tests), argc, argv);
}
