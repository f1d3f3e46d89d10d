/* The functions under every kernel, for one vector: exp(-t) for t >= 0, log1p on (0, 1], and from these the loss
 * and its derivatives.
 *
 * A value that matters is carried as a pair hi + lo, unevaluated, |lo| <= ulp(hi): what a single rounding
 * loses would otherwise be the largest part of the error. "Near" is the formula for t <= NEAR_MAX, all that a
 * fast kernel uses. "Careful" code knows larger logits, infinities, NaN and coefficients of 0 too, and gives
 * near logits the same bits.
 *
 * Included once for each precision, after f32.inc.h or f64.inc.h. */

typedef struct { vec hi, lo; } N(pair);

/* exp(-t) = 2^n (m.hi + m.lo); k holds n in its low bits.
 *
 * Cody and Waite's reduction: n = round(-t / ln 2), r = t + n ln 2 in [-ln2/2, ln2/2] in two fused steps. The first is
 * exact: LN2_HI is short. exp(-r) = 1 - r + r^2/2 - r^3 P(-r): the largest two terms are added without loss (Dekker's
 * fast two-sum), from the r of the first step; what the second takes off joins the rest, so that its rounding counts in
 * the small terms alone.
 *
 * Error relative to exp(-t): that of P (see coefficients.h), half a unit of a rest of at most 0.07 and of a square of
 * at most 0.13, about 2^-27.9 in single precision and 2^-56.9 in double. What rounding r takes from r^2/2 would be
 * twice that; it is put back. */
typedef struct { N(pair) m; vec k; } N(exponential);

BCEL_INLINE N(exponential) N(exp_of)(vec t)
{
    vec magic = v_set1(REAL(ROUND_MAGIC)), one = v_set1(1);
    vec ln2_lo = v_set1(REAL(LN2_LO));
    N(exponential) e;
    e.k = v_fnma(t, v_set1(REAL(LOG2E)), magic);
    vec n = v_sub(e.k, magic);
    vec r_exact = v_fma(n, v_set1(REAL(LN2_HI)), t);
    vec r = v_fma(n, ln2_lo, r_exact);
    vec square = v_mul(r, r);
    vec hi = v_sub(one, r_exact);
    vec lo = v_fnma(n, ln2_lo, v_sub(v_sub(one, hi), r_exact));
    lo = v_fnma(v_mul(square, r), N(exp_polynomial)(r), lo);
    lo = v_fma(r, v_fma(n, ln2_lo, v_sub(r_exact, r)), lo);
    lo = v_fma(square, v_set1((real)0.5), lo);
    e.m.hi = v_add(hi, lo);
    e.m.lo = v_sub(lo, v_sub(e.m.hi, hi));
    return e;
}

BCEL_INLINE N(pair) N(pair_times)(N(pair) a, vec power_of_two)
{
    a.hi = v_mul(a.hi, power_of_two);
    a.lo = v_mul(a.lo, power_of_two);
    return a;
}

/* log(1 + e) for e in (0, 1]. With c = 1 for e < 1/2, c = 2 else, and s = (1 + e - c) / (1 + e + c) in [-1/7, 1/5],
 * log(1 + e) = log c + log((1+s)/(1-s)) = log c + 2s + s^3 Q(s^2). s is a pair: a quotient, corrected by its
 * remainder; e - (c - 1) is exact. A small e keeps its relative precision, and near e = 1, where all but log 2
 * shrinks with the logit, so does every error: that is what makes softplus monotone there. */
