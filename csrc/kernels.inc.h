/* The loops over a chunk, once for each precision: tails, range checks, and the way from the fast loops to the careful
 * one.
 *
 * A chunk goes through more than one loop: first exp(-|x|) of all its logits is put into a buffer, then each result is
 * made of it. A loop with few values at a time fits the registers.
 *
 * The fast loops compute as if every logit were near and every target in [0, 1], and watch the bit patterns of both.
 * Bit patterns of numbers in [0, 1] compare as unsigned integers; a negative number, an infinity or a NaN is larger
 * than any of them. If one was too large, the results are dropped and the careful loop runs over the chunk again. */

/* The exponentials of far logits go into the exact sum, not yet rounded to what may be subnormal: the sum of many
 * is not. */
static void N(set_far_aside)(bcel_lanes *to, const N(logit) *l, vec both, size_t rest)
{
    real t[LANES], c[LANES], hi[LANES], lo[LANES], k[LANES];
    if (!v_any(l->far)) return;
    v_store(t, l->t);
    v_store(c, both);
    v_store(hi, l->far_e.m.hi);
    v_store(lo, l->far_e.m.lo);
    v_store(k, v_sub(l->far_e.k, v_set1(REAL(ROUND_MAGIC))));
    for (size_t i = 0; i < LANES && i < rest; ++i)
        if (t[i] > NEAR_MAX && t[i] <= FAR_MAX && c[i] != 0) {
            double quarter = 0.25 * (double)c[i]; /* hi may be above 1: c * hi must not overflow */
            bcel_lanes_set_aside(to, quarter * (double)hi[i], (int)k[i] + 2);
            bcel_lanes_set_aside(to, quarter * (double)lo[i], (int)k[i] + 2);
        }
}

/* exp(-|x|) of a chunk of near logits. */
typedef struct { BCEL_ALIGNED(real hi[BCEL_CHUNK]); BCEL_ALIGNED(real lo[BCEL_CHUNK]); } N(exponentials);

BCEL_INLINE void N(fill)(real *to, const real *from, size_t n, real padding)
{
    for (size_t i = 0; i < LANES; ++i) to[i] = i < n ? from[i] : padding;
}

/* Hardware foresees what is read in one go, but reading pauses while a chunk is computed. One line of memory each time,
 * and two of targets of 64 bits beside floats. */
BCEL_INLINE void N(prefetch)(bcel_ahead ahead[2])
{
    size_t steps[2] = { ahead[0].size * LANES, ahead[1].size * LANES };
    BCEL_PREFETCH((const void *)ahead[0].at);
    BCEL_PREFETCH((const void *)ahead[1].at);
    if (LANES == 16) BCEL_PREFETCH((const void *)(ahead[1].at + steps[1] / 2));
    ahead[0].at += steps[0];
    ahead[1].at += steps[1];
}

/* Returns whether a logit was far, infinite or NaN. */
BCEL_INLINE int N(exp_loop)(const bcel_chunk *c, N(exponentials) *to)
{
    const real *x = c->x;
    vec seen = v_set1(0);
    bcel_ahead ahead[2] = { c->ahead[0], c->ahead[1] };
    for (size_t i = 0; i < c->n; i += LANES) {
        real last[LANES];
        const real *at = x + i;
        if (c->n - i < LANES) {
            N(fill)(last, at, c->n - i, 0);
            at = last;
        }
        N(prefetch)(ahead);
        vec t = v_abs(v_load(at));
        N(pair) e = N(exp_near)(t);
        seen = v_track(seen, t, MAGNITUDE_NEAR);
        v_store(to->hi + i, e.hi);
        v_store(to->lo + i, e.lo);
    }
    return v_exceeded(seen, MAGNITUDE_NEAR);
}

/* Takes a vector of losses, or those of targets 0 or 1 alone, and watches the targets. */
BCEL_INLINE vec N(near_sum_take)(N(near_sum) *sum, near_targets which, vec seen, vec x, vec y, N(pair) e)
{
    vec zero = v_set1(0), one = v_set1(1);
    if (which == NEAR_ALL) {
        seen = v_track(seen, y, MAGNITUDE_ONE);
    } else {
        vmask is_1 = v_eq(y, one);
        if (which == NEAR_0) {
            seen = v_track(seen, v_select(is_1, zero, y), 0);
            x = v_select(is_1, zero, x);
            e.hi = v_select(is_1, zero, e.hi);
            e.lo = v_select(is_1, zero, e.lo);
            y = zero;
        } else {
            x = v_select(is_1, x, zero);
            e.hi = v_select(is_1, e.hi, zero);
            e.lo = v_select(is_1, e.lo, zero);
            y = one;
        }
    }
    N(near_sum_add)(sum, x, y, e);
    return seen;
}

