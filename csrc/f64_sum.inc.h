/* How a running sum of doubles takes one vector of losses. Included after math.inc.h. */

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

/* The low part of a loss may be a hundredth of it: the two are first made one number and its rounding error, so
 * that what gathers in the low lanes stays 2^50 times smaller than the sum. */
BCEL_INLINE void lanes_add_f64(lanes_f64 *s, f64x8 hi, f64x8 lo)
{
    f64x8 whole = f64_add(hi, lo);
    f64x8 rest = f64_sub(lo, f64_sub(whole, hi));
    pair_f64 sum = two_sum_f64(s->hi, whole);
    s->hi = sum.hi;
    s->lo = f64_add(s->lo, f64_add(sum.lo, rest));
}

/* What lanes cannot take goes into the exact sum one by one: terms from 2^900 on, infinities and NaN. */
BCEL_INLINE void lanes_set_aside_f64(bcel_lanes *to, f64x8 *hi, f64x8 *lo)
{
    f64_mask small = f64_lt(f64_abs(*hi), f64_set1(0x1p900));
    f64x8 zero = f64_set1(0.0);
    double large[8];
    f64_store(large, f64_select(small, zero, *hi));
    for (int i = 0; i < 8; ++i)
        if (!(large[i] == 0.0)) bcel_lanes_set_aside(to, large[i], 0);
    *hi = f64_select(small, *hi, zero);
    *lo = f64_select(small, *lo, zero);
}

/* In double a product would need the precision of a pair: the losses are added one by one. */
BCEL_INLINE void lanes_add_near_f64(lanes_f64 *s, const logit_f64 *l, const coefficients_f64 *c, size_t rest)
{
    pair_f64 loss = loss_of_f64(l, c, 0, 0, 0);
    if (rest < 8) {
        f64_mask used = f64_first((int)rest);
        loss.hi = f64_select(used, loss.hi, f64_set1(0));
        loss.lo = f64_select(used, loss.lo, f64_set1(0));
    }
    lanes_add_f64(s, loss.hi, loss.lo);
}

/* hi + lo of eight lanes becomes hi + lo + log1p(product), product 0. 1 + u = 2^k m with m in [1, 2), so
 * log1p(u) = k ln 2 + log1p(m - 1); where u < 1 it is the argument itself, which keeps a small one's precision. */
static void log_products_of(double *hi, double *lo, double *product)
{
    double mantissa[8], exponent[8];
    f64x8 one = f64_set1(1);
    f64x8 u = f64_load(product);
    pair_f64 whole = two_sum_f64(u, one);
    pair_f64 e = { u, f64_set1(0) };
    f64x8 k = f64_set1(0);
    f64_mask small = f64_lt(u, one);
    f64_store(mantissa, whole.hi);
    for (int i = 0; i < 8; ++i) {
        uint64_t bits;
        memcpy(&bits, &mantissa[i], sizeof bits);
        exponent[i] = (double)(int)(bits >> 52) - 1023;
        bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
        memcpy(&mantissa[i], &bits, sizeof bits);
    }
    k = f64_select(small, k, f64_load(exponent));
    f64x8 scale = f64_pow2(f64_sub(f64_set1(BCEL_ROUND_MAGIC_F64), k));
    e.hi = f64_select(small, u, f64_sub(f64_load(mantissa), one));
    e.lo = f64_select(small, e.lo, f64_mul(whole.lo, scale));
    pair_f64 log1p = log1p_near_f64(e);
    lanes_f64 lanes = { f64_load(hi), f64_load(lo) };
    lanes_add_f64(&lanes, f64_mul(k, f64_set1(BCEL_LN2_HI_F64)), f64_mul(k, f64_set1(BCEL_LN2_LO_F64)));
    lanes_add_f64(&lanes, log1p.hi, log1p.lo);
    f64_store(hi, lanes.hi);
    f64_store(lo, lanes.lo);
    f64_store(product, f64_set1(0));
}

static void log_products(bcel_lanes *lanes)
{
    log_products_of(lanes->hi, lanes->lo, lanes->product);
    log_products_of(lanes->hi + 8, lanes->lo + 8, lanes->product + 8);
}
