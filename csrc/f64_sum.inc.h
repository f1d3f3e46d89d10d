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

/* What lanes cannot take goes into the exact sum one by one: terms from 2^900 on, with their low parts, infinities and
 * NaN. */
BCEL_INLINE void lanes_set_aside_f64(bcel_lanes *to, f64x8 *hi, f64x8 *lo)
{
    f64_mask small = f64_lt(f64_abs(*hi), f64_set1(0x1p900));
    f64x8 zero = f64_set1(0.0);
    double large[8], rest[8];
    f64_store(large, f64_select(small, zero, *hi));
    f64_store(rest, *lo);
    for (int i = 0; i < 8; ++i) {
        if (large[i] == 0.0) continue;
        bcel_lanes_set_aside(to, large[i], 0);
        if (fabs(large[i]) < (double)INFINITY) bcel_lanes_set_aside(to, rest[i], 0);
    }
    *hi = f64_select(small, *hi, zero);
    *lo = f64_select(small, *lo, zero);
}

/* A chunk's sum into a block's: at most 2^512 in a lane. 1 + u times 1 + f as in single precision, with u and f pairs. */
BCEL_INLINE void near_sum_into_f64(const near_sum_f64 *s, bcel_lanes *to)
{
    lanes_f64 lanes = lanes_load_f64(to);
    pair_f64 f = two_sum_f64(f64_sub(s->product, f64_set1(1)), s->rest);
    if (to->multiplied) {
        f64x8 u = f64_load(to->product), u_lo = f64_load(to->product_lo);
        f64x8 both = f64_mul(u, f.hi), minus_both_lo = f64_fnma(u, f.hi, both);
        pair_f64 sum = two_sum_f64(u, f.hi), whole = two_sum_f64(sum.hi, both);
        f64x8 lo = f64_fma(u_lo, f.hi, f64_add(u_lo, f64_fma(u, f.lo, f.lo)));
        lo = f64_add(f64_sub(lo, minus_both_lo), f64_add(sum.lo, whole.lo));
        f = two_sum_f64(whole.hi, lo);
    }
    f64_store(to->product, f.hi);
    f64_store(to->product_lo, f.lo);
    lanes_add_f64(&lanes, f64_sub(s->linear, f64_set1(LINEAR_START)), s->linear_rest);
    lanes_store_f64(to, &lanes);
    to->multiplied = 1;
}

/* lanes += log1p(u). 1 + u = 2^k m with m in [1, 2), so log1p(u) = k ln 2 + log1p(m - 1); where u < 1 it is the
 * argument itself, which keeps a small one's precision. */
BCEL_INLINE void add_logs(lanes_f64 *lanes, pair_f64 u)
{
    double mantissa[8], exponent[8];
    f64x8 one = f64_set1(1);
    f64_mask small = f64_lt(u.hi, one);
    pair_f64 whole = two_sum_f64(u.hi, one);
    whole.lo = f64_add(whole.lo, u.lo);
    f64_store(mantissa, whole.hi);
    for (int i = 0; i < 8; ++i) {
        uint64_t bits;
        memcpy(&bits, &mantissa[i], sizeof bits);
        exponent[i] = (double)(int)(bits >> 52) - 1023;
        bits = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1023) << 52;
        memcpy(&mantissa[i], &bits, sizeof bits);
    }
    f64x8 k = f64_select(small, f64_set1(0), f64_load(exponent));
    f64x8 scale = f64_pow2(f64_sub(f64_set1(BCEL_ROUND_MAGIC_F64), k));
    u.hi = f64_select(small, u.hi, f64_sub(f64_load(mantissa), one));
    u.lo = f64_select(small, u.lo, f64_mul(whole.lo, scale));
    pair_f64 log1p = log1p_near_f64(u);
    lanes_add_f64(lanes, f64_mul(k, f64_set1(BCEL_LN2_HI_F64)), f64_mul(k, f64_set1(BCEL_LN2_LO_F64)));
    lanes_add_f64(lanes, log1p.hi, log1p.lo);
}

/* Lanes i and i + 4, then i and i + 2, then the last two: this order, too, is part of what makes the bits. The low
 * parts are 2^53 times smaller, so plain additions do for them. */
BCEL_INLINE bcel_pair sum_of_lanes(const lanes_f64 *lanes)
{
    double hi[8], lo[8];
    f64_store(hi, lanes->hi);
    f64_store(lo, lanes->lo);
    for (int half = 4; half; half /= 2)
        for (int i = 0; i < half; ++i) {
            bcel_pair sum = bcel_two_sum(hi[i], hi[i + half]);
            hi[i] = sum.hi;
            lo[i] = lo[i] + lo[i + half] + sum.lo;
        }
    bcel_pair sum = { hi[0], 0 };
    return fabs(hi[0]) < (double)INFINITY ? bcel_two_sum(hi[0], lo[0]) : sum;
}

static bcel_pair lanes_value_f64(const bcel_lanes *from)
{
    lanes_f64 lanes = lanes_load_f64(from);
    if (from->multiplied) {
        pair_f64 product = { f64_load(from->product), f64_load(from->product_lo) };
        add_logs(&lanes, product);
    }
    return sum_of_lanes(&lanes);
}

/* Lanes i and i + 8 become one. Their product is below 2^512. */
static bcel_pair lanes_value_f32(const bcel_lanes *from)
{
    lanes_f32 all = lanes_load_f32(from);
    pair_f64 sum = two_sum_f64(all.hi[0], all.hi[1]);
    lanes_f64 lanes = { sum.hi, f64_add(f64_add(all.lo[0], all.lo[1]), sum.lo) };
    if (from->multiplied) {
        f64x8 u = f64_load(from->product), f = f64_load(from->product + 8);
        pair_f64 product = { f64_add(u, f64_fma(u, f, f)), f64_set1(0) };
        add_logs(&lanes, product);
    }
    return sum_of_lanes(&lanes);
}