BCEL_INLINE N(pair) N(log1p_near)(N(pair) e)
{
    vec zero = v_set1(0), one = v_set1(1);
    vmask small = v_lt(e.hi, v_set1((real)0.5));
    vec c_less_1 = v_select(small, zero, one);
    vec log_c = v_select(small, zero, v_set1(REAL(LN2)));
    vec log_c_lo = v_select(small, zero, v_set1(REAL(LN2_REST)));
    vec c_plus_1 = v_add(c_less_1, v_set1(2));
    vec numerator = v_sub(e.hi, c_less_1);
    vec d = v_add(c_plus_1, e.hi);
    vec d_lo = v_add(v_sub(e.hi, v_sub(d, c_plus_1)), e.lo);
    vec reciprocal = v_div(one, d);
    vec s = v_mul(numerator, reciprocal);
    vec remainder = v_add(v_fnma(s, d, numerator), v_fnma(s, d_lo, e.lo));
    vec w = v_mul(s, s);
    /* d/ds log((1+s)/(1-s)) = 2 / (1 - s^2) = 2 (1 + w + ...) takes s_lo along. */
    vec s_lo = v_mul(remainder, reciprocal);
    vec twice = v_add(s, s), twice_lo = v_add(s_lo, s_lo);
    vec tail = v_fma(v_mul(s, w), N(log1p_polynomial)(w), v_fma(twice_lo, w, twice_lo));
    N(pair) result;
    result.hi = v_add(log_c, twice);
    result.lo = v_add(v_sub(twice, v_sub(result.hi, log_c)), v_add(log_c_lo, tail));
    return result;
}

/* a + b exactly, whatever their order (Knuth). */
BCEL_INLINE N(pair) N(two_sum)(vec a, vec b)
{
    N(pair) sum;
    sum.hi = v_add(a, b);
    vec part = v_sub(sum.hi, a);
    sum.lo = v_add(v_sub(a, v_sub(sum.hi, part)), v_sub(b, part));
    return sum;
}

/* a * b, and 0 where a is 0 whatever b is, or where b is 0 and a is a number. */
BCEL_INLINE vec N(select_mul)(vec a, vec b, int careful)
{
    vec product = v_mul(a, b);
    if (careful) {
        vec zero = v_set1(0);
        product = v_select(v_eq(b, zero), v_select(v_eq(a, a), zero, a), product);
        product = v_select(v_eq(a, zero), zero, product);
    }
    return product;
}

/* w * f * g * t where the coefficient w * f * g, rounded at each step to `product`, or f * g is tiny but not 0: a step
 * may have been subnormal where the product of all is not. One by one: such coefficients are rare. */
BCEL_NOINLINE static vec N(product_of_tiny)(vec result, vec product, vec w, vec f, vec g, vec t)
{
    vec zero = v_set1(0), one = v_set1(1);
    real r[LANES], least[LANES], factors[4][LANES];
    product = v_min(v_abs(product), v_abs(v_mul(f, g)));
    product = v_select(v_eq(w, zero), one, v_select(v_eq(f, zero), one, v_select(v_eq(g, zero), one, product)));
    if (!v_any(v_lt(product, v_set1(TINY_COEFFICIENT)))) return result;
    v_store(r, result);
    v_store(least, product);
    v_store(factors[0], w);
    v_store(factors[1], f);
    v_store(factors[2], g);
    v_store(factors[3], t);
    for (int i = 0; i < LANES; ++i)
        if (least[i] < TINY_COEFFICIENT)
            r[i] = (real)bcel_product(factors[0][i], factors[1][i], factors[2][i], factors[3][i]);
    return v_load(r);
}

/* The loss is positive * sp(-x) + negative * sp(x); both is the sum of the two coefficients. Without weights these
 * are y, 1 - y and 1. A weight is multiplied in here, first of all: a small loss with a large weight
 * then keeps its precision. pos_weight 1 gives `both` as if there were none, bit for bit. */
typedef struct { vec positive, negative, both; vec y, q, w, p; } N(coefficients);

