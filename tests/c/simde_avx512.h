/* AVX-512 by SIMDe, for tests of csrc/simd/avx512.h on processors without it (`make simde`): a header for
 * BCEL_IMMINTRIN_HEADER. SIMDe computes with the AVX2, FMA and F16C of the processor, each operation as exact as the
 * instruction it stands for.
 *
 * What Debian's SIMDe 0.7.4 lacks is added below. An intrinsic that is missing does not go unseen: gcc's own is
 * declared, but does not compile without -mavx512f ("inlining failed ... target specific option mismatch"). To add one,
 * write a function of the two halves of a vector from AVX2 intrinsics, under a name of ours, and give it the
 * intrinsic's name in an #ifndef, for later versions of SIMDe have more. Every step must be exact or rounded once, as
 * in the instruction: `make simde` compares each operation of the vocabulary with the scalar one, bit for bit. */
#ifndef SIMDE_AVX512_H
#define SIMDE_AVX512_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#  error "SIMDe fuses its multiply-add with -mavx2 -mfma -mf16c alone"
#endif
#if defined(__AVX512F__)
#  error "with -mavx512f SIMDe emulates nothing"
#endif

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

/* A vector of 512 bits and its halves, in the order of memory. */
typedef union {
    __m512 ps;
    __m512d pd;
    __m512i si;
    __m256 ps_half[2];
    __m256d pd_half[2];
    __m256i si_half[2];
} shim_vector;

static inline __m512d shim_cvtps_pd(__m256 a)
{
    shim_vector r;
    r.pd_half[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    r.pd_half[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    return r.pd;
}
#ifndef _mm512_cvtps_pd
#  define _mm512_cvtps_pd(a) shim_cvtps_pd(a)
#endif

static inline __m256 shim_cvtpd_ps(__m512d a)
{
    shim_vector v;
    v.pd = a;
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(v.pd_half[0])), _mm256_cvtpd_ps(v.pd_half[1]), 1);
}
#ifndef _mm512_cvtpd_ps
#  define _mm512_cvtpd_ps(a) shim_cvtpd_ps(a)
#endif

/* Integers of 8 or 16 bits to 32; `upper` is the second half of them. */
#define SHIM_WIDEN(NAME, SOURCE, LOWER, UPPER, WIDEN)                   \
    static inline __m512i shim_##NAME(SOURCE a)                         \
    {                                                                   \
        shim_vector r;                                                  \
        r.si_half[0] = WIDEN(LOWER(a));                                 \
        r.si_half[1] = WIDEN(UPPER(a));                                 \
        return r.si;                                                    \
    }
#define SHIM_SAME(a) (a)
#define SHIM_UPPER_64(a) _mm_unpackhi_epi64(a, a)
#define SHIM_UPPER_128(a) _mm256_extracti128_si256(a, 1)
SHIM_WIDEN(cvtepi8_epi32, __m128i, SHIM_SAME, SHIM_UPPER_64, _mm256_cvtepi8_epi32)
SHIM_WIDEN(cvtepu8_epi32, __m128i, SHIM_SAME, SHIM_UPPER_64, _mm256_cvtepu8_epi32)
SHIM_WIDEN(cvtepi16_epi32, __m256i, _mm256_castsi256_si128, SHIM_UPPER_128, _mm256_cvtepi16_epi32)
SHIM_WIDEN(cvtepu16_epi32, __m256i, _mm256_castsi256_si128, SHIM_UPPER_128, _mm256_cvtepu16_epi32)
#ifndef _mm512_cvtepi8_epi32
#  define _mm512_cvtepi8_epi32(a) shim_cvtepi8_epi32(a)
#endif
#ifndef _mm512_cvtepu8_epi32
#  define _mm512_cvtepu8_epi32(a) shim_cvtepu8_epi32(a)
#endif
#ifndef _mm512_cvtepi16_epi32
#  define _mm512_cvtepi16_epi32(a) shim_cvtepi16_epi32(a)
#endif
#ifndef _mm512_cvtepu16_epi32
#  define _mm512_cvtepu16_epi32(a) shim_cvtepu16_epi32(a)
#endif