/* Adds up the losses of near logits without weights: all, and returns whether a target was not in [0, 1]; those of
 * targets 0, and returns whether a target was neither 0 nor 1; those of targets 1. */
BCEL_INLINE int N(near_sum_loop)(const bcel_chunk *c, const N(exponentials) *from, near_targets which, N(near_sum) *sum)
{
    const real *x = c->x, *y = c->y;
    size_t y_step = (size_t)c->y_step, i = 0;
    vec seen = v_set1(0);
    N(near_sum) s = N(near_sum_zero)();
    for (; i + LANES <= c->n; i += LANES) {
        N(pair) e = { v_load(from->hi + i), v_load(from->lo + i) };
        seen = N(near_sum_take)(&s, which, seen, v_load(x + i), v_load(y + i * y_step), e);
    }
    if (i < c->n) {
        real x_end[LANES], y_end[LANES];
        vec zero = v_set1(0);
        vmask used = v_first((int)(c->n - i));
        N(pair) e = { v_select(used, v_load(from->hi + i), zero), v_select(used, v_load(from->lo + i), zero) };
        N(fill)(x_end, x + i, c->n - i, 0);
        N(fill)(y_end, y + i * y_step, c->n - i, 0);
        seen = N(near_sum_take)(&s, which, seen, v_load(x_end), v_load(y_end), e);
    }
    *sum = s;
    return v_exceeded(seen, which == NEAR_ALL ? MAGNITUDE_ONE : 0);
}

/* Where the next vector of each operand and result is. */
typedef struct { const real *x, *y, *q, *w, *p, *e_hi, *e_lo; real *out[2]; } N(places);

BCEL_INLINE void N(step)(const bcel_chunk *c, bcel_task task, int weighted, int careful, const N(places) *at,
                         size_t rest, N(lanes) *lanes, vec *seen)
{
    int sums = task == BCEL_TASK_SUM || task == BCEL_TASK_SUM_GRAD;
    int has_loss = sums || task == BCEL_TASK_LOSS || task == BCEL_TASK_LOSS_GRAD;
    int has_grad = task == BCEL_TASK_GRAD || task == BCEL_TASK_LOSS_GRAD || task == BCEL_TASK_SUM_GRAD
                   || task == BCEL_TASK_GRAD_HESS;
    vec x = v_load(at->x), y = v_load(at->y);
    vec q = v_sub(v_set1(1), y), w = v_set1(1), p = v_set1(1);
    if (weighted) {
        if (c->q) q = v_load(at->q);
        w = v_load(at->w);
        p = v_load(at->p);
    }
    N(logit) l;
    if (careful) {
        l = N(logit_careful)(x);
    } else {
        N(pair) e = { v_load(at->e_hi), v_load(at->e_lo) };
        l = N(logit_near)(x, e);
        *seen = v_track(*seen, y, MAGNITUDE_ONE);
    }
    if (task == BCEL_TASK_GRAD_TARGET) {
        N(pair) g = N(grad_target_of)(&l, w, p, careful);
        v_store(at->out[0], v_add(g.hi, g.lo));
        return;
    }
    /* The careful loop is one for all: a weight of 1 and a pos_weight of 1 change no bit. */
    int weights = weighted || careful;
    N(coefficients) k = N(coefficients_of)(y, q, w, p, weights, careful);
    if (has_loss) {
        N(pair) loss = N(loss_of)(&l, &k, weights, careful, sums);
        if (sums) {
            if (rest < LANES) {
                vmask used = v_first((int)rest);
                loss.hi = v_select(used, loss.hi, v_set1(0));
                loss.lo = v_select(used, loss.lo, v_set1(0));
            }
            if (careful) {
                N(set_far_aside)(c->lanes, &l, k.both, rest);
                N(lanes_set_aside)(c->lanes, &loss.hi, &loss.lo);
            }
            N(lanes_add)(lanes, loss.hi, loss.lo);
        } else {
            v_store(at->out[0], v_add(loss.hi, loss.lo));
        }
    }
    if (has_grad) {
        N(denominator) by = N(denominator_of)(l.e);
        vec factor = v_set1((real)c->factor);
        vec factor_lo = v_set1((real)(c->factor - (double)(real)c->factor + c->factor_lo));
        int scaled = careful || task == BCEL_TASK_GRAD || task == BCEL_TASK_SUM_GRAD; /* others have a factor of 1 */
        if (weighted && (task == BCEL_TASK_GRAD || task == BCEL_TASK_SUM_GRAD))
            k = N(coefficients_of)(y, q, v_mul(w, v_set1((real)c->before)), p, weights, careful);
        vec grad = N(grad_of)(&l, &k, &by, factor, factor_lo, v_set1((real)c->after), scaled, careful);
        v_store(at->out[task == BCEL_TASK_LOSS_GRAD], grad);
        if (task == BCEL_TASK_GRAD_HESS) {
            vec low = v_set1((real)c->hess_floor);
            v_store(at->out[1], N(hess_of)(&l, &k, &by, low, weights, careful));
        }
    }
}