BCEL_INLINE N(coefficients) N(coefficients_of)(vec y, vec q, vec w, vec p, int weighted, int careful)
{
    N(coefficients) c;
    vec one = v_set1(1);
    c.y = y;
    c.q = q;
    c.w = w;
    c.p = p;
    if (!weighted) {
        c.positive = y;
        c.negative = v_sub(one, y);
        c.both = one;
    } else {
        vec sum = v_fma(p, y, q); /* once rounded, where p y + q would be twice */
        c.positive = N(select_mul)(w, N(select_mul)(p, y, careful), careful);
        c.negative = N(select_mul)(w, q, careful);
        if (careful) {
            vec zero = v_set1(0);
            sum = v_select(v_eq(y, zero), q, v_select(v_eq(p, zero), q, sum));
            c.positive = N(product_of_tiny)(c.positive, c.positive, w, p, y, one);
            c.negative = N(product_of_tiny)(c.negative, c.negative, w, one, q, one);
        }
        c.both = v_select(v_eq(p, one), w, N(select_mul)(w, sum, careful));
    }
    return c;
}

/* c * 2^n (hi + lo) for far t, rounded once even if it is subnormal. 2^n comes in three factors, the coefficient after
 * the first: nothing else over- or underflows. What a subnormal result has lost is brought back up, joined with the
 * low part, and added if it is half a unit or more. */
BCEL_INLINE vec N(scale_far)(vec c, N(pair) m, vec k)
{
    vec magic = v_set1(REAL(ROUND_MAGIC)), two_magic = v_add(magic, magic);
    vec n = v_sub(k, magic);
    vec third = v_fma(n, v_set1((real)(1.0 / 3.0)), magic);
    vec last = v_add(v_sub(n, v_sub(v_add(third, third), two_magic)), magic);
    vec down = v_pow2(third), down_last = v_pow2(last);
    vec up = v_pow2(v_sub(two_magic, third)), up_last = v_pow2(v_sub(two_magic, last));
    m = N(pair_times)(m, down);
    vec product = v_mul(c, m.hi);
    vec product_lo = v_fma(c, m.lo, v_neg(v_fnma(c, m.hi, product)));
    vec nearest = v_add(product, product_lo);
    vec nearest_lo = v_sub(product_lo, v_sub(nearest, product));
    vec result = v_mul(v_mul(nearest, down), down_last);
    vec lost = v_sub(nearest, v_mul(v_mul(result, up_last), up));
    vec mended = v_add(result, v_mul(v_mul(v_add(lost, nearest_lo), down), down_last));
    result = v_select(v_lt(v_abs(result), v_set1(SMALLEST_NORMAL)), mended, result);
    return v_select(v_lt(v_abs(product), v_set1((real)INFINITY)), result, product);
}

/* NaN of one kind, so that its bits do not depend on the instruction set. */
BCEL_INLINE vec N(one_nan)(vec a)
{
    return v_select(v_eq(a, a), a, v_set1((real)NAN));
}

/* What a logit gives every function of it. */
typedef struct {
    vec x, t;       /* the logit and its magnitude */
    vmask is_positive;
    vmask far;      /* careful: t > NEAR_MAX */
    vmask huge;     /* careful: t > FAR_MAX, where exp(-t) is 0 */
    N(pair) e;      /* exp(-t), near */
    N(exponential) far_e; /* careful: exp(-t), not yet scaled */
} N(logit);

/* exp(-t) for near t. */
BCEL_INLINE N(pair) N(exp_near)(vec t)
{
    N(exponential) e = N(exp_of)(t);
    return N(pair_times)(e.m, v_pow2(e.k));
}

/* A near logit whose exponential is known. */
BCEL_INLINE N(logit) N(logit_near)(vec x, N(pair) e)
{
    N(logit) l;
    l.x = x;
    l.t = v_abs(x);
    l.is_positive = v_lt(v_set1(0), x);
    l.e = e;
    return l;
}

BCEL_INLINE N(logit) N(logit_careful)(vec x)
{
    vec t = v_abs(x), far_max = v_set1(FAR_MAX);
    vmask huge = v_lt(far_max, t);
    N(exponential) e = N(exp_of)(v_select(huge, far_max, t));
    N(logit) l = N(logit_near)(x, N(pair_times)(e.m, v_pow2(e.k)));
    l.far = v_lt(v_set1(NEAR_MAX), t);
    l.huge = huge;
    l.far_e = e;
    return l;
}

