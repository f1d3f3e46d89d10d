/* How conversions between element types are checked, beside the operations of test_ops.c. */
#include "harness.h"
#include "numbers.h"
#include "ops.h"

#include <inttypes.h>

enum { MOST = 16, SPECIFICATION_ROUNDS = 1000 };

static const struct {
    const char *name;
    ops_element read, written;
    int reads, writes;
} conversions[OPS_CONVERSIONS] = {
#define DESCRIBE(name, read, reads, written, writes, statement) { #name, OPS_##read, OPS_##written, reads, writes },
    CONVERSIONS(DESCRIBE)
#undef DESCRIBE
};

static const size_t sizes[] = { 1, 1, 2, 2, 4, 4, 8, 8, 4, 8 };

/* The lower bits as an element. */
static void put(void *at, ops_element type, int i, uint64_t bits)
{
    uint8_t of_8 = (uint8_t)bits;
    uint16_t of_16 = (uint16_t)bits;
    uint32_t of_32 = (uint32_t)bits;
    char *to = (char *)at + (size_t)i * sizes[type];
    switch (sizes[type]) {
    case 1: memcpy(to, &of_8, 1); break;
    case 2: memcpy(to, &of_16, 2); break;
    case 4: memcpy(to, &of_32, 4); break;
    case 8: memcpy(to, &bits, 8); break;
    }
}

static uint64_t get(const void *at, ops_element type, int i)
{
    uint8_t of_8;
    uint16_t of_16;
    uint32_t of_32;
    uint64_t of_64 = 0;
    const char *from = (const char *)at + (size_t)i * sizes[type];
    switch (sizes[type]) {
    case 1: memcpy(&of_8, from, 1); return of_8;
    case 2: memcpy(&of_16, from, 2); return of_16;
    case 4: memcpy(&of_32, from, 4); return of_32;
    case 8: memcpy(&of_64, from, 8); return of_64;
    }
    return of_64;
}

/* All NaN of a float or double are one. */
static uint64_t canonical(ops_element type, uint64_t bits)
{
    if (type == OPS_f32 && f32_of_bits((uint32_t)bits) != f32_of_bits((uint32_t)bits)) return 0x7fc00000;
    if (type == OPS_f64 && f64_of_bits(bits) != f64_of_bits(bits)) return UINT64_C(0x7ff8) << 48;
    return bits;
}

/* At addresses that are aligned to an element and to nothing else; nothing is written beyond the result. */
static void run(conversion convert, int c, const uint64_t values[MOST], uint64_t results[MOST])
{
    static _Alignas(64) unsigned char room[2][3 * MOST * 8];
    size_t read_size = sizes[conversions[c].read], size = sizes[conversions[c].written];
    unsigned char *from = room[0] + read_size, *to = room[1] + size, *end = to + size * (size_t)conversions[c].writes;
    for (int i = 0; i < conversions[c].reads; ++i) put(from, conversions[c].read, i, values[i]);
    memset(room[1], 0xa5, sizeof room[1]);
    convert(from, to);
    for (unsigned char *at = room[1]; at < room[1] + sizeof room[1]; ++at)
        if ((at < to || at >= end) && *at != 0xa5) test_fail("%s writes beyond its result", conversions[c].name);
    for (int i = 0; i < conversions[c].writes; ++i)
        results[i] = canonical(conversions[c].written, get(to, conversions[c].written, i));
}

static void compare(const vocabulary *with, int c, const uint64_t values[MOST], hash_state *hash)
{
    uint64_t expected[MOST], found[MOST];
    run(ops_scalar.conversions[c], c, values, expected);
    run(with->conversions[c], c, values, found);
    for (int i = 0; i < conversions[c].writes; ++i) {
        if (hash) hash_bits(hash, expected[i], (int)sizes[conversions[c].written]);
        if (found[i] != expected[i])
            test_fail("%s(%016" PRIx64 "), lane %d: %" PRIx64 ", not %" PRIx64, conversions[c].name, values[i], i,
                      found[i], expected[i]);
    }
}

/* Bits of a random length, or near a power of two of 64 bits or 32; of numbers that are halfway between two others, or
 * next to that, for any length of the mantissa; for every kind of value alone in its vector, and among others. */
static uint64_t random_value(random_state *r, ops_element type)
{
    uint64_t kind = random_bits(r), bits = random_bits(r);
    unsigned shift = (unsigned)(kind >> 8 & 63), other = (unsigned)(kind >> 16 & 63);
    if (type == OPS_f32 || type == OPS_f64) {
        int wide = type == OPS_f64;
        uint64_t mantissa = wide ? 52 : 23, sign = (kind >> 24 & 1) << (wide ? 63 : 31);
        /* From below the subnormal numbers of 16 bits to beyond their largest, or anything. */
        uint64_t exponent = (uint64_t)(wide ? 1023 : 127) - 30 + (kind >> 32) % 60;
        if (kind & 1) exponent = (kind >> 32) % (wide ? 2048 : 256);
        uint64_t fraction = bits & ((UINT64_C(1) << mantissa) - 1);
        uint64_t dropped = shift % (mantissa + 1);
        if (kind & 2) fraction = fraction >> dropped << dropped;
        if (kind & 4) fraction |= UINT64_C(1) << (other % mantissa);
        return sign | exponent << mantissa | fraction;
    }
    bits >>= shift;
    if (kind & 1) bits = bits >> (other >> 1) << (other >> 1); /* trailing zeros: ties */
    if (kind & 2) bits += (kind >> 24 & 3) - 1;
    return kind & 4 ? 0 - bits : bits;
}

