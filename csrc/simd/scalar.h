/* The vocabulary in portable C: the specification of every operation, one lane at a time. */
#ifndef BCEL_SIMD_SCALAR_H
#define BCEL_SIMD_SCALAR_H

#include "../float16.h"
#include "../fma.h"

#include <stdint.h>
#include <string.h>

#define BCEL_COMPACT
#define BCEL_TARGET_BEGIN
#define BCEL_TARGET_END

typedef struct { float lane[16]; } f32x16;
typedef struct { double lane[8]; } f64x8;
typedef struct { uint32_t lane[16]; } f32_mask;
typedef struct { uint64_t lane[8]; } f64_mask;

/* ISO C permits contraction within an expression; each operation below is a function of its own, and the
 * build turns contraction off besides. A loop stays a loop: unrolled, sixteen lanes of a kernel would be
 * megabytes. */
#if defined(__GNUC__)
#  define BCEL_ROLLED _Pragma("GCC unroll 1")
#else
#  define BCEL_ROLLED
#endif
#define BCEL_EACH(L, STATEMENT) BCEL_ROLLED for (int i = 0; i < (L); ++i) { STATEMENT; }

/* NAME(A) or NAME(A, B) or NAME(A, B, C) whose lanes are EXPRESSION. */
#define BCEL_SCALAR_MAP(NAME, PARAMETERS, R, L, EXPRESSION)                                               \
    static inline R NAME PARAMETERS                                                                       \
    {                                                                                                     \
        R r;                                                                                              \
        BCEL_EACH(L, r.lane[i] = (EXPRESSION))                                                            \
        return r;                                                                                         \
    }

