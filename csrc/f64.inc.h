/* What double precision fixes: types, constants, polynomials, and how a sum takes one vector. */
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
#undef MAGNITUDE_FINITE
#define MAGNITUDE_FINITE 0x7fefffffffffffffu

/* As in single precision: exp(-690) = 2^-995.5; 1024 ln 2 + 1075 ln 2 < 1500. */
#undef NEAR_MAX
#define NEAR_MAX 690.0
#undef FAR_MAX
#define FAR_MAX 1500.0

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
    p = f64_fnma(r, p, f64_set1(BCEL_EXP_P1_F64));
    return f64_fnma(r, p, f64_set1(BCEL_EXP_P0_F64));
}

BCEL_INLINE f64x8 log1p_polynomial_f64(f64x8 w)
{
    f64x8 q = f64_set1(BCEL_LOG1P_Q9_F64);
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q8_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q7_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q6_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q5_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q4_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q3_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q2_F64));
    q = f64_fma(w, q, f64_set1(BCEL_LOG1P_Q1_F64));
    return f64_fma(w, q, f64_set1(BCEL_LOG1P_Q0_F64));
}

/* Eight sums, each an unevaluated hi + lo. */
typedef struct { f64x8 hi, lo; } lanes_f64;

BCEL_INLINE lanes_f64 lanes_load_f64(const bcel_lanes *from)
{
    lanes_f64 s = { f64_load(from->hi), f64_load(from->lo) };
    return s;
}

BCEL_INLINE void lanes_store_f64(bcel_lanes *to, const lanes_f64 *s)
{
    f64_store(to->hi, s->hi);
    f64_store(to->lo, s->lo);
}

/* Knuth's exact sum of two numbers (The Art of Computer Programming 2, 4.2.2), then the low parts. */
BCEL_INLINE void lanes_add_f64(lanes_f64 *s, f64x8 hi, f64x8 lo)
{
    f64x8 sum = f64_add(s->hi, hi);
    f64x8 part = f64_sub(sum, s->hi);
    f64x8 error = f64_add(f64_sub(s->hi, f64_sub(sum, part)), f64_sub(hi, part));
    s->lo = f64_add(s->lo, f64_add(error, lo));
    s->hi = sum;
}

/* Terms from 2^900 on, infinities and NaN go into the exact sum one by one, so that no lane overflows before its
 * sum does. */
BCEL_INLINE void lanes_set_aside_f64(bcel_lanes *to, f64x8 *hi, f64x8 *lo)
{
    f64_mask small = f64_lt(f64_abs(*hi), f64_set1(0x1p900));
    f64x8 zero = f64_set1(0.0);
    double large[8];
    f64_store(large, f64_select(small, zero, *hi));
    for (int i = 0; i < 8; ++i)
        if (!(large[i] == 0.0)) bcel_lanes_set_aside(to, large[i]);
    *hi = f64_select(small, *hi, zero);
    *lo = f64_select(small, *lo, zero);
}
