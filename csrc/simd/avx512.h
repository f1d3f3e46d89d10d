/* The vocabulary on x86-64 with AVX-512 F, DQ, BW and VL: a logical vector is one zmm register. */
#ifndef BCEL_SIMD_AVX512_H
#define BCEL_SIMD_AVX512_H

#include "../build.h"

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
    static inline V P##_track(V seen, V a, u##INT limit) { (void)limit; return P##_umax(seen, a); }       \
    static inline int P##_exceeded(V a, u##INT limit)                                                         \
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

static inline f32x16 bcel_avx512_join_ps(__m256 lo, __m256 hi)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(lo), hi, 1);
}

static inline f32x16 f32_narrow(f64x8 a, f64x8 b)
{
    return bcel_avx512_join_ps(_mm512_cvtpd_ps(a), _mm512_cvtpd_ps(b));
}

/* ---- other element types --------------------------------------------------------------------------- */

static inline __m128i bcel_avx512_load_16(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline __m256i bcel_avx512_load_32(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

static inline f32x16 f32_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(bcel_avx512_load_32(p)); }

static inline f32x16 f32_load_bf16(const uint16_t *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bcel_avx512_load_32(p)), 16));
}

static inline f32x16 f32_load_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bcel_avx512_load_16(p)));
}

static inline f32x16 f32_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bcel_avx512_load_16(p)));
}

static inline f32x16 f32_load_i16(const int16_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(bcel_avx512_load_32(p)));
}

static inline f32x16 f32_load_u16(const uint16_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(bcel_avx512_load_32(p)));
}

static inline f32x16 f32_load_i64(const int64_t *p)
{
    return bcel_avx512_join_ps(_mm512_cvtepi64_ps(_mm512_loadu_si512(p)), _mm512_cvtepi64_ps(_mm512_loadu_si512(p + 8)));
}

static inline f32x16 f32_load_u64(const uint64_t *p)
{
    return bcel_avx512_join_ps(_mm512_cvtepu64_ps(_mm512_loadu_si512(p)), _mm512_cvtepu64_ps(_mm512_loadu_si512(p + 8)));
}

static inline f64x8 f64_load_i32(const int32_t *p) { return _mm512_cvtepi32_pd(bcel_avx512_load_32(p)); }
static inline f64x8 f64_load_u32(const uint32_t *p) { return _mm512_cvtepu32_pd(bcel_avx512_load_32(p)); }
static inline f64x8 f64_load_i64(const int64_t *p) { return _mm512_cvtepi64_pd(_mm512_loadu_si512(p)); }
static inline f64x8 f64_load_u64(const uint64_t *p) { return _mm512_cvtepu64_pd(_mm512_loadu_si512(p)); }

/* y, but the NaN without a payload, of the same sign, where x is NaN. */
static inline __m512 bcel_avx512_quiet(__m512 x, __m512 y)
{
    __m512 quiet = _mm512_or_ps(_mm512_and_ps(x, _mm512_set1_ps(-0.0f)),
                                _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), y, quiet);
}

/* NaN are made one beforehand: the instruction would keep their payload. */
static inline void f32_store_f16(uint16_t *p, f32x16 a)
{
    __m512 x = bcel_avx512_quiet(a, a);
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline void f32_store_bf16(uint16_t *p, f32x16 a)
{
    __m512i bits = _mm512_castps_si512(a), last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff)));
    rounded = _mm512_castps_si512(bcel_avx512_quiet(a, _mm512_castsi512_ps(rounded)));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}

static inline void f32_store_u8(uint8_t *p, f32x16 a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(a)));
}

BCEL_TARGET_END

#endif
