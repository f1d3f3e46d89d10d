/* The vocabulary on x86-64 with AVX2 and FMA: a logical vector is two ymm registers. */
#ifndef BCEL_SIMD_AVX2_H
#define BCEL_SIMD_AVX2_H

#include <immintrin.h>
#if defined(_MSC_VER) && defined(__clang__) /* its immintrin.h leaves out what the command line does not enable */
#  include <avxintrin.h>
#  include <avx2intrin.h>
#  include <fmaintrin.h>
#endif
#include <stdint.h>

#if defined(__clang__)
#  define BCEL_TARGET_BEGIN \
      _Pragma("clang attribute push(__attribute__((target(\"avx2,fma\"))), apply_to = function)")
#  define BCEL_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#  define BCEL_TARGET_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma\")")
#  define BCEL_TARGET_END _Pragma("GCC pop_options")
#else
#  define BCEL_TARGET_BEGIN
#  define BCEL_TARGET_END
#endif

BCEL_TARGET_BEGIN

typedef struct { __m256 a, b; } f32x16;
typedef struct { __m256d a, b; } f64x8;
typedef struct { __m256 a, b; } f32_mask;
typedef struct { __m256d a, b; } f64_mask;

#define BCEL_AVX2_OPS(P, V, T, R, S, SUFFIX)                                                \
    static inline V P##_load(const T *p)                                                                  \
    { V r = { _mm256_loadu_##SUFFIX(p), _mm256_loadu_##SUFFIX(p + S) }; return r; }                       \
    static inline void P##_store(T *p, V x)                                                               \
    { _mm256_storeu_##SUFFIX(p, x.a); _mm256_storeu_##SUFFIX(p + S, x.b); }                               \
    static inline V P##_set1(T s) { V r = { _mm256_set1_##SUFFIX(s), _mm256_set1_##SUFFIX(s) }; return r; } \
    BCEL_AVX2_MAP2(P##_add, V, _mm256_add_##SUFFIX)                                                       \
    BCEL_AVX2_MAP2(P##_sub, V, _mm256_sub_##SUFFIX)                                                       \
    BCEL_AVX2_MAP2(P##_mul, V, _mm256_mul_##SUFFIX)                                                       \
    BCEL_AVX2_MAP2(P##_div, V, _mm256_div_##SUFFIX)                                                       \
    BCEL_AVX2_MAP2(P##_max, V, _mm256_max_##SUFFIX)                                                       \
    BCEL_AVX2_MAP2(P##_min, V, _mm256_min_##SUFFIX)                                                       \
    static inline V P##_fma(V x, V y, V z)                                                                \
    { V r = { _mm256_fmadd_##SUFFIX(x.a, y.a, z.a), _mm256_fmadd_##SUFFIX(x.b, y.b, z.b) }; return r; }   \
    static inline V P##_fnma(V x, V y, V z)                                                               \
    { V r = { _mm256_fnmadd_##SUFFIX(x.a, y.a, z.a), _mm256_fnmadd_##SUFFIX(x.b, y.b, z.b) }; return r; } \
    static inline V P##_abs(V x)                                                                          \
    { R s = _mm256_set1_##SUFFIX((T)-0.0);                                                                \
      V r = { _mm256_andnot_##SUFFIX(s, x.a), _mm256_andnot_##SUFFIX(s, x.b) }; return r; }               \
    static inline V P##_neg(V x)                                                                          \
    { R s = _mm256_set1_##SUFFIX((T)-0.0);                                                                \
      V r = { _mm256_xor_##SUFFIX(s, x.a), _mm256_xor_##SUFFIX(s, x.b) }; return r; }                     \
    static inline P##_mask P##_lt(V x, V y)                                                               \
    { P##_mask m = { _mm256_cmp_##SUFFIX(x.a, y.a, _CMP_LT_OQ),                                           \
                     _mm256_cmp_##SUFFIX(x.b, y.b, _CMP_LT_OQ) }; return m; }                             \
    static inline P##_mask P##_eq(V x, V y)                                                               \
    { P##_mask m = { _mm256_cmp_##SUFFIX(x.a, y.a, _CMP_EQ_OQ),                                           \
                     _mm256_cmp_##SUFFIX(x.b, y.b, _CMP_EQ_OQ) }; return m; }                             \
    static inline V P##_select(P##_mask m, V x, V y)                                                      \
    { V r = { _mm256_blendv_##SUFFIX(y.a, x.a, m.a), _mm256_blendv_##SUFFIX(y.b, x.b, m.b) }; return r; } \
    static inline int P##_any(P##_mask m)                                                                 \
    { return _mm256_movemask_##SUFFIX(_mm256_or_##SUFFIX(m.a, m.b)) != 0; }

#define BCEL_AVX2_MAP2(NAME, V, OP)                                                                       \
    static inline V NAME(V x, V y) { V r = { OP(x.a, y.a), OP(x.b, y.b) }; return r; }

BCEL_AVX2_OPS(f32, f32x16, float, __m256, 8, ps)
BCEL_AVX2_OPS(f64, f64x8, double, __m256d, 4, pd)

static inline f32_mask f32_first(int n)
{
    __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i limit = _mm256_set1_epi32(n);
    f32_mask m = { _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, i)),
                   _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, _mm256_add_epi32(i, _mm256_set1_epi32(8)))) };
    return m;
}

static inline f64_mask f64_first(int n)
{
    __m256i limit = _mm256_set1_epi64x(n);
    f64_mask m = { _mm256_castsi256_pd(_mm256_cmpgt_epi64(limit, _mm256_setr_epi64x(0, 1, 2, 3))),
                   _mm256_castsi256_pd(_mm256_cmpgt_epi64(limit, _mm256_setr_epi64x(4, 5, 6, 7))) };
    return m;
}

static inline __m256 bcel_avx2_pow2_ps(__m256 k)
{
    __m256i n = _mm256_slli_epi32(_mm256_castps_si256(k), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(n, _mm256_castps_si256(_mm256_set1_ps(1.0f))));
}

static inline __m256d bcel_avx2_pow2_pd(__m256d k)
{
    __m256i n = _mm256_slli_epi64(_mm256_castpd_si256(k), 52);
    return _mm256_castsi256_pd(_mm256_add_epi64(n, _mm256_castpd_si256(_mm256_set1_pd(1.0))));
}

static inline f32x16 f32_pow2(f32x16 k)
{
    f32x16 r = { bcel_avx2_pow2_ps(k.a), bcel_avx2_pow2_ps(k.b) };
    return r;
}

static inline f64x8 f64_pow2(f64x8 k)
{
    f64x8 r = { bcel_avx2_pow2_pd(k.a), bcel_avx2_pow2_pd(k.b) };
    return r;
}

static inline __m256 bcel_avx2_umax_ps(__m256 x, __m256 y)
{
    return _mm256_castsi256_ps(_mm256_max_epu32(_mm256_castps_si256(x), _mm256_castps_si256(y)));
}

/* AVX2 compares 64-bit numbers as signed alone: flip the sign bits first. */
static inline __m256d bcel_avx2_ugt_pd(__m256d x, __m256d y)
{
    __m256d s = _mm256_set1_pd(-0.0);
    return _mm256_castsi256_pd(_mm256_cmpgt_epi64(_mm256_castpd_si256(_mm256_xor_pd(x, s)),
                                                  _mm256_castpd_si256(_mm256_xor_pd(y, s))));
}

static inline f32x16 f32_umax(f32x16 x, f32x16 y)
{
    f32x16 r = { bcel_avx2_umax_ps(x.a, y.a), bcel_avx2_umax_ps(x.b, y.b) };
    return r;
}

static inline f64x8 f64_umax(f64x8 x, f64x8 y)
{
    f64x8 r = { _mm256_blendv_pd(y.a, x.a, bcel_avx2_ugt_pd(x.a, y.a)),
                _mm256_blendv_pd(y.b, x.b, bcel_avx2_ugt_pd(x.b, y.b)) };
    return r;
}

static inline int f32_uany(f32x16 x, uint32_t limit)
{
    __m256i l = _mm256_set1_epi32((int)limit);
    __m256i m = _mm256_max_epu32(_mm256_max_epu32(_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)), l);
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(m, l)) != -1;
}

static inline int f64_uany(f64x8 x, uint64_t limit)
{
    __m256d l = _mm256_castsi256_pd(_mm256_set1_epi64x((long long)limit));
    return _mm256_movemask_pd(_mm256_or_pd(bcel_avx2_ugt_pd(x.a, l), bcel_avx2_ugt_pd(x.b, l))) != 0;
}

static inline f64x8 f32_widen_lo(f32x16 x)
{
    f64x8 r = { _mm256_cvtps_pd(_mm256_castps256_ps128(x.a)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.a, 1)) };
    return r;
}

static inline f64x8 f32_widen_hi(f32x16 x)
{
    f64x8 r = { _mm256_cvtps_pd(_mm256_castps256_ps128(x.b)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.b, 1)) };
    return r;
}

BCEL_TARGET_END

#endif
