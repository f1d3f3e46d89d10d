/* The sum of the losses of a chunk without weights, in the time that their exponentials take. Included once for each
 * precision, after math.inc.h.
 *
 * The losses are not summed one by one: the sum of log1p(e) is the logarithm of the product of 1 + e, taken once for a
 * block (bcel_kernels.lanes_value). Each lane keeps its product as an unevaluated pair. product takes product * e
 * with one rounding; what that lost, known exactly, joins rest. Nothing is lost but the roundings of rest: with k
 * terms in a lane, rest is at most 1.5 k u of the product, u being half the unit of 1, and an error of k^2 u^2 remains.
 *
 * linear starts from a number so large that Dekker's fast two-sum is exact, and what it lost joins linear_rest, with
 * an error of k^2 / 2 half units of the largest such loss.
 *
 * Where the whole sum is tiny these errors may be a large part of it: near_sum_suffices tells. */
typedef struct { vec product, rest, linear, linear_rest; } N(near_sum);

BCEL_INLINE N(near_sum) N(near_sum_zero)(void)
{
    N(near_sum) s = { v_set1(1), v_set1(0), v_set1(LINEAR_START), v_set1(0) };
    return s;
}

/* An e of 0 with a logit of 0 counts nothing. */
BCEL_INLINE void N(near_sum_add)(N(near_sum) *s, vec x, vec y, N(pair) e)
{
    vec product = v_fma(s->product, e.hi, s->product);
    vec lost = v_fnma(s->product, e.hi, v_sub(product, s->product));
    lost = v_fnma(s->product, e.lo, lost);
    s->rest = v_sub(v_fma(s->rest, e.hi, s->rest), lost);
    s->product = product;
    /* (1 - y) x or -y x: the larger coefficient goes with the larger of the two terms, and nothing cancels. */
    vec linear = v_fnma(y, x, v_max(x, v_set1(0)));
    vec sum = v_add(s->linear, linear);
    s->linear_rest = v_add(s->linear_rest, v_sub(linear, v_sub(sum, s->linear)));
    s->linear = sum;
}

/* Whether all targets of a chunk are 0 or 1. */
BCEL_NOINLINE static int N(are_hard)(const bcel_chunk *c)
{
    const real *y = c->y;
    int all = 1;
    for (size_t i = 0, n = c->y_step ? c->n : 1; i < n; ++i) all &= (y[i] == 0) | (y[i] == 1);
    return all;
}

/* Whether nothing was added, or the error is below 2^-27 (2^-56) of the sum.
 *
 * That of the products is 12 k^2 u^2 (6 k^2 u^2) for all lanes together; log(product) is at least half of product - 1
 * up to 1. That of the linear parts is 2^-33 k (k - 1) (2^-88 k (k - 1)), the first of them being exact. It counts with
 * soft targets alone: those of hard ones are 0 where the loss is less than log 2. */
BCEL_INLINE int N(near_sum_suffices)(const N(near_sum) *s, const bcel_chunk *c)
{
    real k = (real)((c->n + LANES - 1) / LANES);
    real limit = (k * k + k) * NEAR_SUM_LIMIT, soft_limit = (k * k - k) * NEAR_SUM_SOFT_LIMIT;
    vec one = v_set1(1);
    vec sum = v_add(v_min(v_sub(s->product, one), one), v_sub(s->linear, v_set1(LINEAR_START)));
    if (!v_any(v_lt(sum, v_set1((limit + soft_limit) / LANES)))) return 1;
    real sums[LANES], all = 0;
    v_store(sums, sum);
    for (int i = 0; i < LANES; ++i) all += sums[i];
    if (all > limit) return all > soft_limit || N(are_hard)(c);
    return !v_any(v_lt(v_set1(0), v_max(v_max(v_sub(s->product, one), v_abs(s->rest)), sum)));
}