/* c * exp(-t) for far and huge t. */
BCEL_INLINE vec N(exp_far)(const N(logit) *l, vec c)
{
    return v_select(l->huge, v_set1(0), N(scale_far)(c, l->far_e.m, l->far_e.k));
}

/* linear + both * log1p(e): the sum is exact up to the low parts. far_apart: leave out both * log1p(e) of far logits,
 * which is then both * exp(-t). */
BCEL_INLINE N(pair) N(loss_from)(const N(logit) *l, vec linear, vec both, int weighted, int careful, int far_apart)
{
    N(pair) log1p = N(log1p_near)(l->e);
    N(pair) loss;
    if (weighted) {
        vec product = v_mul(both, log1p.hi);
        vec minus_product_lo = v_fnma(both, log1p.hi, product);
        loss = N(two_sum)(linear, product);
        loss.lo = v_sub(v_fma(both, log1p.lo, loss.lo), minus_product_lo);
    } else {
        loss = N(two_sum)(linear, log1p.hi);
        loss.lo = v_add(loss.lo, log1p.lo);
    }
    if (careful) {
        vec zero = v_set1(0);
        vmask none = v_eq(both, zero);
        vec far = far_apart ? linear : v_add(linear, N(exp_far)(l, both));
        loss.hi = v_select(l->far, far, v_select(none, linear, loss.hi));
        loss.lo = v_select(l->far, zero, v_select(none, zero, loss.lo));
        /* An infinite sum has no low part. */
        vmask finite = v_lt(v_abs(loss.hi), v_set1((real)INFINITY));
        loss.lo = v_select(finite, loss.lo, zero);
        loss.hi = N(one_nan)(loss.hi);
    }
    return loss;
}

/* loss = w [p y sp(-x) + (1-y) sp(x)] with sp(x) = max(x, 0) + log1p(exp(-|x|)). */
BCEL_INLINE N(pair) N(loss_of)(const N(logit) *l, const N(coefficients) *c, int weighted, int careful,
                              int far_apart)
{
    vec coefficient = v_select(l->is_positive, c->negative, c->positive);
    vec linear = N(select_mul)(coefficient, l->t, careful);
    if (careful) {
        vec one = v_set1(1);
        linear = N(product_of_tiny)(linear, coefficient, c->w, v_select(l->is_positive, one, c->p),
                                    v_select(l->is_positive, c->q, c->y), l->t);
    }
    return N(loss_from)(l, linear, c->both, weighted, careful, far_apart);
}

/* d loss / dy = w [p sp(-x) - sp(x)] = w (p max(-x, 0) - max(x, 0)) + w (p - 1) log1p(exp(-|x|)). */
BCEL_INLINE N(pair) N(grad_target_of)(const N(logit) *l, vec w, vec p, int careful)
{
    vec coefficient = v_select(l->is_positive, v_neg(w), N(select_mul)(w, p, careful));
    vec linear = N(select_mul)(coefficient, l->t, careful);
    vec both = N(select_mul)(w, v_sub(p, v_set1(1)), careful);
    return N(loss_from)(l, linear, both, 1, careful, 0);
}

/* 1 / (1 + e), with what corrects a quotient by it. */
typedef struct { vec reciprocal, d, d_lo; } N(denominator);

BCEL_INLINE N(denominator) N(denominator_of)(N(pair) e)
{
    vec one = v_set1(1);
    N(denominator) r;
    r.d = v_add(one, e.hi);
    r.d_lo = v_add(v_sub(e.hi, v_sub(r.d, one)), e.lo);
    r.reciprocal = v_div(one, r.d);
    return r;
}

