/* The vocabulary on AArch64: a logical vector is four q registers. */
#ifndef BCEL_SIMD_NEON_H
#define BCEL_SIMD_NEON_H

#include "../build.h"

#include <arm_neon.h>
#include <stdint.h>

#define BCEL_TARGET_BEGIN
#define BCEL_TARGET_END

typedef struct { float32x4_t a, b, c, d; } f32x16;
typedef struct { float64x2_t a, b, c, d; } f64x8;
typedef struct { uint32x4_t a, b, c, d; } f32_mask;
typedef struct { uint64x2_t a, b, c, d; } f64_mask;

/* Operations that take their operands in another order than the vocabulary, or need several steps. */
#define BCEL_NEON_REGISTER_OPS(F, U, R, S, MANTISSA)                                                      \
    static inline R bcel_neon_fma_##F(R x, R y, R z) { return vfmaq_##F(z, x, y); }                       \
    static inline R bcel_neon_fnma_##F(R x, R y, R z) { return vfmsq_##F(z, x, y); }                      \
    static inline R bcel_neon_pow2_##F(R k)                                                               \
    {                                                                                                     \
        return vreinterpretq_##F##_##U(vaddq_##U(vshlq_n_##U(vreinterpretq_##U##_##F(k), MANTISSA),       \
                                                 vreinterpretq_##U##_##F(vdupq_n_##F(1))));               \
    }                                                                                                     \
    static inline S bcel_neon_ugt_##F(R x, R y)                                                           \
    {                                                                                                     \
        return vcgtq_##U(vreinterpretq_##U##_##F(x), vreinterpretq_##U##_##F(y));                         \
    }                                                                                                     \
    static inline R bcel_neon_umax_##F(R x, R y) { return vbslq_##F(bcel_neon_ugt_##F(x, y), x, y); }

BCEL_NEON_REGISTER_OPS(f32, u32, float32x4_t, uint32x4_t, 23)
BCEL_NEON_REGISTER_OPS(f64, u64, float64x2_t, uint64x2_t, 52)

#define BCEL_NEON_MAP1(NAME, R, V, OP)                                                                    \
    static inline R NAME(V x)                                                                             \
    {                                                                                                     \
        R r = { OP(x.a), OP(x.b), OP(x.c), OP(x.d) };                                                     \
        return r;                                                                                         \
    }
#define BCEL_NEON_MAP2(NAME, R, V, OP)                                                                    \
    static inline R NAME(V x, V y)                                                                        \
    {                                                                                                     \
        R r = { OP(x.a, y.a), OP(x.b, y.b), OP(x.c, y.c), OP(x.d, y.d) };                                 \
        return r;                                                                                         \
    }
#define BCEL_NEON_MAP3(NAME, R, U, V, OP)                                                                 \
    static inline R NAME(U x, V y, V z)                                                                   \
    {                                                                                                     \
        R r = { OP(x.a, y.a, z.a), OP(x.b, y.b, z.b), OP(x.c, y.c, z.c), OP(x.d, y.d, z.d) };             \
        return r;                                                                                         \
    }

