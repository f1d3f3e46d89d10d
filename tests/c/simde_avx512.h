/* AVX-512 by SIMDe, for tests of csrc/simd/avx512.h on processors without it (`make simde`): a header for
 * BCEL_IMMINTRIN_HEADER. SIMDe computes with the AVX2, FMA and F16C of the processor, each operation as exact as the
 * instruction it stands for.
 *
 * What Debian's SIMDe 0.7.4 lacks is added below. An intrinsic that is missing does not go unseen: gcc's own is declared,
 * but does not compile without -mavx512f ("inlining failed ... target specific option mismatch"). To add one, write a
 * function of the two halves of a vector from AVX2 intrinsics, under a name of ours, and give it the intrinsic's name in
 * an #ifndef, for later versions of SIMDe have more. Every step must be exact or rounded once, as in the instruction:
 * `make simde` compares each operation of the vocabulary with the scalar one, bit for bit. */
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

#endif