/* (hi + lo) / (1 + e) as a pair: the quotient and its remainder. */
BCEL_INLINE N(pair) N(quotient)(vec hi, vec lo, const N(denominator) *by)
{
    N(pair) r;
    r.hi = v_mul(hi, by->reciprocal);
    vec remainder = v_add(v_fnma(r.hi, by->d, hi), v_fnma(r.hi, by->d_lo, lo));
    r.lo = v_mul(remainder, by->reciprocal);
    return r;
}

/* d loss / dx = w [(1-y) s(x) - p y s(-x)] times (factor + factor_lo) * after, after a power of two. With e = exp(-|x|)
 * this is (a - b e) / (1 + e), where a is the coefficient of the sigmoid that tends to 1 and b that of the one that tends
 * to 0; its sign changes with that of x. A hard target leaves one of the two: nothing cancels. Not scaled: factor and
 * after are 1, factor_lo is 0.
 *
 * The factor is between 1 and 2, so that its low part and those of the quotient are normal numbers for every near logit:
 * as one number, a factor of 2^-130 would have lost most of its bits. */
BCEL_INLINE vec N(grad_of)(const N(logit) *l, const N(coefficients) *c, const N(denominator) *by, vec factor,
                           vec factor_lo, vec after, int scaled, int careful)
{
    vec a = v_select(l->is_positive, c->negative, c->positive);
    vec b = v_select(l->is_positive, c->positive, c->negative);
    vec numerator = v_fnma(b, l->e.hi, a);
    vec rest = v_fnma(b, l->e.hi, v_sub(a, numerator));
    N(pair) g = N(quotient)(numerator, v_fnma(b, l->e.lo, rest), by);
    vec grad = v_add(g.hi, g.lo);
    if (scaled) grad = v_mul(v_fma(factor, g.hi, v_fma(factor, g.lo, v_mul(factor_lo, g.hi))), after);
    grad = v_select(l->is_positive, grad, v_neg(grad));
    if (careful) {
        vec zero = v_set1(0), infinity = v_set1((real)INFINITY);
        vec whole = v_mul(factor, after);
        vec infinite = v_mul(v_select(l->is_positive, numerator, v_neg(numerator)), whole);
        grad = v_select(v_eq(v_abs(numerator), infinity), infinite, grad);
        vec far = v_sub(N(select_mul)(whole, a, 1), N(exp_far)(l, N(select_mul)(whole, b, 1)));
        far = v_add(v_select(l->is_positive, far, v_neg(far)), zero); /* no negative zero */
        grad = v_select(l->far, far, grad);
        vec nothing = v_select(l->is_positive, zero, v_neg(zero)); /* as the fast loop has it */
        grad = v_select(v_eq(c->both, zero), v_select(v_eq(a, b), nothing, grad), grad);
        grad = N(one_nan)(grad);
    }
    return grad;
}

/* d2 loss / dx2 = w (1-y + p y) max(s(x) s(-x), low), s(x) s(-x) = e / (1 + e)^2. */
BCEL_INLINE vec N(hess_of)(const N(logit) *l, const N(coefficients) *c, const N(denominator) *by, vec low,
                           int weighted, int careful)
{
    N(pair) small = N(quotient)(l->e.hi, l->e.lo, by);
    N(pair) h = N(quotient)(small.hi, small.lo, by);
    vec slope = v_add(h.hi, h.lo);
    if (!weighted) return v_max(low, slope);
    vec least = v_mul(c->both, low);
    vec hess = v_select(v_lt(slope, low), least, v_fma(c->both, h.hi, v_mul(c->both, h.lo)));
    if (careful) {
        vec zero = v_set1(0);
        /* Infinite, but NaN where the logit is. */
        hess = v_select(v_eq(v_abs(c->both), v_set1((real)INFINITY)), v_add(c->both, h.hi), hess);
        vec far_slope = N(exp_far)(l, v_set1(1));
        vec far = v_select(v_lt(far_slope, low), least, N(exp_far)(l, c->both));
        hess = v_select(l->far, far, hess);
        hess = v_select(v_eq(c->both, zero), zero, hess);
        hess = N(one_nan)(hess);
    }
    return hess;
}
