/* The vocabulary on x86-64 with AVX-512 F, DQ, BW and VL: a logical vector is one zmm register. */
#ifndef BCEL_SIMD_AVX512_H
#define BCEL_SIMD_AVX512_H

/* BCEL_IMMINTRIN_HEADER names an emulation of the intrinsics, for tests on processors without them. */
#if defined(BCEL_IMMINTRIN_HEADER)
#  include BCEL_IMMINTRIN_HEADER
#else
#  include <immintrin.h>
#  if defined(_MSC_VER) && defined(__clang__) /* as in avx2.h */
#    include <smmintrin.h>
#    include <avxintrin.h>
#    include <avx2intrin.h>
#    include <fmaintrin.h>
#    include <avx512fintrin.h>
#    include <avx512bwintrin.h>
#    include <avx512dqintrin.h>
#    include <avx512vlintrin.h>
#  endif
#endif
#include <stdint.h>

#if defined(BCEL_IMMINTRIN_HEADER)
#  define BCEL_TARGET_BEGIN
#  define BCEL_TARGET_END
#elif defined(__clang__)
#  define BCEL_TARGET_BEGIN \
      _Pragma("clang attribute push(__attribute__((target(\"fma,avx512dq,avx512bw,avx512vl\"))), apply_to = function)")
#  define BCEL_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#  define BCEL_TARGET_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"fma,avx512dq,avx512bw,avx512vl\")")
#  define BCEL_TARGET_END _Pragma("GCC pop_options")
#else
#  define BCEL_TARGET_BEGIN
#  define BCEL_TARGET_END
#endif

BCEL_TARGET_BEGIN

typedef __m512 f32x16;
typedef __m512d f64x8;
typedef __mmask16 f32_mask;
typedef __mmask8 f64_mask;

/* INT, EPI, EPU: the type of a lane's bits and the suffixes of its integer operations. */
#define BCEL_AVX512_OPS(P, V, T, INT, PS, EPI, EPU, MANTISSA)                                         \
    static inline V P##_load(const T *p) { return _mm512_loadu_##PS(p); }                                 \
    static inline void P##_store(T *p, V a) { _mm512_storeu_##PS(p, a); }                                 \
    static inline V P##_set1(T s) { return _mm512_set1_##PS(s); }                                         \
    static inline V P##_add(V a, V b) { return _mm512_add_##PS(a, b); }                                   \
    static inline V P##_sub(V a, V b) { return _mm512_sub_##PS(a, b); }                                   \
    static inline V P##_mul(V a, V b) { return _mm512_mul_##PS(a, b); }                                   \
    static inline V P##_div(V a, V b) { return _mm512_div_##PS(a, b); }                                   \
    static inline V P##_max(V a, V b) { return _mm512_max_##PS(a, b); }                                   \
    static inline V P##_min(V a, V b) { return _mm512_min_##PS(a, b); }                                   \
    static inline V P##_fma(V a, V b, V c) { return _mm512_fmadd_##PS(a, b, c); }                         \
    static inline V P##_fnma(V a, V b, V c) { return _mm512_fnmadd_##PS(a, b, c); }                       \
    static inline V P##_abs(V a) { return _mm512_andnot_##PS(P##_set1((T)-0.0), a); }                     \
    static inline V P##_neg(V a) { return _mm512_xor_##PS(P##_set1((T)-0.0), a); }                        \
    static inline P##_mask P##_lt(V a, V b) { return _mm512_cmp_##PS##_mask(a, b, _CMP_LT_OQ); }          \
    static inline P##_mask P##_eq(V a, V b) { return _mm512_cmp_##PS##_mask(a, b, _CMP_EQ_OQ); }          \
    static inline V P##_select(P##_mask m, V a, V b) { return _mm512_mask_blend_##PS(m, b, a); }          \
    static inline P##_mask P##_first(int n) { return (P##_mask)((1u << n) - 1u); }                        \
    static inline int P##_any(P##_mask m) { return m != 0; }                                              \
    static inline V P##_pow2(V k)                                                                         \
    {                                                                                                     \
        __m512i n = _mm512_slli_##EPI(_mm512_cast##PS##_si512(k), MANTISSA);                               \
        return _mm512_castsi512_##PS(_mm512_add_##EPI(n, _mm512_cast##PS##_si512(P##_set1(1))));           \
    }                                                                                                     \
    static inline V P##_umax(V a, V b)                                                                    \
    {                                                                                                     \
        return _mm512_castsi512_##PS(_mm512_max_##EPU(_mm512_cast##PS##_si512(a), _mm512_cast##PS##_si512(b))); \
    }                                                                                                     \
    static inline int P##_uany(V a, u##INT limit)                                                         \
    {                                                                                                     \
        __m512i l = _mm512_set1_##EPI((INT)limit);                                                        \
        __m512i larger = _mm512_max_##EPU(_mm512_cast##PS##_si512(a), l);                                  \
        return _mm512_cmpeq_##EPI##_mask(larger, l) != (P##_mask)-1;                                      \
    }

BCEL_AVX512_OPS(f32, f32x16, float, int32_t, ps, epi32, epu32, 23)
BCEL_AVX512_OPS(f64, f64x8, double, int64_t, pd, epi64, epu64, 52)

static inline f64x8 f32_widen_lo(f32x16 a)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(a));
}

static inline f64x8 f32_widen_hi(f32x16 a)
{
    return _mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1)));
}

BCEL_TARGET_END

#endif
