/* Every operation of every vocabulary that this processor can run against the scalar specification: on all triples of
 * special values, on random bits, and on operands that are hard for a fused multiply-add put together from other
 * operations. The specification itself is held to hashes that every machine must reproduce.
 *
 * ROUNDS=n in the environment checks n times 2 random vectors of operands, for a longer run. */
#include "build.h"
#include "harness.h"
#include "numbers.h"
#include "ops.h"

#include "simd/names.inc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPECIFICATION_ROUNDS = 1000 };

typedef union {
    float f32[16];
    double f64[8];
} vector;

typedef struct {
    const char *name;
    operands operands;
    result result;
} description;

static const description descriptions[OPS_COUNT] = {
#define DESCRIBE(name, operands, result, value) { #name, operands, result },
    OPS(DESCRIBE) OPS_WIDEN(DESCRIBE)
#undef DESCRIBE
};

static const struct {
    const char *name;
    const vocabulary *vocabulary;
} vocabularies[] = {
#if defined(BCEL_AVX)
    { "avx512", &ops_avx512 },
    { "avx2", &ops_avx2 },
#endif
#if defined(BCEL_X86_64)
    { "baseline", &ops_sse2 },
    { "scalar", &ops_scalar },
#else
#  if defined(BCEL_AARCH64)
    { "neon", &ops_neon },
#  endif
    { "baseline", &ops_scalar },
#endif
};

static const vocabulary *active_vocabulary(void)
{
    for (size_t i = 0; i < COUNT(vocabularies); ++i)
        if (strcmp(vocabularies[i].name, bcel_active_isa()) == 0) return vocabularies[i].vocabulary;
    test_fail("no table of operations for %s", bcel_active_isa());
    return &ops_scalar;
}

static size_t rounds_wanted(void)
{
    const char *text = getenv("ROUNDS");
    return text ? (size_t)strtoul(text, NULL, 10) : 20000;
}

/* One operation on one vector, at addresses that are aligned to an element and to nothing else. */
static void run(operation op, const vector v[3], size_t element, vector *out)
{
    static _Alignas(64) unsigned char room[4][2 * OPS_BYTES];
    unsigned char *at[4];
    for (size_t i = 0; i < 4; ++i) at[i] = room[i] + (1 + i % 3) * element;
    for (size_t i = 0; i < 3; ++i) memcpy(at[i], &v[i], OPS_BYTES);
    op(at[0], at[1], at[2], at[3]);
    memcpy(out, at[3], OPS_BYTES);
}

/* Both ends of the range and its middle, with their neighbours; the second NaN is a signalling one. */
static const uint32_t specials_f32[] = {
    0,          1,          2,          0x00400000, 0x007fffff, 0x00800000, 0x00800001, 0x0c800000, 0x33000000,
    0x33800000, 0x33ffffff, 0x3effffff, 0x3f000000, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x3fffffff, 0x40490fdb,
    0x4b000000, 0x4b000001, 0x4b800000, 0x7e800000, 0x7f7fffff, 0x7f800000, 0x7fc00000, 0x7f800001,
};

static const uint64_t specials_f64[] = {
    UINT64_C(0x0000000000000000), UINT64_C(0x0000000000000001), UINT64_C(0x0000000000000002),
    UINT64_C(0x0008000000000000), UINT64_C(0x000fffffffffffff), UINT64_C(0x0010000000000000),
    UINT64_C(0x0010000000000001), UINT64_C(0x03c0000000000000), UINT64_C(0x2000000000000001),
    UINT64_C(0x3c90000000000000), UINT64_C(0x3ca0000000000000), UINT64_C(0x3cafffffffffffff),
    UINT64_C(0x3fefffffffffffff), UINT64_C(0x3ff0000000000000), UINT64_C(0x3ff0000000000001),
    UINT64_C(0x3fffffffffffffff), UINT64_C(0x400921fb54442d18), UINT64_C(0x4330000000000000),
    UINT64_C(0x4340000000000001), UINT64_C(0x7e30000000000000), UINT64_C(0x7e40000000000001),
    UINT64_C(0x7fd0000000000000), UINT64_C(0x7fefffffffffffff), UINT64_C(0x7ff0000000000000),
    UINT64_C(0x7ff8000000000000), UINT64_C(0x7ff0000000000001),
};


#define PRECISION f32
#define real float
#define real_bits uint32_t
#define LANES 16
#define BITS 24
#define LOWEST (-149)
#define HIGHEST 127
#define FACTOR 8392705.0
#define COFACTOR 8384513.0
#define OPERATIONS OPS_COUNT
#define SPECIFICATION_HASH UINT64_C(0x9b9bcd93074bf922)
#include "ops_check.inc.h"

#undef PRECISION
#undef real
#undef real_bits
#undef LANES
#undef BITS
#undef LOWEST
#undef HIGHEST
#undef FACTOR
#undef COFACTOR
#undef OPERATIONS
#undef SPECIFICATION_HASH
#define PRECISION f64
#define real double
#define real_bits uint64_t
#define LANES 8
#define BITS 53
#define LOWEST (-1074)
#define HIGHEST 1023
#define FACTOR 8964099956182393.0
#define COFACTOR 4525252887137481.0
#define OPERATIONS OPS_COMMON
#define SPECIFICATION_HASH UINT64_C(0xff2bdd48b1d348ba)
#include "ops_check.inc.h"

static void check_conversions_here(void)
{
    size_t rounds = sampled(rounds_wanted());
    check_conversions(active_vocabulary(), (int)rounds);
    test_note("%zu random vectors", rounds);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "specification, float32", check_specification_f32, 0 },
        { "specification, float64", check_specification_f64, 0 },
        { "special values, float32", check_specials_f32, 1 },
        { "special values, float64", check_specials_f64, 1 },
        { "random values, float32", check_random_f32, 1 },
        { "random values, float64", check_random_f64, 1 },
        { "specification, conversions", check_conversion_specification, 0 },
        { "conversions", check_conversions_here, 1 },
    };
    return run_tests("ops", tests, COUNT(tests), argc, argv);
}
