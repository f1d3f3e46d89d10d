/* The vocabulary on x86-64 with AVX2, FMA and F16C: a logical vector is two ymm registers. */
#ifndef BCEL_SIMD_AVX2_H
#define BCEL_SIMD_AVX2_H

#include "../build.h"

#include <immintrin.h>
#if defined(_MSC_VER) && defined(__clang__) /* its immintrin.h leaves out what the command line does not enable */
#  include <smmintrin.h>
#  include <avxintrin.h>
#  include <avx2intrin.h>
#  include <fmaintrin.h>
#  include <f16cintrin.h>
#endif
#include <stdint.h>

#if defined(__clang__)
#  define BCEL_TARGET_BEGIN \
      _Pragma("clang attribute push(__attribute__((target(\"avx2,fma,f16c\"))), apply_to = function)")
#  define BCEL_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#  define BCEL_TARGET_BEGIN _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma,f16c\")")
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

static inline f32x16 f32_track(f32x16 seen, f32x16 x, uint32_t limit)
{
    f32x16 r = { bcel_avx2_umax_ps(seen.a, x.a), bcel_avx2_umax_ps(seen.b, x.b) };
    (void)limit;
    return r;
}

/* AVX2 has no maximum of 64-bit numbers. A sign bit tells instead: of limit - x, or of x itself. */
static inline __m256d bcel_avx2_track_pd(__m256d seen, __m256d x, uint64_t limit)
{
    __m256i rest = _mm256_sub_epi64(_mm256_set1_epi64x((long long)limit), _mm256_castpd_si256(x));
    return _mm256_or_pd(seen, _mm256_or_pd(x, _mm256_castsi256_pd(rest)));
}

static inline f64x8 f64_track(f64x8 seen, f64x8 x, uint64_t limit)
{
    f64x8 r = { bcel_avx2_track_pd(seen.a, x.a, limit), bcel_avx2_track_pd(seen.b, x.b, limit) };
    return r;
}

static inline int f32_exceeded(f32x16 x, uint32_t limit)
{
    __m256i l = _mm256_set1_epi32((int)limit);
    __m256i m = _mm256_max_epu32(_mm256_max_epu32(_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)), l);
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(m, l)) != -1;
}

static inline int f64_exceeded(f64x8 x, uint64_t limit)
{
    (void)limit;
    return _mm256_movemask_pd(_mm256_or_pd(x.a, x.b)) != 0;
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

static inline __m256 bcel_avx2_join_ps(__m128 lo, __m128 hi)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(lo), hi, 1);
}

static inline f32x16 f32_narrow(f64x8 x, f64x8 y)
{
    f32x16 r = { bcel_avx2_join_ps(_mm256_cvtpd_ps(x.a), _mm256_cvtpd_ps(x.b)),
                 bcel_avx2_join_ps(_mm256_cvtpd_ps(y.a), _mm256_cvtpd_ps(y.b)) };
    return r;
}

/* ---- other element types --------------------------------------------------------------------------- */

