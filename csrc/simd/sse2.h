/* The vocabulary on any x86-64: a logical vector is four xmm registers. There is no fused multiply-add: it is put
 * together from exact steps, so that here too it rounds once. */
#ifndef BCEL_SIMD_SSE2_H
#define BCEL_SIMD_SSE2_H

#include "../fma.h"
#include "../kernels.h"

#include <emmintrin.h>
#include <stdint.h>

#define BCEL_COMPACT
#define BCEL_TARGET_BEGIN
#define BCEL_TARGET_END

typedef struct { __m128 a, b, c, d; } f32x16;
typedef struct { __m128d a, b, c, d; } f64x8;
typedef struct { __m128 a, b, c, d; } f32_mask;
typedef struct { __m128d a, b, c, d; } f64_mask;

/* ---- fused multiply-add ---------------------------------------------------------------------------- */

/* hi + lo rounded to odd: truncated, and the last bit set if anything was cut off. hi is their sum to the nearest.
 * Rounded again, to fewer bits, it gives what one rounding would (Boldo and Melquiond 2008). */
BCEL_INLINE __m128d bcel_sse2_round_to_odd(__m128d hi, __m128d lo)
{
    __m128d zero = _mm_setzero_pd();
    __m128d outward = _mm_xor_pd(lo, _mm_and_pd(hi, _mm_set1_pd(-0.0)));
    __m128i less = _mm_castpd_si128(_mm_cmplt_pd(outward, zero));
    __m128i more = _mm_castpd_si128(_mm_cmplt_pd(zero, outward));
    __m128i truncated = _mm_add_epi64(_mm_castpd_si128(hi), less);
    __m128i sticky = _mm_and_si128(_mm_or_si128(less, more), _mm_set_epi32(0, 1, 0, 1));
    return _mm_castsi128_pd(_mm_or_si128(truncated, sticky));
}

/* a + b - sum exactly, where sum is a + b rounded (Knuth). */
BCEL_INLINE __m128d bcel_sse2_sum_error(__m128d a, __m128d b, __m128d sum)
{
    __m128d part = _mm_sub_pd(sum, a);
    return _mm_add_pd(_mm_sub_pd(a, _mm_sub_pd(sum, part)), _mm_sub_pd(b, part));
}

/* Lanes where a sum of doubles may round to another float than the exact sum: it lies halfway between two floats
 * (its low 29 bits are 1 0...0), or its float is subnormal. One comparison of 32-bit halves does for both: what
 * is added takes the low half to the least integer if it is 2^28, and the high half there if it is 1. */
BCEL_INLINE __m128i bcel_sse2_doubtful(__m128d sum)
{
    __m128i bits = _mm_and_si128(_mm_castpd_si128(sum), _mm_set1_epi64x(0x7fffffff1fffffff));
    __m128i shifted = _mm_add_epi32(bits, _mm_set1_epi64x(0x7fffffff70000000));
    int below_normal = INT32_MIN + 0x380fffff; /* the high half of 2^-126 is 0x38100000 */
    return _mm_cmplt_epi32(shifted, _mm_set_epi32(below_normal, INT32_MIN + 1, below_normal, INT32_MIN + 1));
}

/* The product of two floats is exact as a double. Its sum with the third, rounded to double, then to float, is mostly
 * right; where it may not be, the first rounding is to odd. */
BCEL_NOINLINE static __m128 bcel_sse2_fma_ps(__m128 a, __m128 b, __m128 c)
{
    __m128d p0 = _mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b));
    __m128d p1 = _mm_mul_pd(_mm_cvtps_pd(_mm_movehl_ps(a, a)), _mm_cvtps_pd(_mm_movehl_ps(b, b)));
    __m128d c0 = _mm_cvtps_pd(c), c1 = _mm_cvtps_pd(_mm_movehl_ps(c, c));
    __m128d s0 = _mm_add_pd(p0, c0), s1 = _mm_add_pd(p1, c1);
    if (_mm_movemask_epi8(_mm_or_si128(bcel_sse2_doubtful(s0), bcel_sse2_doubtful(s1)))) {
        s0 = bcel_sse2_round_to_odd(s0, bcel_sse2_sum_error(p0, c0, s0));
        s1 = bcel_sse2_round_to_odd(s1, bcel_sse2_sum_error(p1, c1, s1));
    }
    return _mm_movelh_ps(_mm_cvtpd_ps(s0), _mm_cvtpd_ps(s1));
}

