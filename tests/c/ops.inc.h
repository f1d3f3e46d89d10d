/* The table of the vocabulary that was included before, under the name VOCABULARY. */
#include "ops.h"

#include "simd/names.inc.h"

#include <string.h>

BCEL_TARGET_BEGIN

#define A v_load(a)
#define B v_load(b)
#define C v_load(c)

#define OPS_DEFINE(name, operands, result, value)                                                    \
    static void N(BCEL_PASTE(op, name))(const void *pa, const void *pb, const void *pc, void *out)   \
    {                                                                                                \
        const real *a = pa, *b = pb, *c = pc;                                                        \
        (void)a, (void)b, (void)c;                                                                   \
        OPS_STORE(out, value);                                                                       \
    }
#define OPS_ROW_F32(name, operands, result, value) op_##name##_f32,
#define OPS_ROW_F64(name, operands, result, value) op_##name##_f64,

typedef int8_t i8;
typedef uint8_t u8;
typedef int16_t i16;
typedef uint16_t u16;
typedef int32_t i32;
typedef uint32_t u32;
typedef int64_t i64;
typedef uint64_t u64;
typedef float f32;
typedef double f64;

#define OPS_DEFINE_CONVERSION(name, read, reads, written, writes, statement)                         \
    static void convert_##name(const void *pfrom, void *pto)                                         \
    {                                                                                                \
        const read *from = pfrom;                                                                    \
        written *to = pto;                                                                           \
        statement;                                                                                   \
    }
#define OPS_ROW_CONVERSION(name, read, reads, written, writes, statement) convert_##name,
CONVERSIONS(OPS_DEFINE_CONVERSION)

#define OPS_PRECISION(LANES, VECTOR)                                                                         \
    static inline real_bits N(bits_at)(const real *p)                                                \
    {                                                                                                \
        real_bits bits;                                                                              \
        memcpy(&bits, p, sizeof bits);                                                               \
        return bits;                                                                                 \
    }                                                                                                \
    /* A limit is the pattern of a number that is not negative. */                                  \
    static inline real_bits N(limit_at)(const real *p) { return N(bits_at)(p) & ((real_bits)-1 >> 1); } \
    static inline VECTOR N(track_all)(VECTOR a, VECTOR b, real_bits limit)                           \
    {                                                                                                \
        VECTOR seen = v_track(v_track(v_set1(0), a, limit), b, limit);                                  \
        return v_set1((real)v_exceeded(seen, limit));                                                \
    }                                                                                                \
    static inline int N(lanes_at)(const real *p)                                                     \
    {                                                                                                \
        return (int)(N(bits_at)(p) % (LANES + 1));                                                   \
    }

#define PRECISION f32
#define real float
#define real_bits uint32_t
OPS_PRECISION(16, f32x16)
#define OPS_STORE v_store
OPS(OPS_DEFINE)
#undef OPS_STORE
#define OPS_STORE f64_store
OPS_WIDEN(OPS_DEFINE)
#undef OPS_STORE

#undef PRECISION
#undef real
#undef real_bits
#define PRECISION f64
#define real double
#define real_bits uint64_t
OPS_PRECISION(8, f64x8)
#define OPS_STORE v_store
OPS(OPS_DEFINE)

BCEL_TARGET_END

const vocabulary VOCABULARY = { { OPS(OPS_ROW_F32) OPS_WIDEN(OPS_ROW_F32) }, { OPS(OPS_ROW_F64) },
                                { CONVERSIONS(OPS_ROW_CONVERSION) } };
