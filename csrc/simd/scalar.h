/* The vocabulary in portable C: the specification of every operation, one lane at a time. */
#ifndef BCEL_SIMD_SCALAR_H
#define BCEL_SIMD_SCALAR_H

#include <math.h>
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
 * build turns contraction off besides. */
/* A loop stays a loop: unrolled, sixteen lanes of a kernel would be megabytes. */
#if defined(__GNUC__)
#  define EACH(L) _Pragma("GCC unroll 1") for (int i = 0; i < L; ++i)
#else
#  define EACH(L) for (int i = 0; i < L; ++i)
#endif

#define BCEL_SCALAR_OPS(P, V, T, U, L, FMA, SHIFT)                                                       \
    static inline U P##_bits(T a) { U u; memcpy(&u, &a, sizeof u); return u; }                           \
    static inline T P##_from_bits(U u) { T a; memcpy(&a, &u, sizeof a); return a; }                      \
    static inline V P##_load(const T *p) { V r; memcpy(r.lane, p, sizeof r.lane); return r; }            \
    static inline void P##_store(T *p, V a) { memcpy(p, a.lane, sizeof a.lane); }                        \
    static inline V P##_set1(T s) { V r; EACH(L) r.lane[i] = s; return r; }          \
    BCEL_SCALAR_MAP2(P##_add, V, L, a.lane[i] + b.lane[i])                                               \
    BCEL_SCALAR_MAP2(P##_sub, V, L, a.lane[i] - b.lane[i])                                               \
    BCEL_SCALAR_MAP2(P##_mul, V, L, a.lane[i] * b.lane[i])                                               \
    BCEL_SCALAR_MAP2(P##_div, V, L, a.lane[i] / b.lane[i])                                               \
    BCEL_SCALAR_MAP2(P##_max, V, L, a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i])                       \
    BCEL_SCALAR_MAP2(P##_min, V, L, a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i])                       \
    BCEL_SCALAR_MAP2(P##_umax, V, L, P##_bits(a.lane[i]) > P##_bits(b.lane[i]) ? a.lane[i] : b.lane[i])  \
    static inline V P##_fma(V a, V b, V c)                                                               \
    { V r; EACH(L) r.lane[i] = FMA(a.lane[i], b.lane[i], c.lane[i]); return r; }     \
    static inline V P##_fnma(V a, V b, V c)                                                              \
    { V r; EACH(L) r.lane[i] = FMA(-a.lane[i], b.lane[i], c.lane[i]); return r; }    \
    static inline V P##_abs(V a)                                                                         \
    { V r; EACH(L)                                                                   \
          r.lane[i] = P##_from_bits((U)(P##_bits(a.lane[i]) & ((U)-1 >> 1))); return r; }                \
    static inline V P##_neg(V a)                                                                         \
    { V r; EACH(L)                                                                   \
          r.lane[i] = P##_from_bits((U)(P##_bits(a.lane[i]) ^ ~((U)-1 >> 1))); return r; }               \
    static inline P##_mask P##_lt(V a, V b)                                                              \
    { P##_mask m; EACH(L) m.lane[i] = a.lane[i] < b.lane[i] ? (U)-1 : 0; return m; } \
    static inline P##_mask P##_eq(V a, V b)                                                              \
    { P##_mask m; EACH(L) m.lane[i] = a.lane[i] == b.lane[i] ? (U)-1 : 0; return m; }\
    static inline V P##_select(P##_mask m, V a, V b)                                                     \
    { V r; EACH(L)                                                                   \
          r.lane[i] = P##_from_bits((U)((P##_bits(a.lane[i]) & m.lane[i])                                \
                                        | (P##_bits(b.lane[i]) & ~m.lane[i]))); return r; }              \
    static inline P##_mask P##_first(int n)                                                              \
    { P##_mask m; EACH(L) m.lane[i] = i < n ? (U)-1 : 0; return m; }                 \
    static inline int P##_any(P##_mask m)                                                                \
    { U any = 0; EACH(L) any |= m.lane[i]; return any != 0; }                        \
    static inline V P##_pow2(V k)                                                                        \
    { V r; EACH(L)                                                                   \
          r.lane[i] = P##_from_bits((U)((U)(P##_bits(k.lane[i]) << SHIFT) + P##_bits((T)1))); return r; }\
    static inline int P##_uany(V a, U limit)                                                             \
    { int any = 0; EACH(L) any |= P##_bits(a.lane[i]) > limit; return any; }

#define BCEL_SCALAR_MAP2(NAME, V, L, EXPRESSION)                                                         \
    static inline V NAME(V a, V b) { V r; EACH(L) r.lane[i] = EXPRESSION; return r; }

BCEL_SCALAR_OPS(f32, f32x16, float, uint32_t, 16, fmaf, 23)
BCEL_SCALAR_OPS(f64, f64x8, double, uint64_t, 8, fma, 52)

static inline f64x8 f32_widen_lo(f32x16 a)
{
    f64x8 r;
    for (int i = 0; i < 8; ++i) r.lane[i] = (double)a.lane[i];
    return r;
}

static inline f64x8 f32_widen_hi(f32x16 a)
{
    f64x8 r;
    for (int i = 0; i < 8; ++i) r.lane[i] = (double)a.lane[8 + i];
    return r;
}

#endif