BCEL_NOINLINE static __m128d bcel_sse2_fma_lanes(__m128d a, __m128d b, __m128d c)
{
    double x[2], y[2], z[2];
    _mm_storeu_pd(x, a);
    _mm_storeu_pd(y, b);
    _mm_storeu_pd(z, c);
    return _mm_setr_pd(bcel_fma_by_integers(x[0], y[0], z[0]), bcel_fma_by_integers(x[1], y[1], z[1]));
}

/* The upper 26 bits of a double (Veltkamp); not a number from 2^997 on. */
BCEL_INLINE __m128d bcel_sse2_upper(__m128d a)
{
    __m128d c = _mm_mul_pd(a, _mm_set1_pd(0x1p27 + 1));
    return _mm_sub_pd(c, _mm_sub_pd(c, a));
}

/* a * b = p + p_lo exactly (Dekker) and p + c = s + s_lo, so a * b + c = s + (s_lo + p_lo). The sum in brackets is
 * rounded to odd: it is exact if s cancelled, and else below 2 ulp(s). Products near the ends of the range,
 * infinities and NaN, which leave a NaN in the last error, go lane by lane. */
BCEL_NOINLINE static __m128d bcel_sse2_fma_pd(__m128d a, __m128d b, __m128d c)
{
    __m128d zero = _mm_setzero_pd(), sign = _mm_set1_pd(-0.0);
    __m128d p = _mm_mul_pd(a, b);
    __m128d a_hi = bcel_sse2_upper(a), b_hi = bcel_sse2_upper(b);
    __m128d a_lo = _mm_sub_pd(a, a_hi), b_lo = _mm_sub_pd(b, b_hi);
    __m128d p_lo = _mm_sub_pd(_mm_mul_pd(a_hi, b_hi), p);
    p_lo = _mm_add_pd(p_lo, _mm_mul_pd(a_hi, b_lo));
    p_lo = _mm_add_pd(p_lo, _mm_mul_pd(a_lo, b_hi));
    p_lo = _mm_add_pd(p_lo, _mm_mul_pd(a_lo, b_lo));
    __m128d s = _mm_add_pd(p, c);
    __m128d s_lo = bcel_sse2_sum_error(p, c, s);
    __m128d rest = _mm_add_pd(s_lo, p_lo);
    __m128d rest_lo = bcel_sse2_sum_error(s_lo, p_lo, rest);
    __m128d result = _mm_add_pd(s, bcel_sse2_round_to_odd(rest, rest_lo));
    /* The sign of -0 + -0 is lost on the way; a sum of two negative numbers has it anyway. */
    result = _mm_or_pd(result, _mm_and_pd(_mm_and_pd(p, c), sign));
    /* Below 2^-960 p_lo may have bits below 2^-1074. */
    __m128d small = _mm_cmplt_pd(_mm_andnot_pd(sign, p), _mm_set1_pd(0x1p-960));
    small = _mm_and_pd(small, _mm_and_pd(_mm_cmpneq_pd(a, zero), _mm_cmpneq_pd(b, zero)));
    if (_mm_movemask_pd(_mm_or_pd(small, _mm_cmpunord_pd(rest_lo, rest_lo)))) return bcel_sse2_fma_lanes(a, b, c);
    return result;
}

/* ---- one register -------------------------------------------------------------------------------- */