/* Room for the last, shorter vector: padded with operands that are in range and count nothing. */
typedef struct { real x[LANES], y[LANES], q[LANES], w[LANES], p[LANES], out[2][LANES]; } N(last);

static void N(fill_last)(N(last) *last, const N(places) *at, int weighted, size_t rest)
{
    N(fill)(last->x, at->x, rest, 0);
    N(fill)(last->y, at->y, rest, 0);
    if (weighted) {
        if (at->q) N(fill)(last->q, at->q, rest, 1);
        N(fill)(last->w, at->w, rest, 0);
        N(fill)(last->p, at->p, rest, 1);
    }
}

BCEL_INLINE int N(outputs)(bcel_task task)
{
    return task == BCEL_TASK_SUM ? 0 : task == BCEL_TASK_LOSS_GRAD || task == BCEL_TASK_GRAD_HESS ? 2 : 1;
}

/* Returns 1, and adds nothing to the lanes, if a target was not in [0, 1]. The careful loop does not look, and needs no
 * exponentials. */
BCEL_INLINE int N(loop)(const bcel_chunk *c, bcel_task task, int weighted, int careful, const N(exponentials) *e)
{
    int sums = task == BCEL_TASK_SUM || task == BCEL_TASK_SUM_GRAD;
    N(places) at = { c->x, c->y, c->q, c->w, c->p, careful ? NULL : e->hi, careful ? NULL : e->lo,
                     { c->out[0], c->out[1] } };
    N(last) last;
    N(lanes) lanes = N(lanes_load)(c->lanes);
    vec seen = v_set1(0);
    for (size_t i = 0; i < c->n; i += LANES) {
        size_t rest = c->n - i;
        if (rest < LANES) {
            N(fill_last)(&last, &at, weighted, rest);
            N(places) end = { last.x, last.y, last.q, last.w, last.p, at.e_hi, at.e_lo, { last.out[0], last.out[1] } };
            at = end;
        }
        N(step)(c, task, weighted, careful, &at, rest, &lanes, &seen);
        at.x += LANES;
        at.y += (size_t)c->y_step * LANES;
        if (weighted) {
            if (c->q) at.q += LANES;
            at.w += (size_t)c->w_step * LANES;
            at.p += (size_t)c->p_step * LANES;
        }
        if (!careful) {
            at.e_hi += LANES;
            at.e_lo += LANES;
        }
        for (int o = 0; o < N(outputs)(task); ++o) at.out[o] += LANES;
    }
    size_t rest = c->n % LANES;
    if (rest)
        for (int o = 0; o < N(outputs)(task); ++o)
            memcpy((real *)c->out[o] + (c->n - rest), last.out[o], rest * sizeof(real));
    if (v_exceeded(seen, MAGNITUDE_ONE)) return 1;
    if (sums) N(lanes_store)(c->lanes, &lanes);
    return 0;
}

static int N(targets_in_range)(const bcel_chunk *c)
{
    int all = 1;
    size_t n = c->y_step ? c->n : 1;
    const real *y = c->y;
    for (size_t i = 0; i < n; ++i) all &= y[i] >= 0 && y[i] <= 1;
    return all;
}

/* Not inlined: one copy serves every task, and the way there is rare. */
BCEL_NOINLINE static int N(run_carefully)(const bcel_chunk *c, bcel_task task, int weighted)
{
    if (c->check && !N(targets_in_range)(c)) return 1;
    N(loop)(c, task, weighted, 1, NULL);
    return 0;
}