static void check_random(const vocabulary *with, int rounds, uint64_t seed, hash_state *hash)
{
    random_state r = { seed };
    uint64_t values[MOST];
    for (int n = 0; n < rounds; ++n)
        for (int c = 0; c < OPS_CONVERSIONS; ++c) {
            /* One value that is large among small ones must not be overlooked, wherever it is. */
            uint64_t small = random_bits(&r) & 1 ? UINT64_C(0) - (random_bits(&r) & 3) : 3;
            int alone = (int)(random_bits(&r) & 31);
            for (int i = 0; i < MOST; ++i) {
                uint64_t value = random_value(&r, conversions[c].read);
                values[i] = alone < MOST && i != alone ? small : value;
            }
            compare(with, c, values, hash);
        }
}

void check_conversion_specification(void)
{
    const uint64_t expected = UINT64_C(0x3e53042c441658e8);
    hash_state hash;
    hash_init(&hash);
    check_random(&ops_scalar, SPECIFICATION_ROUNDS, 4, &hash);
    if (hash.value != expected) test_fail("%016" PRIx64 ", not %016" PRIx64, hash.value, expected);
}

static const uint64_t special_integers[] = {
    0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0xffffff, 0x1000000, 0x1000001, 0x1000003, 0x7fffffbf,
    0x7fffffc0, 0x7fffffff, 0x80000000, 0x80000001, 0xffffff7f, 0xffffff80, 0xffffffff, UINT64_C(0x100000000),
    UINT64_C(0x100000001), UINT64_C(0x1ffffffff), UINT64_C(0x1fffffffffffff), UINT64_C(0x20000000000000),
    UINT64_C(0x20000000000001), UINT64_C(0x20000000000003), UINT64_C(0x2000001000000001),
    UINT64_C(0x2000003000000000), UINT64_C(0x2000002fffffffff), UINT64_C(0x7fffffbfffffffff),
    UINT64_C(0x7fffffc000000000), UINT64_C(0x7ffffffffffffdff), UINT64_C(0x7ffffffffffffe00),
    UINT64_C(0x7fffffffffffffff), UINT64_C(0x8000000000000000), UINT64_C(0x8000008000000000),
    UINT64_C(0x8000008000000001), UINT64_C(0xfffffffffffffbff), UINT64_C(0xfffffffffffffc00),
};

/* Ends of the ranges of 16 and 32 bits, ties between them, infinity and NaN, of which some have no bit in the upper 16;
 * next to each its neighbours. */
static const uint32_t special_floats[] = {
    0, 0x33000000, 0x33800000, 0x387fc000, 0x387fe000, 0x38800000, 0x3f801000, 0x3f803000, 0x3f808000, 0x3f818000,
    0x477fe000, 0x477ff000, 0x47800000, 0x7f7f0000, 0x7f7f8000, 0x7f7fffff, 0x7f800000, 0x7f802000, 0x7fc00000,
    0x7fffffff,
};
static const double special_doubles[] = { 0x1p-149, 0x1p-150, 0x1.8p-149, 0x1p-126, 0x1.fffffep127, 0x1.ffffffp127,
                                          0x1p128, 0x1.000001p0, 0x1.000003p0, 0x1.fffffffffffffp-127, 0x1p-1074 };

static void check_special(const vocabulary *with, int c)
{
    uint64_t values[MOST];
    ops_element read = conversions[c].read;
    if (sizes[read] <= 2) {
        for (uint64_t first = 0; first < 65536; first += MOST) {
            for (int i = 0; i < MOST; ++i) values[i] = first + (uint64_t)i;
            compare(with, c, values, NULL);
        }
        return;
    }
    size_t count = read == OPS_f32 ? COUNT(special_floats) : read == OPS_f64 ? COUNT(special_doubles)
                                                                            : COUNT(special_integers);
    for (size_t s = 0; s < count; ++s)
        for (unsigned around = 0; around < 6; ++around) {
            uint64_t value = read == OPS_f32   ? special_floats[s]
                             : read == OPS_f64 ? bits_of_f64(special_doubles[s])
                                               : special_integers[s];
            value += around / 2 - 1;
            if (around & 1) value = read == OPS_f32 ? value ^ 0x80000000 : read == OPS_f64 ? value ^ UINT64_C(1) << 63
                                                                                           : 0 - value;
            for (int lane = 0; lane <= MOST; ++lane) { /* in one lane, or all */
                for (int i = 0; i < MOST; ++i) values[i] = i == lane || lane == MOST ? value : 1;
                compare(with, c, values, NULL);
            }
        }
}

void check_conversions(const vocabulary *with, int rounds)
{
    for (int c = 0; c < OPS_CONVERSIONS; ++c) check_special(with, c);
    check_random(with, rounds, 5, NULL);
}