#define BCEL_SSE2_REGISTER_OPS(PS, R, T, EPI, MANTISSA)                                                     \
    BCEL_INLINE R bcel_sse2_abs_##PS(R x) { return _mm_andnot_##PS(_mm_set1_##PS((T)-0.0), x); }            \
    BCEL_INLINE R bcel_sse2_neg_##PS(R x) { return _mm_xor_##PS(_mm_set1_##PS((T)-0.0), x); }               \
    BCEL_INLINE R bcel_sse2_fnma_##PS(R x, R y, R z) { return bcel_sse2_fma_##PS(bcel_sse2_neg_##PS(x), y, z); } \
    BCEL_INLINE R bcel_sse2_select_##PS(R m, R x, R y)                                                      \
    {                                                                                                       \
        return _mm_or_##PS(_mm_and_##PS(m, x), _mm_andnot_##PS(m, y));                                      \
    }                                                                                                       \
    BCEL_INLINE R bcel_sse2_pow2_##PS(R k)                                                                  \
    {                                                                                                       \
        __m128i n = _mm_slli_##EPI(_mm_cast##PS##_si128(k), MANTISSA);                                      \
        return _mm_castsi128_##PS(_mm_add_##EPI(n, _mm_cast##PS##_si128(_mm_set1_##PS((T)1))));             \
    }                                                                                                       \
    BCEL_INLINE R bcel_sse2_umax_##PS(R x, R y) { return bcel_sse2_select_##PS(bcel_sse2_ugt_##PS(x, y), x, y); }

/* SSE2 compares integers of 32 bits alone, and as signed: flip the sign bits first. */
BCEL_INLINE __m128i bcel_sse2_flip(__m128i x)
{
    return _mm_xor_si128(x, _mm_set1_epi32(INT32_MIN));
}

BCEL_INLINE __m128 bcel_sse2_ugt_ps(__m128 x, __m128 y)
{
    return _mm_castsi128_ps(
        _mm_cmpgt_epi32(bcel_sse2_flip(_mm_castps_si128(x)), bcel_sse2_flip(_mm_castps_si128(y))));
}

BCEL_INLINE __m128d bcel_sse2_ugt_pd(__m128d x, __m128d y)
{
    __m128i a = bcel_sse2_flip(_mm_castpd_si128(x)), b = bcel_sse2_flip(_mm_castpd_si128(y));
    __m128i greater = _mm_cmpgt_epi32(a, b);
    __m128i low_greater = _mm_and_si128(_mm_cmpeq_epi32(a, b), _mm_shuffle_epi32(greater, _MM_SHUFFLE(2, 2, 0, 0)));
    return _mm_castsi128_pd(_mm_shuffle_epi32(_mm_or_si128(greater, low_greater), _MM_SHUFFLE(3, 3, 1, 1)));
}

BCEL_SSE2_REGISTER_OPS(ps, __m128, float, epi32, 23)
BCEL_SSE2_REGISTER_OPS(pd, __m128d, double, epi64, 52)

/* ---- the vocabulary -------------------------------------------------------------------------------- */

#define BCEL_SSE2_MAP1(NAME, R, V, OP)                                                                      \
    static inline R NAME(V x)                                                                               \
    {                                                                                                       \
        R r = { OP(x.a), OP(x.b), OP(x.c), OP(x.d) };                                                       \
        return r;                                                                                           \
    }
#define BCEL_SSE2_MAP2(NAME, R, V, OP)                                                                      \
    static inline R NAME(V x, V y)                                                                          \
    {                                                                                                       \
        R r = { OP(x.a, y.a), OP(x.b, y.b), OP(x.c, y.c), OP(x.d, y.d) };                                   \
        return r;                                                                                           \
    }
#define BCEL_SSE2_MAP3(NAME, R, U, V, OP)                                                                   \
    static inline R NAME(U x, V y, V z)                                                                     \
    {                                                                                                       \
        R r = { OP(x.a, y.a, z.a), OP(x.b, y.b, z.b), OP(x.c, y.c, z.c), OP(x.d, y.d, z.d) };               \
        return r;                                                                                           \
    }