/* One logarithm for each loss, where their product would lose them. */
BCEL_NOINLINE static void N(sum_singly)(const bcel_chunk *c, const N(exponentials) *e)
{
    N(loop)(c, BCEL_TASK_SUM, 0, 0, e);
}

/* Adds the losses to c->lanes and c->positives; returns 0, having added nothing, if that would not do. */
BCEL_NOINLINE static int N(sum_apart)(const bcel_chunk *c, const N(exponentials) *e)
{
    N(near_sum) negative, positive;
    if (N(near_sum_loop)(c, e, NEAR_0, &negative) || !N(near_sum_suffices)(&negative, c)) return 0;
    N(near_sum_loop)(c, e, NEAR_1, &positive);
    if (!N(near_sum_suffices)(&positive, c)) return 0;
    N(near_sum_into)(&negative, c->lanes);
    N(near_sum_into)(&positive, c->positives);
    return 1;
}

BCEL_RUN int N(run)(const bcel_chunk *c, bcel_task task, int weighted)
{
    if (c->careful) return N(run_carefully)(c, task, weighted);
    N(exponentials) e;
    if (N(exp_loop)(c, &e)) return N(run_carefully)(c, task, weighted);
    bcel_task rest = task;
    if (!weighted && (task == BCEL_TASK_SUM || task == BCEL_TASK_SUM_GRAD)) {
        N(near_sum) sum;
        if (N(near_sum_loop)(c, &e, NEAR_ALL, &sum)) return N(run_carefully)(c, task, weighted);
        if (N(near_sum_suffices)(&sum, c))
            N(near_sum_into)(&sum, c->lanes);
        else
            N(sum_singly)(c, &e);
        rest = BCEL_TASK_GRAD;
    } else if ((task == BCEL_TASK_SUM || task == BCEL_TASK_SUM_GRAD) && c->positives && N(sum_apart)(c, &e)) {
        rest = BCEL_TASK_GRAD;
    }
    if (task == BCEL_TASK_SUM && rest != task) return 0;
    return N(loop)(c, rest, weighted, 0, &e) ? N(run_carefully)(c, task, weighted) : 0;
}

#undef BCEL_DEFINE_KERNEL
#define BCEL_DEFINE_KERNEL(name, task)                                                                         \
    static int N(name)(const bcel_chunk *c) { return N(run)(c, task, 0); }                                  \
    static int N(BCEL_PASTE(weighted, name))(const bcel_chunk *c) { return N(run)(c, task, 1); }

BCEL_DEFINE_KERNEL(loss, BCEL_TASK_LOSS)
BCEL_DEFINE_KERNEL(sum, BCEL_TASK_SUM)
BCEL_DEFINE_KERNEL(grad, BCEL_TASK_GRAD)
BCEL_DEFINE_KERNEL(loss_grad, BCEL_TASK_LOSS_GRAD)
BCEL_DEFINE_KERNEL(sum_grad, BCEL_TASK_SUM_GRAD)
BCEL_DEFINE_KERNEL(grad_hess, BCEL_TASK_GRAD_HESS)

static int N(weighted_grad_target)(const bcel_chunk *c)
{
    return N(run)(c, BCEL_TASK_GRAD_TARGET, 1);
}

static void N(sum_products)(bcel_lanes *to, const void *a_values, const void *b_values, size_t n)
{
    const real *a = a_values, *b = b_values;
    N(lanes) lanes = N(lanes_load)(to);
    for (size_t i = 0; i < n; i += LANES) {
        real a_end[LANES], b_end[LANES];
        const real *a_at = a + i, *b_at = b ? b + i : NULL;
        if (n - i < LANES) {
            N(fill)(a_end, a_at, n - i, 0);
            a_at = a_end;
            if (b) {
                N(fill)(b_end, b_at, n - i, 0);
                b_at = b_end;
            }
        }
        vec hi = v_load(a_at), lo = v_set1(0);
        if (b) {
            vec factor = v_load(b_at);
            vec product = v_mul(hi, factor);
            lo = v_neg(v_fnma(hi, factor, product));
            hi = product;
        }
        N(lanes_set_aside)(to, &hi, &lo);
        N(lanes_add)(&lanes, hi, lo);
    }
    N(lanes_store)(to, &lanes);
}