/* S elements of type T in a register. */
#define BCEL_NEON_OPS(P, V, T, S, U, BITS)                                                                \
    static inline V P##_load(const T *p)                                                                  \
    {                                                                                                     \
        V r = { vld1q_##P(p), vld1q_##P(p + S), vld1q_##P(p + 2 * S), vld1q_##P(p + 3 * S) };             \
        return r;                                                                                         \
    }                                                                                                     \
    static inline void P##_store(T *p, V x)                                                               \
    {                                                                                                     \
        vst1q_##P(p, x.a);                                                                                \
        vst1q_##P(p + S, x.b);                                                                            \
        vst1q_##P(p + 2 * S, x.c);                                                                        \
        vst1q_##P(p + 3 * S, x.d);                                                                        \
    }                                                                                                     \
    static inline V P##_set1(T s)                                                                         \
    {                                                                                                     \
        V r = { vdupq_n_##P(s), vdupq_n_##P(s), vdupq_n_##P(s), vdupq_n_##P(s) };                         \
        return r;                                                                                         \
    }                                                                                                     \
    BCEL_NEON_MAP2(P##_add, V, V, vaddq_##P)                                                              \
    BCEL_NEON_MAP2(P##_sub, V, V, vsubq_##P)                                                              \
    BCEL_NEON_MAP2(P##_mul, V, V, vmulq_##P)                                                              \
    BCEL_NEON_MAP2(P##_div, V, V, vdivq_##P)                                                              \
    BCEL_NEON_MAP2(P##_max, V, V, vmaxq_##P)                                                              \
    BCEL_NEON_MAP2(P##_min, V, V, vminq_##P)                                                              \
    BCEL_NEON_MAP3(P##_fma, V, V, V, bcel_neon_fma_##P)                                                   \
    BCEL_NEON_MAP3(P##_fnma, V, V, V, bcel_neon_fnma_##P)                                                 \
    BCEL_NEON_MAP1(P##_abs, V, V, vabsq_##P)                                                              \
    BCEL_NEON_MAP1(P##_neg, V, V, vnegq_##P)                                                              \
    BCEL_NEON_MAP2(P##_lt, P##_mask, V, vcltq_##P)                                                        \
    BCEL_NEON_MAP2(P##_eq, P##_mask, V, vceqq_##P)                                                        \
    BCEL_NEON_MAP3(P##_select, V, P##_mask, V, vbslq_##P)                                                 \
    BCEL_NEON_MAP1(P##_pow2, V, V, bcel_neon_pow2_##P)                                                    \
    BCEL_NEON_MAP2(P##_umax, V, V, bcel_neon_umax_##P)                                                    \
    static inline V P##_track(V seen, V x, BITS limit) { (void)limit; return P##_umax(seen, x); }         \
    static inline P##_mask P##_first(int n)                                                               \
    {                                                                                                     \
        const BITS *i = bcel_neon_index_##P;                                                              \
        P##_mask m = { vcgtq_##U(vdupq_n_##U((BITS)n), vld1q_##U(i)),                                     \
                       vcgtq_##U(vdupq_n_##U((BITS)n), vld1q_##U(i + S)),                                 \
                       vcgtq_##U(vdupq_n_##U((BITS)n), vld1q_##U(i + 2 * S)),                             \
                       vcgtq_##U(vdupq_n_##U((BITS)n), vld1q_##U(i + 3 * S)) };                           \
        return m;                                                                                         \
    }                                                                                                     \
    static inline int P##_any(P##_mask m)                                                                 \
    {                                                                                                     \
        return vmaxvq_u8(vreinterpretq_u8_##U(vorrq_##U(vorrq_##U(m.a, m.b), vorrq_##U(m.c, m.d)))) != 0; \
    }                                                                                                     \
    static inline int P##_exceeded(V x, BITS limit)                                                           \
    {                                                                                                     \
        P##_mask m = { vcgtq_##U(vreinterpretq_##U##_##P(x.a), vdupq_n_##U(limit)),                       \
                       vcgtq_##U(vreinterpretq_##U##_##P(x.b), vdupq_n_##U(limit)),                       \
                       vcgtq_##U(vreinterpretq_##U##_##P(x.c), vdupq_n_##U(limit)),                       \
                       vcgtq_##U(vreinterpretq_##U##_##P(x.d), vdupq_n_##U(limit)) };                     \
        return P##_any(m);                                                                                \
    }

static const uint32_t bcel_neon_index_f32[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
static const uint64_t bcel_neon_index_f64[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };

BCEL_NEON_OPS(f32, f32x16, float, 4, u32, uint32_t)
BCEL_NEON_OPS(f64, f64x8, double, 2, u64, uint64_t)

static inline f64x8 f32_widen_lo(f32x16 x)
{
    f64x8 r = { vcvt_f64_f32(vget_low_f32(x.a)), vcvt_high_f64_f32(x.a), vcvt_f64_f32(vget_low_f32(x.b)),
                vcvt_high_f64_f32(x.b) };
    return r;
}

static inline f64x8 f32_widen_hi(f32x16 x)
{
    f64x8 r = { vcvt_f64_f32(vget_low_f32(x.c)), vcvt_high_f64_f32(x.c), vcvt_f64_f32(vget_low_f32(x.d)),
                vcvt_high_f64_f32(x.d) };
    return r;
}

static inline f32x16 f32_narrow(f64x8 x, f64x8 y)
{
    f32x16 r = { vcvt_high_f32_f64(vcvt_f32_f64(x.a), x.b), vcvt_high_f32_f64(vcvt_f32_f64(x.c), x.d),
                 vcvt_high_f32_f64(vcvt_f32_f64(y.a), y.b), vcvt_high_f32_f64(vcvt_f32_f64(y.c), y.d) };
    return r;
}

/* ---- other element types --------------------------------------------------------------------------- */

/* LOAD is of a quarter of the vector. */
#define BCEL_NEON_LOADS(NAME, V, T, S, LOAD)                                                              \
    static inline V NAME(const T *p)                                                                      \
    {                                                                                                     \
        V r = { LOAD(p), LOAD(p + S), LOAD(p + 2 * S), LOAD(p + 3 * S) };                                 \
        return r;                                                                                         \
    }

#define BCEL_NEON_F16(P) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(P)))
#define BCEL_NEON_BF16(P) vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(P), 16))
#define BCEL_NEON_I16(P) vcvtq_f32_s32(vmovl_s16(vld1_s16(P)))
#define BCEL_NEON_U16(P) vcvtq_f32_u32(vmovl_u16(vld1_u16(P)))
#define BCEL_NEON_I32(P) vcvtq_f64_s64(vmovl_s32(vld1_s32(P)))
#define BCEL_NEON_U32(P) vcvtq_f64_u64(vmovl_u32(vld1_u32(P)))
#define BCEL_NEON_I64(P) vcvtq_f64_s64(vld1q_s64(P))
#define BCEL_NEON_U64(P) vcvtq_f64_u64(vld1q_u64(P))

BCEL_NEON_LOADS(f32_load_f16, f32x16, uint16_t, 4, BCEL_NEON_F16)
BCEL_NEON_LOADS(f32_load_bf16, f32x16, uint16_t, 4, BCEL_NEON_BF16)
BCEL_NEON_LOADS(f32_load_i16, f32x16, int16_t, 4, BCEL_NEON_I16)
BCEL_NEON_LOADS(f32_load_u16, f32x16, uint16_t, 4, BCEL_NEON_U16)
BCEL_NEON_LOADS(f64_load_i32, f64x8, int32_t, 2, BCEL_NEON_I32)
BCEL_NEON_LOADS(f64_load_u32, f64x8, uint32_t, 2, BCEL_NEON_U32)
BCEL_NEON_LOADS(f64_load_i64, f64x8, int64_t, 2, BCEL_NEON_I64)
BCEL_NEON_LOADS(f64_load_u64, f64x8, uint64_t, 2, BCEL_NEON_U64)

#define BCEL_NEON_LOAD_8_BITS(NAME, T, S, HALF)                                                           \
    static inline f32x16 NAME(const T *p)                                                                 \
    {                                                                                                     \
        HALF low = vmovl_##S##8(vld1_##S##8(p)), high = vmovl_##S##8(vld1_##S##8(p + 8));                 \
        f32x16 r = { vcvtq_f32_##S##32(vmovl_##S##16(vget_low_##S##16(low))),                             \
                     vcvtq_f32_##S##32(vmovl_##S##16(vget_high_##S##16(low))),                            \
                     vcvtq_f32_##S##32(vmovl_##S##16(vget_low_##S##16(high))),                            \
                     vcvtq_f32_##S##32(vmovl_##S##16(vget_high_##S##16(high))) };                         \
        return r;                                                                                         \
    }

BCEL_NEON_LOAD_8_BITS(f32_load_i8, int8_t, s, int16x8_t)
BCEL_NEON_LOAD_8_BITS(f32_load_u8, uint8_t, u, uint16x8_t)

/* Mostly all numbers fit in 32 bits: those that do not are saturated, and so not equal to what they were. */
#define BCEL_NEON_LOAD_LONG(NAME, T, S, HALVES)                                                           \
    static inline uint64x2_t bcel_neon_same_##S(HALVES x, const T *p)                                     \
    {                                                                                                     \
        return vandq_u64(vceqq_##S##64(vmovl_##S##32(vget_low_##S##32(x)), vld1q_##S##64(p)),             \
                         vceqq_##S##64(vmovl_##S##32(vget_high_##S##32(x)), vld1q_##S##64(p + 2)));       \
    }                                                                                                     \
    static inline HALVES bcel_neon_halves_##S(const T *p)                                                 \
    {                                                                                                     \
        return vcombine_##S##32(vqmovn_##S##64(vld1q_##S##64(p)), vqmovn_##S##64(vld1q_##S##64(p + 2)));  \
    }                                                                                                     \
    static inline f32x16 NAME(const T *p)                                                                 \
    {                                                                                                     \
        HALVES a = bcel_neon_halves_##S(p), b = bcel_neon_halves_##S(p + 4);                              \
        HALVES c = bcel_neon_halves_##S(p + 8), d = bcel_neon_halves_##S(p + 12);                         \
        uint64x2_t same = vandq_u64(                                                                      \
            vandq_u64(bcel_neon_same_##S(a, p), bcel_neon_same_##S(b, p + 4)),                            \
            vandq_u64(bcel_neon_same_##S(c, p + 8), bcel_neon_same_##S(d, p + 12)));                      \
        if (vminvq_u32(vreinterpretq_u32_u64(same)) != 0) {                                               \
            f32x16 r = { vcvtq_f32_##S##32(a), vcvtq_f32_##S##32(b), vcvtq_f32_##S##32(c),                \
                         vcvtq_f32_##S##32(d) };                                                          \
            return r;                                                                                     \
        }                                                                                                 \
        float lanes[16];                                                                                  \
        for (int i = 0; i < 16; ++i) lanes[i] = (float)p[i];                                              \
        return f32_load(lanes);                                                                           \
    }

BCEL_NEON_LOAD_LONG(f32_load_i64, int64_t, s, int32x4_t)
BCEL_NEON_LOAD_LONG(f32_load_u64, uint64_t, u, uint32x4_t)

/* y, but the NaN without a payload, of the same sign, where x is NaN. */
static inline float32x4_t bcel_neon_quiet(float32x4_t x, float32x4_t y)
{
    uint32x4_t sign = vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0x80000000));
    return vbslq_f32(vceqq_f32(x, x), y, vreinterpretq_f32_u32(vorrq_u32(sign, vdupq_n_u32(0x7fc00000))));
}

/* NaN are made one beforehand: the instruction would keep their payload. */
static inline uint16x4_t bcel_neon_to_f16(float32x4_t x)
{
    return vreinterpret_u16_f16(vcvt_f16_f32(bcel_neon_quiet(x, x)));
}

static inline uint16x4_t bcel_neon_to_bf16(float32x4_t x)
{
    uint32x4_t bits = vreinterpretq_u32_f32(x), last = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(last, vdupq_n_u32(0x7fff)));
    return vshrn_n_u32(vreinterpretq_u32_f32(bcel_neon_quiet(x, vreinterpretq_f32_u32(rounded))), 16);
}

#define BCEL_NEON_STORE_16_BITS(NAME, CONVERT)                                                            \
    static inline void NAME(uint16_t *p, f32x16 x)                                                        \
    {                                                                                                     \
        vst1q_u16(p, vcombine_u16(CONVERT(x.a), CONVERT(x.b)));                                           \
        vst1q_u16(p + 8, vcombine_u16(CONVERT(x.c), CONVERT(x.d)));                                       \
    }

BCEL_NEON_STORE_16_BITS(f32_store_f16, bcel_neon_to_f16)
BCEL_NEON_STORE_16_BITS(f32_store_bf16, bcel_neon_to_bf16)

static inline void f32_store_u8(uint8_t *p, f32x16 x)
{
    uint16x8_t low = vcombine_u16(vmovn_u32(vcvtq_u32_f32(x.a)), vmovn_u32(vcvtq_u32_f32(x.b)));
    uint16x8_t high = vcombine_u16(vmovn_u32(vcvtq_u32_f32(x.c)), vmovn_u32(vcvtq_u32_f32(x.d)));
    vst1q_u8(p, vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
}

#endif