/* S elements of type T in a register. */
#define BCEL_SSE2_OPS(P, V, T, S, PS, R, INT, EPI)                                                               \
    static inline V P##_load(const T *p)                                                                    \
    {                                                                                                       \
        V r = { _mm_loadu_##PS(p), _mm_loadu_##PS(p + S), _mm_loadu_##PS(p + 2 * S), _mm_loadu_##PS(p + 3 * S) }; \
        return r;                                                                                           \
    }                                                                                                       \
    static inline void P##_store(T *p, V x)                                                                 \
    {                                                                                                       \
        _mm_storeu_##PS(p, x.a);                                                                            \
        _mm_storeu_##PS(p + S, x.b);                                                                        \
        _mm_storeu_##PS(p + 2 * S, x.c);                                                                    \
        _mm_storeu_##PS(p + 3 * S, x.d);                                                                    \
    }                                                                                                       \
    static inline V P##_set1(T s)                                                                           \
    {                                                                                                       \
        V r = { _mm_set1_##PS(s), _mm_set1_##PS(s), _mm_set1_##PS(s), _mm_set1_##PS(s) };                   \
        return r;                                                                                           \
    }                                                                                                       \
    BCEL_SSE2_MAP2(P##_add, V, V, _mm_add_##PS)                                                             \
    BCEL_SSE2_MAP2(P##_sub, V, V, _mm_sub_##PS)                                                             \
    BCEL_SSE2_MAP2(P##_mul, V, V, _mm_mul_##PS)                                                             \
    BCEL_SSE2_MAP2(P##_div, V, V, _mm_div_##PS)                                                             \
    BCEL_SSE2_MAP2(P##_max, V, V, _mm_max_##PS)                                                             \
    BCEL_SSE2_MAP2(P##_min, V, V, _mm_min_##PS)                                                             \
    BCEL_SSE2_MAP3(P##_fma, V, V, V, bcel_sse2_fma_##PS)                                                    \
    BCEL_SSE2_MAP3(P##_fnma, V, V, V, bcel_sse2_fnma_##PS)                                                  \
    BCEL_SSE2_MAP1(P##_abs, V, V, bcel_sse2_abs_##PS)                                                       \
    BCEL_SSE2_MAP1(P##_neg, V, V, bcel_sse2_neg_##PS)                                                       \
    BCEL_SSE2_MAP2(P##_lt, P##_mask, V, _mm_cmplt_##PS)                                                     \
    BCEL_SSE2_MAP2(P##_eq, P##_mask, V, _mm_cmpeq_##PS)                                                     \
    BCEL_SSE2_MAP3(P##_select, V, P##_mask, V, bcel_sse2_select_##PS)                                       \
    BCEL_SSE2_MAP1(P##_pow2, V, V, bcel_sse2_pow2_##PS)                                                     \
    BCEL_SSE2_MAP2(P##_umax, V, V, bcel_sse2_umax_##PS)                                                     \
    static inline V P##_track(V seen, V x, u##INT limit) { (void)limit; return P##_umax(seen, x); }         \
    static inline int P##_any(P##_mask m)                                                                   \
    {                                                                                                       \
        return _mm_movemask_##PS(_mm_or_##PS(_mm_or_##PS(m.a, m.b), _mm_or_##PS(m.c, m.d))) != 0;           \
    }                                                                                                       \
    static inline int P##_exceeded(V x, u##INT limit)                                                           \
    {                                                                                                       \
        R l = _mm_castsi128_##PS(_mm_set1_##EPI((INT)limit));                                               \
        P##_mask m = { bcel_sse2_ugt_##PS(x.a, l), bcel_sse2_ugt_##PS(x.b, l), bcel_sse2_ugt_##PS(x.c, l),  \
                       bcel_sse2_ugt_##PS(x.d, l) };                                                        \
        return P##_any(m);                                                                                  \
    }

BCEL_SSE2_OPS(f32, f32x16, float, 4, ps, __m128, int32_t, epi32)
BCEL_SSE2_OPS(f64, f64x8, double, 2, pd, __m128d, int64_t, epi64x)

static inline f32_mask f32_first(int n)
{
    __m128i i = _mm_setr_epi32(0, 1, 2, 3);
    f32_mask m = { _mm_castsi128_ps(_mm_cmplt_epi32(i, _mm_set1_epi32(n))),
                   _mm_castsi128_ps(_mm_cmplt_epi32(i, _mm_set1_epi32(n - 4))),
                   _mm_castsi128_ps(_mm_cmplt_epi32(i, _mm_set1_epi32(n - 8))),
                   _mm_castsi128_ps(_mm_cmplt_epi32(i, _mm_set1_epi32(n - 12))) };
    return m;
}

static inline f64_mask f64_first(int n)
{
    __m128i i = _mm_setr_epi32(0, 0, 1, 1);
    f64_mask m = { _mm_castsi128_pd(_mm_cmplt_epi32(i, _mm_set1_epi32(n))),
                   _mm_castsi128_pd(_mm_cmplt_epi32(i, _mm_set1_epi32(n - 2))),
                   _mm_castsi128_pd(_mm_cmplt_epi32(i, _mm_set1_epi32(n - 4))),
                   _mm_castsi128_pd(_mm_cmplt_epi32(i, _mm_set1_epi32(n - 6))) };
    return m;
}

static inline f64x8 f32_widen_lo(f32x16 x)
{
    f64x8 r = { _mm_cvtps_pd(x.a), _mm_cvtps_pd(_mm_movehl_ps(x.a, x.a)), _mm_cvtps_pd(x.b),
                _mm_cvtps_pd(_mm_movehl_ps(x.b, x.b)) };
    return r;
}

static inline f64x8 f32_widen_hi(f32x16 x)
{
    f64x8 r = { _mm_cvtps_pd(x.c), _mm_cvtps_pd(_mm_movehl_ps(x.c, x.c)), _mm_cvtps_pd(x.d),
                _mm_cvtps_pd(_mm_movehl_ps(x.d, x.d)) };
    return r;
}

static inline f32x16 f32_narrow(f64x8 x, f64x8 y)
{
    f32x16 r = { _mm_movelh_ps(_mm_cvtpd_ps(x.a), _mm_cvtpd_ps(x.b)), _mm_movelh_ps(_mm_cvtpd_ps(x.c), _mm_cvtpd_ps(x.d)),
                 _mm_movelh_ps(_mm_cvtpd_ps(y.a), _mm_cvtpd_ps(y.b)), _mm_movelh_ps(_mm_cvtpd_ps(y.c), _mm_cvtpd_ps(y.d)) };
    return r;
}

/* ---- other element types --------------------------------------------------------------------------- */

BCEL_INLINE __m128i bcel_sse2_load(const void *p) { return _mm_loadu_si128((const __m128i *)p); }

/* As bcel_float_of_half does it, of numbers below 2^16. */
BCEL_INLINE __m128 bcel_sse2_of_f16(__m128i h)
{
    __m128i magnitude = _mm_and_si128(h, _mm_set1_epi32(0x7fff)), bias = _mm_set1_epi32(0x38000000);
    __m128i sign = _mm_slli_epi32(_mm_xor_si128(h, magnitude), 16);
    __m128i bits = _mm_add_epi32(_mm_slli_epi32(magnitude, 13), bias);
    bits = _mm_add_epi32(bits, _mm_and_si128(_mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7bff)), bias));
    __m128 subnormal = _mm_mul_ps(_mm_cvtepi32_ps(magnitude), _mm_set1_ps(0x1p-24f));
    __m128 is_subnormal = _mm_castsi128_ps(_mm_cmpgt_epi32(_mm_set1_epi32(0x0400), magnitude));
    return _mm_or_ps(bcel_sse2_select_ps(is_subnormal, subnormal, _mm_castsi128_ps(bits)), _mm_castsi128_ps(sign));
}

BCEL_INLINE __m128 bcel_sse2_of_bf16(__m128i x) { return _mm_castsi128_ps(_mm_slli_epi32(x, 16)); }

/* CONVERT takes integers of 32 bits, which LOW and HIGH make of the lower and upper four of 16 bits. */
#define BCEL_SSE2_OF_16_BITS(X0, X1, LOW, HIGH, CONVERT)                                                    \
    __m128i x0 = (X0), x1 = (X1);                                                                           \
    f32x16 r = { CONVERT(LOW(x0)), CONVERT(HIGH(x0)), CONVERT(LOW(x1)), CONVERT(HIGH(x1)) };                \
    return r;

BCEL_INLINE __m128i bcel_sse2_low_u16(__m128i x) { return _mm_unpacklo_epi16(x, _mm_setzero_si128()); }
BCEL_INLINE __m128i bcel_sse2_high_u16(__m128i x) { return _mm_unpackhi_epi16(x, _mm_setzero_si128()); }
BCEL_INLINE __m128i bcel_sse2_low_i16(__m128i x) { return _mm_srai_epi32(_mm_unpacklo_epi16(x, x), 16); }
BCEL_INLINE __m128i bcel_sse2_high_i16(__m128i x) { return _mm_srai_epi32(_mm_unpackhi_epi16(x, x), 16); }

static inline f32x16 f32_load_f16(const uint16_t *p)
{
    BCEL_SSE2_OF_16_BITS(bcel_sse2_load(p), bcel_sse2_load(p + 8), bcel_sse2_low_u16, bcel_sse2_high_u16, bcel_sse2_of_f16)
}

static inline f32x16 f32_load_bf16(const uint16_t *p)
{
    BCEL_SSE2_OF_16_BITS(bcel_sse2_load(p), bcel_sse2_load(p + 8), bcel_sse2_low_u16, bcel_sse2_high_u16, bcel_sse2_of_bf16)
}

static inline f32x16 f32_load_i16(const int16_t *p)
{
    BCEL_SSE2_OF_16_BITS(bcel_sse2_load(p), bcel_sse2_load(p + 8), bcel_sse2_low_i16, bcel_sse2_high_i16, _mm_cvtepi32_ps)
}

static inline f32x16 f32_load_u16(const uint16_t *p)
{
    BCEL_SSE2_OF_16_BITS(bcel_sse2_load(p), bcel_sse2_load(p + 8), bcel_sse2_low_u16, bcel_sse2_high_u16, _mm_cvtepi32_ps)
}

static inline f32x16 f32_load_i8(const int8_t *p)
{
    __m128i x = bcel_sse2_load(p);
    BCEL_SSE2_OF_16_BITS(_mm_srai_epi16(_mm_unpacklo_epi8(x, x), 8), _mm_srai_epi16(_mm_unpackhi_epi8(x, x), 8),
                         bcel_sse2_low_i16, bcel_sse2_high_i16, _mm_cvtepi32_ps)
}

static inline f32x16 f32_load_u8(const uint8_t *p)
{
    __m128i x = bcel_sse2_load(p), zero = _mm_setzero_si128();
    BCEL_SSE2_OF_16_BITS(_mm_unpacklo_epi8(x, zero), _mm_unpackhi_epi8(x, zero), bcel_sse2_low_u16, bcel_sse2_high_u16,
                         _mm_cvtepi32_ps)
}

/* A number put into the mantissa of 2^52 or 2^84 counts 1 or 2^32 there. The difference of the two magic numbers is
 * exact, so that only the last addition rounds. `bias` is added to the upper half, and taken off again. */
BCEL_INLINE __m128d bcel_sse2_of_64_bits(__m128i x, uint64_t bias)
{
    __m128i low = _mm_castpd_si128(_mm_set1_pd(0x1p52));
    __m128i high = _mm_set1_epi64x((long long)(UINT64_C(0x4530000000000000) + bias));
    __m128d excess = _mm_set1_pd(0x1p84 + 0x1p52 + (double)bias * 0x1p32);
    __m128i lower = _mm_or_si128(_mm_and_si128(x, _mm_set1_epi64x(0xffffffff)), low);
    __m128i upper = _mm_xor_si128(_mm_srli_epi64(x, 32), high);
    return _mm_add_pd(_mm_sub_pd(_mm_castsi128_pd(upper), excess), _mm_castsi128_pd(lower));
}

#define BCEL_SSE2_LOAD_DOUBLES(NAME, T, CONVERT)                                                            \
    static inline f64x8 NAME(const T *p)                                                                    \
    {                                                                                                       \
        f64x8 r = { CONVERT(p), CONVERT(p + 2), CONVERT(p + 4), CONVERT(p + 6) };                           \
        return r;                                                                                           \
    }

BCEL_INLINE __m128d bcel_sse2_of_i64(const int64_t *p)
{
    return bcel_sse2_of_64_bits(bcel_sse2_load(p), UINT64_C(0x80000000));
}

BCEL_INLINE __m128d bcel_sse2_of_u64(const uint64_t *p) { return bcel_sse2_of_64_bits(bcel_sse2_load(p), 0); }

BCEL_INLINE __m128d bcel_sse2_of_i32(const int32_t *p)
{
    return _mm_cvtepi32_pd(_mm_loadl_epi64((const __m128i *)p));
}

BCEL_INLINE __m128d bcel_sse2_of_u32(const uint32_t *p)
{
    __m128d magic = _mm_set1_pd(0x1p52);
    __m128i x = _mm_unpacklo_epi32(_mm_loadl_epi64((const __m128i *)p), _mm_setzero_si128());
    return _mm_sub_pd(_mm_castsi128_pd(_mm_or_si128(x, _mm_castpd_si128(magic))), magic);
}

BCEL_SSE2_LOAD_DOUBLES(f64_load_i64, int64_t, bcel_sse2_of_i64)
BCEL_SSE2_LOAD_DOUBLES(f64_load_u64, uint64_t, bcel_sse2_of_u64)
BCEL_SSE2_LOAD_DOUBLES(f64_load_i32, int32_t, bcel_sse2_of_i32)
BCEL_SSE2_LOAD_DOUBLES(f64_load_u32, uint32_t, bcel_sse2_of_u32)

/* The lower (0x88) or the upper (0xdd) halves of four numbers of 64 bits. */
#define BCEL_SSE2_HALVES(P, WHICH)                                                                          \
    _mm_castps_si128(_mm_shuffle_ps(_mm_castsi128_ps(bcel_sse2_load(P)),                                    \
                                    _mm_castsi128_ps(bcel_sse2_load((P) + 2)), WHICH))

/* Mostly all numbers fit in 32 bits: then their lower halves are what is to be converted. BEYOND leaves bits where one
 * does not. */
#define BCEL_SSE2_LOAD_LONG(NAME, T, BEYOND)                                                                \
    static inline f32x16 NAME(const T *p)                                                                   \
    {                                                                                                       \
        __m128i a = BCEL_SSE2_HALVES(p, 0x88), b = BCEL_SSE2_HALVES(p + 4, 0x88);                           \
        __m128i c = BCEL_SSE2_HALVES(p + 8, 0x88), d = BCEL_SSE2_HALVES(p + 12, 0x88);                      \
        __m128i wide = _mm_or_si128(_mm_or_si128(BEYOND(a, BCEL_SSE2_HALVES(p, 0xdd)),                      \
                                                 BEYOND(b, BCEL_SSE2_HALVES(p + 4, 0xdd))),                 \
                                    _mm_or_si128(BEYOND(c, BCEL_SSE2_HALVES(p + 8, 0xdd)),                  \
                                                 BEYOND(d, BCEL_SSE2_HALVES(p + 12, 0xdd))));               \
        if (_mm_movemask_epi8(_mm_cmpeq_epi32(wide, _mm_setzero_si128())) == 0xffff) {                      \
            f32x16 r = { _mm_cvtepi32_ps(a), _mm_cvtepi32_ps(b), _mm_cvtepi32_ps(c), _mm_cvtepi32_ps(d) };  \
            return r;                                                                                       \
        }                                                                                                   \
        float lanes[16];                                                                                    \
        for (int i = 0; i < 16; ++i) lanes[i] = (float)p[i];                                                \
        return f32_load(lanes);                                                                             \
    }

BCEL_INLINE __m128i bcel_sse2_beyond_i32(__m128i low, __m128i high)
{
    return _mm_xor_si128(_mm_srai_epi32(low, 31), high);
}

/* From 2^31 on a lower half would be taken for a negative number. */
BCEL_INLINE __m128i bcel_sse2_beyond_u31(__m128i low, __m128i high)
{
    return _mm_or_si128(_mm_srli_epi32(low, 31), high);
}

BCEL_SSE2_LOAD_LONG(f32_load_i64, int64_t, bcel_sse2_beyond_i32)
BCEL_SSE2_LOAD_LONG(f32_load_u64, uint64_t, bcel_sse2_beyond_u31)

/* x, but the NaN in the upper 16 bits of a float, of the sign of y, where y is NaN. */
BCEL_INLINE __m128i bcel_sse2_quiet(__m128 y, __m128i x, int nan)
{
    __m128 quiet = _mm_or_ps(_mm_and_ps(y, _mm_set1_ps(-0.0f)), _mm_castsi128_ps(_mm_set1_epi32(nan)));
    return _mm_castps_si128(bcel_sse2_select_ps(_mm_cmpunord_ps(y, y), quiet, _mm_castsi128_ps(x)));
}

/* As bcel_half_of_float does it, in the upper 16 bits of a lane. */
BCEL_INLINE __m128i bcel_sse2_to_f16(__m128 x)
{
    __m128 sign = _mm_and_ps(x, _mm_set1_ps(-0.0f)), magnitude = _mm_xor_ps(x, sign);
    __m128i bits = _mm_castps_si128(magnitude);
    __m128i last = _mm_and_si128(_mm_srli_epi32(bits, 13), _mm_set1_epi32(1));
    __m128i normal = _mm_add_epi32(_mm_add_epi32(bits, last), _mm_set1_epi32(0x0fff - 0x38000000));
    __m128i subnormal = _mm_castps_si128(_mm_add_ps(magnitude, _mm_set1_ps(0.5f)));
    subnormal = _mm_sub_epi32(subnormal, _mm_set1_epi32(0x3f000000));
    __m128i is_subnormal = _mm_cmpgt_epi32(_mm_set1_epi32(0x38800000), bits);
    __m128i is_infinite = _mm_cmpgt_epi32(bits, _mm_set1_epi32(0x477fefff));
    __m128i half = _mm_or_si128(_mm_and_si128(is_subnormal, subnormal),
                                _mm_andnot_si128(is_subnormal, _mm_srli_epi32(normal, 13)));
    half = _mm_or_si128(_mm_and_si128(is_infinite, _mm_set1_epi32(0x7c00)), _mm_andnot_si128(is_infinite, half));
    half = _mm_or_si128(_mm_slli_epi32(half, 16), _mm_castps_si128(sign));
    return bcel_sse2_quiet(x, half, 0x7e000000);
}

BCEL_INLINE __m128i bcel_sse2_to_bf16(__m128 x)
{
    __m128i bits = _mm_castps_si128(x), last = _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(1));
    return bcel_sse2_quiet(x, _mm_add_epi32(_mm_add_epi32(bits, last), _mm_set1_epi32(0x7fff)), 0x7fc00000);
}

/* CONVERT leaves its result in the upper 16 bits of each lane; packs_epi32 saturates, so bring the sign down too. */
#define BCEL_SSE2_STORE_16_BITS(NAME, CONVERT)                                                              \
    static inline void NAME(uint16_t *p, f32x16 x)                                                          \
    {                                                                                                       \
        __m128i a = _mm_srai_epi32(CONVERT(x.a), 16), b = _mm_srai_epi32(CONVERT(x.b), 16);                 \
        __m128i c = _mm_srai_epi32(CONVERT(x.c), 16), d = _mm_srai_epi32(CONVERT(x.d), 16);                 \
        _mm_storeu_si128((__m128i *)p, _mm_packs_epi32(a, b));                                              \
        _mm_storeu_si128((__m128i *)(p + 8), _mm_packs_epi32(c, d));                                        \
    }

BCEL_SSE2_STORE_16_BITS(f32_store_f16, bcel_sse2_to_f16)
BCEL_SSE2_STORE_16_BITS(f32_store_bf16, bcel_sse2_to_bf16)

static inline void f32_store_u8(uint8_t *p, f32x16 x)
{
    __m128i low = _mm_packs_epi32(_mm_cvttps_epi32(x.a), _mm_cvttps_epi32(x.b));
    __m128i high = _mm_packs_epi32(_mm_cvttps_epi32(x.c), _mm_cvttps_epi32(x.d));
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi16(low, high));
}

#endif