static inline __m128i bcel_avx2_load_half(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline __m256i bcel_avx2_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

static inline f32x16 f32_load_f16(const uint16_t *p)
{
    f32x16 r = { _mm256_cvtph_ps(bcel_avx2_load_half(p)), _mm256_cvtph_ps(bcel_avx2_load_half(p + 8)) };
    return r;
}

static inline __m256 bcel_avx2_of_bf16(__m128i x)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

static inline f32x16 f32_load_bf16(const uint16_t *p)
{
    f32x16 r = { bcel_avx2_of_bf16(bcel_avx2_load_half(p)), bcel_avx2_of_bf16(bcel_avx2_load_half(p + 8)) };
    return r;
}

/* Integers of 8 or 16 bits become integers of 32 bits first. */
#define BCEL_AVX2_LOAD_SHORT(NAME, T, LOAD, WIDEN)                                                        \
    static inline f32x16 NAME(const T *p)                                                                 \
    {                                                                                                     \
        f32x16 r = { _mm256_cvtepi32_ps(WIDEN(LOAD((const __m128i *)p))),                                 \
                     _mm256_cvtepi32_ps(WIDEN(LOAD((const __m128i *)(p + 8)))) };                         \
        return r;                                                                                         \
    }

BCEL_AVX2_LOAD_SHORT(f32_load_i8, int8_t, _mm_loadl_epi64, _mm256_cvtepi8_epi32)
BCEL_AVX2_LOAD_SHORT(f32_load_u8, uint8_t, _mm_loadl_epi64, _mm256_cvtepu8_epi32)
BCEL_AVX2_LOAD_SHORT(f32_load_i16, int16_t, _mm_loadu_si128, _mm256_cvtepi16_epi32)
BCEL_AVX2_LOAD_SHORT(f32_load_u16, uint16_t, _mm_loadu_si128, _mm256_cvtepu16_epi32)

/* A number put into the mantissa of 2^52 or 2^84 counts 1 or 2^32 there. The difference of the two magic numbers is
 * exact, so that only the last addition rounds. `bias` is added to the upper half, and taken off again. */
static inline __m256d bcel_avx2_of_64_bits(__m256i x, uint64_t bias)
{
    __m256i low = _mm256_castpd_si256(_mm256_set1_pd(0x1p52));
    __m256i high = _mm256_set1_epi64x((long long)(UINT64_C(0x4530000000000000) + bias));
    __m256d excess = _mm256_set1_pd(0x1p84 + 0x1p52 + (double)bias * 0x1p32);
    __m256d lower = _mm256_castsi256_pd(_mm256_blend_epi32(low, x, 0x55));
    __m256d upper = _mm256_castsi256_pd(_mm256_xor_si256(_mm256_srli_epi64(x, 32), high));
    return _mm256_add_pd(_mm256_sub_pd(upper, excess), lower);
}

static inline f64x8 f64_load_i64(const int64_t *p)
{
    const uint64_t bias = UINT64_C(0x80000000);
    f64x8 r = { bcel_avx2_of_64_bits(bcel_avx2_load(p), bias), bcel_avx2_of_64_bits(bcel_avx2_load(p + 4), bias) };
    return r;
}

static inline f64x8 f64_load_u64(const uint64_t *p)
{
    f64x8 r = { bcel_avx2_of_64_bits(bcel_avx2_load(p), 0), bcel_avx2_of_64_bits(bcel_avx2_load(p + 4), 0) };
    return r;
}

static inline f64x8 f64_load_i32(const int32_t *p)
{
    f64x8 r = { _mm256_cvtepi32_pd(bcel_avx2_load_half(p)), _mm256_cvtepi32_pd(bcel_avx2_load_half(p + 4)) };
    return r;
}

static inline __m256d bcel_avx2_of_u32(__m128i x)
{
    __m256d magic = _mm256_set1_pd(0x1p52);
    __m256i bits = _mm256_or_si256(_mm256_cvtepu32_epi64(x), _mm256_castpd_si256(magic));
    return _mm256_sub_pd(_mm256_castsi256_pd(bits), magic);
}

static inline f64x8 f64_load_u32(const uint32_t *p)
{
    f64x8 r = { bcel_avx2_of_u32(bcel_avx2_load_half(p)), bcel_avx2_of_u32(bcel_avx2_load_half(p + 4)) };
    return r;
}

/* The lower or the upper halves of eight numbers of 64 bits. */
#define BCEL_AVX2_HALVES(X, Y, WHICH)                                                                     \
    _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(X),                \
                                                                   _mm256_castsi256_ps(Y), WHICH)), 0xd8)

/* Mostly all numbers fit in 32 bits: then their lower halves are what is to be converted. EXTENSION is the upper half
 * of a number that fits, from its lower half, or with bits set where it does not. */
