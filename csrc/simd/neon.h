/* The vocabulary on AArch64: a logical vector is four q registers. */
#ifndef BCEL_SIMD_NEON_H
#define BCEL_SIMD_NEON_H

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
    static inline int P##_uany(V x, BITS limit)                                                           \
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

#endif
