/* How a running sum of floats takes one vector of losses. Included after math.inc.h. */

/* Sixteen sums in double for the high parts, sixteen for the low ones: at most BCEL_BLOCK / 16 terms of 24 bits
 * each, so their rounding is below 2^-45 of a block's sum of magnitudes.
 *
 * Losses without weights are not summed one by one: the sum of log1p(e) is the log1p of a product, which
 * bcel_kernels.log_products takes once for a block. Each lane keeps u with 1 + u = (1 + e1)(1 + e2)...: adding
 * e (1 + u) keeps u accurate where every e is tiny. At most BCEL_BLOCK / 16 factors of at most 2: u < 2^256. */
typedef struct { f64x8 hi[2], lo[2], product[2]; } lanes_f32;

BCEL_INLINE lanes_f32 lanes_load_f32(const bcel_lanes *from)
{
    lanes_f32 s = { { f64_load(from->hi), f64_load(from->hi + 8) },
                    { f64_load(from->lo), f64_load(from->lo + 8) },
                    { f64_load(from->product), f64_load(from->product + 8) } };
    return s;
}

BCEL_INLINE void lanes_store_f32(bcel_lanes *to, const lanes_f32 *s)
{
    f64_store(to->hi, s->hi[0]);
    f64_store(to->hi + 8, s->hi[1]);
    f64_store(to->lo, s->lo[0]);
    f64_store(to->lo + 8, s->lo[1]);
    f64_store(to->product, s->product[0]);
    f64_store(to->product + 8, s->product[1]);
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

/* Near logits without weights: linear + log1p(exp(-t)), in lanes below `rest`. exp(-t) = 2^n (1 - r + tail + lo) is added up in
 * double, from two floats; its error is then that of the tail alone. */
BCEL_INLINE void lanes_add_near_f32(lanes_f32 *s, const logit_f32 *l, const coefficients_f32 *c, size_t rest)
{
    f32x16 one = f32_set1(1);
    f32x16 scale = f32_pow2(l->reduced.k);
    f32x16 hi = f32_sub(one, l->reduced.r);
    f32x16 lo = f32_add(f32_sub(f32_sub(one, hi), l->reduced.r), f32_add(l->reduced.tail, l->reduced.lo));
    f32x16 linear = f32_mul(f32_select(l->is_positive, c->negative, c->positive), l->t);
    hi = f32_mul(hi, scale);
    lo = f32_mul(lo, scale);
    if (rest < 16) {
        f32_mask used = f32_first((int)rest);
        f32x16 zero = f32_set1(0);
        hi = f32_select(used, hi, zero);
        lo = f32_select(used, lo, zero);
        linear = f32_select(used, linear, zero);
    }
    f64x8 e0 = f64_add(f32_widen_lo(hi), f32_widen_lo(lo));
    f64x8 e1 = f64_add(f32_widen_hi(hi), f32_widen_hi(lo));
    s->product[0] = f64_add(s->product[0], f64_fma(s->product[0], e0, e0));
    s->product[1] = f64_add(s->product[1], f64_fma(s->product[1], e1, e1));
    s->hi[0] = f64_add(s->hi[0], f32_widen_lo(linear));
    s->hi[1] = f64_add(s->hi[1], f32_widen_hi(linear));
}
