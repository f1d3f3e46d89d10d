/* What double precision fixes: types, constants, polynomials. */
#undef PRECISION
#define PRECISION f64
#undef real
#define real double
#undef real_bits
#define real_bits uint64_t
#undef vec
#define vec f64x8
#undef LANES
#define LANES 8

#undef REAL
#define REAL(name) BCEL_##name##_F64
#undef MAGNITUDE_ONE
#define MAGNITUDE_ONE 0x3ff0000000000000u
#undef MAGNITUDE_NEAR
#define MAGNITUDE_NEAR 0x4085900000000000u

/* As in single precision: exp(-690) = 2^-995.5; 1024 ln 2 + 1075 ln 2 < 1500. */
#undef NEAR_MAX
#define NEAR_MAX 690.0
#undef FAR_MAX
#define FAR_MAX 1500.0

/* Below it the steps of a product may have been subnormal. */
#undef TINY_COEFFICIENT
#define TINY_COEFFICIENT 0x1p-500
#undef SMALLEST_NORMAL
#define SMALLEST_NORMAL 0x1p-1022

#undef LINEAR_START
#define LINEAR_START 0x1.8p17
#undef NEAR_SUM_LIMIT
#define NEAR_SUM_LIMIT 0x1p-45
#undef NEAR_SUM_SOFT_LIMIT
#define NEAR_SUM_SOFT_LIMIT 0x1p-31

BCEL_INLINE f64x8 exp_polynomial_f64(f64x8 r)
{
    f64x8 p = f64_set1(BCEL_EXP_P10_F64);
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P9_F64));
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P8_F64));
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P7_F64));
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P6_F64));
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P5_F64));
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P4_F64));
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P3_F64));
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P2_F64));
    return f64_fnma(r, p, f64_set1(BCEL_EXP_P1_F64));
}

BCEL_INLINE f64x8 log1p_polynomial_f64(f64x8 w)
{
    f64x8 q = f64_set1(BCEL_LOG1P_Q7_F64);
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q6_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q5_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q4_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q3_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q2_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q1_F64));
    return f64_fma(w, q, f64_set1(BCEL_LOG1P_Q0_F64));
}
