/* How a running sum of floats takes one vector of losses. Included after math.inc.h. */

/* Sixteen sums in double for the high parts, sixteen for the low ones: at most BCEL_BLOCK / 16 terms of 24 bits
 * each, so their rounding is below 2^-45 of a block's sum of magnitudes. */
typedef struct { f64x8 hi[2], lo[2]; } lanes_f32;

BCEL_INLINE lanes_f32 lanes_load_f32(const bcel_lanes *from)
{
    lanes_f32 s = { { f64_load(from->hi), f64_load(from->hi + 8) }, { f64_load(from->lo), f64_load(from->lo + 8) } };
    return s;
}

BCEL_INLINE void lanes_store_f32(bcel_lanes *to, const lanes_f32 *s)
{
    f64_store(to->hi, s->hi[0]);
    f64_store(to->hi + 8, s->hi[1]);
    f64_store(to->lo, s->lo[0]);
    f64_store(to->lo + 8, s->lo[1]);
}

BCEL_INLINE void lanes_add_f32(lanes_f32 *s, f32x16 hi, f32x16 lo)
{
    s->hi[0] = f64_add(s->hi[0], f32_widen_lo(hi));
    s->hi[1] = f64_add(s->hi[1], f32_widen_hi(hi));
    s->lo[0] = f64_add(s->lo[0], f32_widen_lo(lo));
    s->lo[1] = f64_add(s->lo[1], f32_widen_hi(lo));
}

/* A float cannot overflow a sum of doubles: nothing is set aside. */
BCEL_INLINE void lanes_set_aside_f32(bcel_lanes *to, f32x16 *hi, f32x16 *lo)
{
    (void)to;
    (void)hi;
    (void)lo;
}

/* 1 + u times 1 + f, where 1 + f is what a chunk multiplied: adding f (1 + u) keeps u accurate where every factor is
 * near 1. */
BCEL_INLINE void multiply_lanes_f32(double *product, int multiplied, f64x8 hi, f64x8 lo)
{
    f64x8 f = f64_add(f64_sub(hi, f64_set1(1)), lo);
    if (multiplied) {
        f64x8 u = f64_load(product);
        f = f64_add(u, f64_fma(u, f, f));
    }
    f64_store(product, f);
}

/* A chunk's sum into a block's: at most 2^256 in a lane. */
BCEL_INLINE void near_sum_into_f32(const near_sum_f32 *s, bcel_lanes *to)
{
    lanes_f32 lanes = lanes_load_f32(to);
    multiply_lanes_f32(to->product, to->multiplied, f32_widen_lo(s->product), f32_widen_lo(s->rest));
    multiply_lanes_f32(to->product + 8, to->multiplied, f32_widen_hi(s->product), f32_widen_hi(s->rest));
    lanes_add_f32(&lanes, f32_sub(s->linear, f32_set1(LINEAR_START)), s->linear_rest);
    lanes_store_f32(to, &lanes);
    to->multiplied = 1;
}