#define BCEL_SCALAR_OPS(P, V, T, U, L, FMA, SHIFT)                                                        \
    static inline U P##_bits(T a) { U u; memcpy(&u, &a, sizeof u); return u; }                            \
    static inline T P##_from_bits(U u) { T a; memcpy(&a, &u, sizeof a); return a; }                       \
    static inline V P##_load(const T *p) { V r; memcpy(r.lane, p, sizeof r.lane); return r; }             \
    static inline void P##_store(T *p, V a) { memcpy(p, a.lane, sizeof a.lane); }                         \
    BCEL_SCALAR_MAP(P##_set1, (T s), V, L, s)                                                             \
    BCEL_SCALAR_MAP(P##_add, (V a, V b), V, L, a.lane[i] + b.lane[i])                                     \
    BCEL_SCALAR_MAP(P##_sub, (V a, V b), V, L, a.lane[i] - b.lane[i])                                     \
    BCEL_SCALAR_MAP(P##_mul, (V a, V b), V, L, a.lane[i] * b.lane[i])                                     \
    BCEL_SCALAR_MAP(P##_div, (V a, V b), V, L, a.lane[i] / b.lane[i])                                     \
    BCEL_SCALAR_MAP(P##_fma, (V a, V b, V c), V, L, FMA(a.lane[i], b.lane[i], c.lane[i]))                 \
    BCEL_SCALAR_MAP(P##_fnma, (V a, V b, V c), V, L, FMA(-a.lane[i], b.lane[i], c.lane[i]))               \
    BCEL_SCALAR_MAP(P##_max, (V a, V b), V, L, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i])             \
    BCEL_SCALAR_MAP(P##_min, (V a, V b), V, L, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i])             \
    BCEL_SCALAR_MAP(P##_abs, (V a), V, L, P##_from_bits((U)(P##_bits(a.lane[i]) & ((U)-1 >> 1))))         \
    BCEL_SCALAR_MAP(P##_neg, (V a), V, L, P##_from_bits((U)(P##_bits(a.lane[i]) ^ ~((U)-1 >> 1))))        \
    BCEL_SCALAR_MAP(P##_lt, (V a, V b), P##_mask, L, a.lane[i] < b.lane[i] ? (U)-1 : 0)                   \
    BCEL_SCALAR_MAP(P##_eq, (V a, V b), P##_mask, L, a.lane[i] == b.lane[i] ? (U)-1 : 0)                  \
    BCEL_SCALAR_MAP(P##_select, (P##_mask m, V a, V b), V, L,                                             \
                    P##_from_bits((U)((P##_bits(a.lane[i]) & m.lane[i]) | (P##_bits(b.lane[i]) & ~m.lane[i])))) \
    BCEL_SCALAR_MAP(P##_first, (int n), P##_mask, L, i < n ? (U)-1 : 0)                                   \
    BCEL_SCALAR_MAP(P##_pow2, (V k), V, L,                                                                \
                    P##_from_bits((U)((U)(P##_bits(k.lane[i]) << SHIFT) + P##_bits((T)1))))               \
    BCEL_SCALAR_MAP(P##_umax, (V a, V b), V, L,                                                           \
                    P##_bits(a.lane[i]) > P##_bits(b.lane[i]) ? a.lane[i] : b.lane[i])                    \
    static inline V P##_track(V seen, V a, U limit) { (void)limit; return P##_umax(seen, a); }            \
    static inline int P##_any(P##_mask m)                                                                 \
    {                                                                                                     \
        U any = 0;                                                                                        \
        BCEL_EACH(L, any |= m.lane[i])                                                                    \
        return any != 0;                                                                                  \
    }                                                                                                     \
    static inline int P##_exceeded(V a, U limit)                                                              \
    {                                                                                                     \
        int any = 0;                                                                                      \
        BCEL_EACH(L, any |= P##_bits(a.lane[i]) > limit)                                                  \
        return any;                                                                                       \
    }

BCEL_SCALAR_OPS(f32, f32x16, float, uint32_t, 16, bcel_fmaf, 23)
BCEL_SCALAR_OPS(f64, f64x8, double, uint64_t, 8, bcel_fma, 52)

BCEL_SCALAR_MAP(f32_widen_lo, (f32x16 a), f64x8, 8, (double)a.lane[i])
BCEL_SCALAR_MAP(f32_widen_hi, (f32x16 a), f64x8, 8, (double)a.lane[8 + i])
BCEL_SCALAR_MAP(f32_narrow, (f64x8 a, f64x8 b), f32x16, 16, (float)(i < 8 ? a.lane[i] : b.lane[i - 8]))

BCEL_SCALAR_MAP(f32_load_f16, (const uint16_t *p), f32x16, 16, bcel_float_of_half(p[i]))
BCEL_SCALAR_MAP(f32_load_bf16, (const uint16_t *p), f32x16, 16, bcel_float_of_bfloat(p[i]))
BCEL_SCALAR_MAP(f32_load_i8, (const int8_t *p), f32x16, 16, (float)p[i])
BCEL_SCALAR_MAP(f32_load_u8, (const uint8_t *p), f32x16, 16, (float)p[i])
BCEL_SCALAR_MAP(f32_load_i16, (const int16_t *p), f32x16, 16, (float)p[i])
BCEL_SCALAR_MAP(f32_load_u16, (const uint16_t *p), f32x16, 16, (float)p[i])
BCEL_SCALAR_MAP(f32_load_i64, (const int64_t *p), f32x16, 16, (float)p[i])
BCEL_SCALAR_MAP(f32_load_u64, (const uint64_t *p), f32x16, 16, (float)p[i])
BCEL_SCALAR_MAP(f64_load_i32, (const int32_t *p), f64x8, 8, (double)p[i])
BCEL_SCALAR_MAP(f64_load_u32, (const uint32_t *p), f64x8, 8, (double)p[i])
BCEL_SCALAR_MAP(f64_load_i64, (const int64_t *p), f64x8, 8, (double)p[i])
BCEL_SCALAR_MAP(f64_load_u64, (const uint64_t *p), f64x8, 8, (double)p[i])

static inline void f32_store_f16(uint16_t *p, f32x16 a)
{
    BCEL_EACH(16, p[i] = bcel_half_of_float(a.lane[i]))
}

static inline void f32_store_bf16(uint16_t *p, f32x16 a)
{
    BCEL_EACH(16, p[i] = bcel_bfloat_of_float(a.lane[i]))
}

static inline void f32_store_u8(uint8_t *p, f32x16 a)
{
    BCEL_EACH(16, p[i] = (uint8_t)a.lane[i])
}

#endif