#define BCEL_AVX2_LOAD_LONG(NAME, T, EXTENSION)                                                           \
    static inline f32x16 NAME(const T *p)                                                                 \
    {                                                                                                     \
        __m256i x0 = bcel_avx2_load(p), x1 = bcel_avx2_load(p + 4);                                       \
        __m256i x2 = bcel_avx2_load(p + 8), x3 = bcel_avx2_load(p + 12);                                  \
        __m256i low0 = BCEL_AVX2_HALVES(x0, x1, 0x88), low1 = BCEL_AVX2_HALVES(x2, x3, 0x88);             \
        __m256i high0 = BCEL_AVX2_HALVES(x0, x1, 0xdd), high1 = BCEL_AVX2_HALVES(x2, x3, 0xdd);           \
        __m256i wide = _mm256_or_si256(EXTENSION(low0, high0), EXTENSION(low1, high1));                   \
        if (_mm256_testz_si256(wide, wide)) {                                                             \
            f32x16 r = { _mm256_cvtepi32_ps(low0), _mm256_cvtepi32_ps(low1) };                            \
            return r;                                                                                     \
        }                                                                                                 \
        float lanes[16];                                                                                  \
        for (int i = 0; i < 16; ++i) lanes[i] = (float)p[i];                                              \
        return f32_load(lanes);                                                                           \
    }

static inline __m256i bcel_avx2_beyond_i32(__m256i low, __m256i high)
{
    return _mm256_xor_si256(_mm256_srai_epi32(low, 31), high);
}

/* From 2^31 on a lower half would be taken for a negative number. */
static inline __m256i bcel_avx2_beyond_u31(__m256i low, __m256i high)
{
    return _mm256_or_si256(_mm256_srli_epi32(low, 31), high);
}

BCEL_AVX2_LOAD_LONG(f32_load_i64, int64_t, bcel_avx2_beyond_i32)
BCEL_AVX2_LOAD_LONG(f32_load_u64, uint64_t, bcel_avx2_beyond_u31)

/* y, but the NaN without a payload, of the same sign, where x is NaN. */
static inline __m256 bcel_avx2_quiet(__m256 x, __m256 y)
{
    __m256 quiet = _mm256_or_ps(_mm256_and_ps(x, _mm256_set1_ps(-0.0f)),
                                _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000)));
    return _mm256_blendv_ps(y, quiet, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

/* NaN are made one beforehand: the instruction would keep their payload. */
static inline __m128i bcel_avx2_to_f16(__m256 x)
{
    return _mm256_cvtps_ph(bcel_avx2_quiet(x, x), _MM_FROUND_TO_NEAREST_INT);
}

static inline void f32_store_f16(uint16_t *p, f32x16 x)
{
    _mm_storeu_si128((__m128i *)p, bcel_avx2_to_f16(x.a));
    _mm_storeu_si128((__m128i *)(p + 8), bcel_avx2_to_f16(x.b));
}

/* In the lower half of each lane, the upper being its sign. */
static inline __m256i bcel_avx2_to_bf16(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x), last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(last, _mm256_set1_epi32(0x7fff)));
    return _mm256_srai_epi32(_mm256_castps_si256(bcel_avx2_quiet(x, _mm256_castsi256_ps(rounded))), 16);
}

static inline void f32_store_bf16(uint16_t *p, f32x16 x)
{
    __m256i packed = _mm256_packs_epi32(bcel_avx2_to_bf16(x.a), bcel_avx2_to_bf16(x.b));
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(packed, 0xd8));
}

static inline void f32_store_u8(uint8_t *p, f32x16 x)
{
    __m256i packed = _mm256_packs_epi32(_mm256_cvttps_epi32(x.a), _mm256_cvttps_epi32(x.b));
    packed = _mm256_permute4x64_epi64(packed, 0xd8);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi16(_mm256_castsi256_si128(packed),
                                                    _mm256_extracti128_si256(packed, 1)));
}

BCEL_TARGET_END

#endif