static inline __m512 shim_cvtepi32_ps(__m512i a)
{
    shim_vector v, r;
    v.si = a;
    for (int i = 0; i < 2; ++i) r.ps_half[i] = _mm256_cvtepi32_ps(v.si_half[i]);
    return r.ps;
}
#ifndef _mm512_cvtepi32_ps
#  define _mm512_cvtepi32_ps(a) shim_cvtepi32_ps(a)
#endif

static inline __m512i shim_cvttps_epi32(__m512 a)
{
    shim_vector v, r;
    v.ps = a;
    for (int i = 0; i < 2; ++i) r.si_half[i] = _mm256_cvttps_epi32(v.ps_half[i]);
    return r.si;
}
#ifndef _mm512_cvttps_epi32
#  define _mm512_cvttps_epi32(a) shim_cvttps_epi32(a)
#endif

static inline __m512 shim_cvtph_ps(__m256i a)
{
    shim_vector r;
    r.ps_half[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(a));
    r.ps_half[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1));
    return r.ps;
}
#ifndef _mm512_cvtph_ps
#  define _mm512_cvtph_ps(a) shim_cvtph_ps(a)
#endif

/* To nearest, which is all that is asked for. */
static inline __m256i shim_cvtps_ph(__m512 a)
{
    shim_vector v;
    v.ps = a;
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm256_cvtps_ph(v.ps_half[0], _MM_FROUND_TO_NEAREST_INT)),
                                   _mm256_cvtps_ph(v.ps_half[1], _MM_FROUND_TO_NEAREST_INT), 1);
}
#ifndef _mm512_cvtps_ph
#  define _mm512_cvtps_ph(a, rounding) shim_cvtps_ph(a)
#endif

/* C converts each number with one rounding to nearest, as the instructions do. */
#define SHIM_CONVERT(NAME, RETURNED, SOURCE, TO, FROM, COUNT)           \
    static inline RETURNED shim_##NAME(SOURCE a)                        \
    {                                                                   \
        union { SOURCE vector; FROM lanes[COUNT]; } from;               \
        union { RETURNED vector; TO lanes[COUNT]; } to;                 \
        from.vector = a;                                                \
        for (int i = 0; i < COUNT; ++i) to.lanes[i] = (TO)from.lanes[i]; \
        return to.vector;                                               \
    }
SHIM_CONVERT(cvtepi32_pd, __m512d, __m256i, double, int32_t, 8)
SHIM_CONVERT(cvtepu32_pd, __m512d, __m256i, double, uint32_t, 8)
SHIM_CONVERT(cvtepi64_pd, __m512d, __m512i, double, int64_t, 8)
SHIM_CONVERT(cvtepu64_pd, __m512d, __m512i, double, uint64_t, 8)
SHIM_CONVERT(cvtepi64_ps, __m256, __m512i, float, int64_t, 8)
SHIM_CONVERT(cvtepu64_ps, __m256, __m512i, float, uint64_t, 8)
SHIM_CONVERT(cvtepi32_epi16, __m256i, __m512i, uint16_t, uint32_t, 16)
SHIM_CONVERT(cvtepi32_epi8, __m128i, __m512i, uint8_t, uint32_t, 16)
#ifndef _mm512_cvtepi32_pd
#  define _mm512_cvtepi32_pd(a) shim_cvtepi32_pd(a)
#endif
#ifndef _mm512_cvtepu32_pd
#  define _mm512_cvtepu32_pd(a) shim_cvtepu32_pd(a)
#endif
#ifndef _mm512_cvtepi64_pd
#  define _mm512_cvtepi64_pd(a) shim_cvtepi64_pd(a)
#endif
#ifndef _mm512_cvtepu64_pd
#  define _mm512_cvtepu64_pd(a) shim_cvtepu64_pd(a)
#endif
#ifndef _mm512_cvtepi64_ps
#  define _mm512_cvtepi64_ps(a) shim_cvtepi64_ps(a)
#endif
#ifndef _mm512_cvtepu64_ps
#  define _mm512_cvtepu64_ps(a) shim_cvtepu64_ps(a)
#endif
#ifndef _mm512_cvtepi32_epi16
#  define _mm512_cvtepi32_epi16(a) shim_cvtepi32_epi16(a)
#endif
#ifndef _mm512_cvtepi32_epi8
#  define _mm512_cvtepi32_epi8(a) shim_cvtepi32_epi8(a)
#endif

#endif
