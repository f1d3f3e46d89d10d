/* What is done to operands, or asked of them, before a kernel sees them. Included once, by isa.inc.h, after
 * convert.inc.h. */

/* a * keep + half: two roundings. */
BCEL_INLINE f64x8 smooth(f64x8 a, double keep, double half)
{
    return f64_add(f64_mul(a, f64_set1(keep)), f64_set1(half));
}

#define DEFINE_SMOOTH(P, R)                                                                       \
    static void smooth_##P(void *y, void *q, double a, const double *values, size_t n)            \
    {                                                                                             \
        R *y_reals = y, *q_reals = q;                                                             \
        double keep = 1 - a, half = a / 2;                                                        \
        f64x8 one = f64_set1(1);                                                                  \
        for (size_t i = 0; i < n; i += CONVERTED) {                                               \
            f64x8 lo = f64_load(values + i), hi = f64_load(values + i + 8);                       \
            store_reals_##P(y_reals + i, smooth(lo, keep, half), smooth(hi, keep, half));         \
            store_reals_##P(q_reals + i, smooth(f64_sub(one, lo), keep, half),                    \
                            smooth(f64_sub(one, hi), keep, half));                                \
        }                                                                                         \
    }

DEFINE_SMOOTH(f32, float)
DEFINE_SMOOTH(f64, double)

/* The lanes of `found` stay 0 as long as none is too small, too large or NaN. */
#define DEFINE_ARE_WITHIN(P, V, R, L)                                                             \
    BCEL_INLINE V find_extreme_##P(V found, V value, V low, V high)                               \
    {                                                                                             \
        V zero = P##_set1(0), magnitude = P##_abs(value);                                         \
        V small = P##_select(P##_lt(magnitude, low), magnitude, zero);                            \
        return P##_max(found, P##_select(P##_lt(magnitude, high), small, high));                  \
    }                                                                                             \
    static int are_within_##P(double low, double high, const void *values, size_t n)              \
    {                                                                                             \
        const R *reals = values;                                                                  \
        V found = P##_set1(0), l = P##_set1((R)low), h = P##_set1((R)high);                       \
        R few[L] = { 0 };                                                                         \
        size_t i = 0;                                                                             \
        for (; i + L <= n; i += L) found = find_extreme_##P(found, P##_load(reals + i), l, h);    \
        if (i < n) {                                                                              \
            memcpy(few, reals + i, (n - i) * sizeof *few);                                        \
            found = find_extreme_##P(found, P##_load(few), l, h);                                 \
        }                                                                                         \
        return !P##_any(P##_lt(P##_set1(0), found));                                              \
    }

DEFINE_ARE_WITHIN(f32, f32x16, float, 16)
DEFINE_ARE_WITHIN(f64, f64x8, double, 8)

/* 16 values: 0 where one equals `value`, else 1. */
BCEL_INLINE f32x16 differ_f32(const float *at, double value)
{
    return f32_select(f32_eq(f32_load(at), f32_set1((float)value)), f32_set1(0), f32_set1(1));
}

BCEL_INLINE f32x16 differ_f64(const double *at, double value)
{
    f64x8 v = f64_set1(value), equal = f64_set1(0), other = f64_set1(1);
    return f32_narrow(f64_select(f64_eq(f64_load(at), v), equal, other),
                      f64_select(f64_eq(f64_load(at + 8), v), equal, other));
}

#define DEFINE_CLEAR_EQUAL(P, R)                                                                          \
    static void clear_equal_##P(unsigned char *keep, const void *values, double value, size_t n)          \
    {                                                                                                     \
        const R *reals = values;                                                                          \
        for (size_t i = 0; i < n; i += CONVERTED)                                                         \
            f32_store_u8(keep + i, f32_min(differ_##P(reals + i, value), f32_load_u8(keep + i)));         \
    }

DEFINE_CLEAR_EQUAL(f32, float)
DEFINE_CLEAR_EQUAL(f64, double)
