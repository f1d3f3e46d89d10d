/* What single precision fixes: types, constants, polynomials. */
#undef PRECISION
#define PRECISION f32
#undef real
#define real float
#undef real_bits
#define real_bits uint32_t
#undef vec
#define vec f32x16
#undef LANES
#define LANES 16

#undef REAL
#define REAL(name) BCEL_##name##_F32
#undef MAGNITUDE_ONE
#define MAGNITUDE_ONE 0x3f800000u        /* bit pattern of 1 */
#undef MAGNITUDE_NEAR
#define MAGNITUDE_NEAR 0x42a00000u       /* of NEAR_MAX */

/* Up to NEAR_MAX the low part of exp(-t) is a normal number or as good as one: exp(-80) = 2^-115.4. */
#undef NEAR_MAX
#define NEAR_MAX 80.0f
/* From here on exp(-t) times the largest finite number rounds to 0: 128 ln 2 + 150 ln 2 < 200. */
#undef FAR_MAX
#define FAR_MAX 200.0f

/* Below it the steps of a product may have been subnormal. */
#undef TINY_COEFFICIENT
#define TINY_COEFFICIENT 0x1p-60f
#undef SMALLEST_NORMAL
#define SMALLEST_NORMAL 0x1p-126f

/* near_sum.inc.h: above what a lane's near logits of a chunk add up to; and the factors of k^2 + k and, with soft
 * targets, k^2 - k below which the losses of a chunk, k in each lane, are summed singly. */
#undef LINEAR_START
#define LINEAR_START 0x1.8p13f
#undef NEAR_SUM_LIMIT
#define NEAR_SUM_LIMIT 0x1p-15f
#undef NEAR_SUM_SOFT_LIMIT
#define NEAR_SUM_SOFT_LIMIT 0x1p-5f

/* P(-r) with exp(-r) = 1 - r + r^2/2 - r^3 P(-r). */
BCEL_INLINE f32x16 exp_polynomial_f32(f32x16 r)
{
    f32x16 p = f32_set1(BCEL_EXP_P5_F32);
    p = f32_fnma(r, p, f32_set1(BCEL_EXP_P4_F32));
    p = f32_fnma(r, p, f32_set1(BCEL_EXP_P3_F32));
    p = f32_fnma(r, p, f32_set1(BCEL_EXP_P2_F32));
    return f32_fnma(r, p, f32_set1(BCEL_EXP_P1_F32));
}

/* Q(w) with log((1+s)/(1-s)) = 2s + s w Q(w), w = s^2. */
BCEL_INLINE f32x16 log1p_polynomial_f32(f32x16 w)
{
    f32x16 q = f32_set1(BCEL_LOG1P_Q3_F32);
    q = f32_fma(w, q, f32_set1(BCEL_LOG1P_Q2_F32));
    q = f32_fma(w, q, f32_set1(BCEL_LOG1P_Q1_F32));
    return f32_fma(w, q, f32_set1(BCEL_LOG1P_Q0_F32));
}
