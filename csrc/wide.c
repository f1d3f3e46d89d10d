#include "wide.h"

#include "coefficients.h"
#include "convert.h"
#include "scaled.h"

#include <math.h>
#include <string.h>

/* ---- values --------------------------------------------------------------------------------------- */

/* Elements that are evaluated at a time. */
enum { GROUP = BCEL_LANES };

/* w is the product of all that multiplies a result, p is pos_weight, q is 1 - y. sums: the loss is set aside. */
typedef struct {
    int n;
    size_t at[GROUP];
    unsigned char sums[GROUP];
    double x[GROUP], y[GROUP], q[GROUP], p[GROUP];
    bcel_scaled w[GROUP];
} group;

/* From here on exp(-t) rounds to 0 whatever it is multiplied by: w, p, y, grad_output and its sum's reciprocal are each
 * below 2^1075, and 6 * 1075 ln 2 < 5200. */
#define VANISHES 5200.0

/* Up to it a double of exp(-t) is a normal number; beyond, log1p(exp(-t)) and the sigmoid of -t are exp(-t) to the last
 * bit. */
#define SMALL_FROM 600.0

/* log1p(exp(-t)), t = |x|, and the sigmoids of t and -t times a mantissa. */
typedef struct { bcel_scaled t, softplus, towards_1, towards_0; } logit;

/* t = n * 512 ln 2 + rest + rest_lo, rest at most SMALL_FROM: exp(-t) = 2^(-512 n) exp(-rest) (1 - rest_lo). The product
 * by the short LN2_HI is exact, and so is the difference: both are multiples of 2^-40, and smaller than t. */
static int reduce_logit(double t, double *rest, double *rest_lo)
{
    double n = t > SMALL_FROM ? 1 + (int)((t - SMALL_FROM) / (512 * BCEL_LN2_F64)) : 0;
    double first = t - n * (512 * BCEL_LN2_HI_F64), second = n * (512 * BCEL_LN2_LO_F64);
    *rest = first - second;
    *rest_lo = (first - *rest) - second;
    return (int)n;
}

/* What a kernel made of the rest, for t itself. */
static bcel_scaled from_rest(double value, int n, double rest_lo)
{
    bcel_scaled r = bcel_scaled_of(n ? value - value * rest_lo : value);
    r.exponent -= 512 * n;
    return r;
}

/* The kernels for doubles do it. The mantissa is multiplied in by them: without weights the gradient is as accurate as
 * theirs. */
static void evaluate_logits(const bcel_kernels *kernels, const group *g, bcel_pair mantissa, logit logits[GROUP])
{
    double t[GROUP], minus_t[GROUP], zeros[GROUP] = { 0 }, rest_lo[GROUP];
    double softplus[GROUP], towards_1[GROUP], towards_0[GROUP];
    int n[GROUP];
    bcel_lanes lanes;
    bcel_exact aside;
    bcel_lanes_init(&lanes, &aside);
    for (int i = 0; i < g->n; ++i) {
        double magnitude = fabs(g->x[i]);
        n[i] = reduce_logit(magnitude < VANISHES ? magnitude : VANISHES, &t[i], &rest_lo[i]);
        minus_t[i] = -t[i];
    }
    bcel_chunk c = { .n = (size_t)g->n, .x = minus_t, .y = zeros, .y_step = 1, .factor = mantissa.hi,
                     .factor_lo = mantissa.lo, .before = 1, .after = 1, .lanes = &lanes,
                     .ahead = { { (uintptr_t)t, 0 }, { (uintptr_t)t, 0 } } };
    c.out[0] = softplus;
    kernels->run[BCEL_DOUBLE][BCEL_TASK_LOSS][0](&c);
    c.out[0] = towards_0;
    kernels->run[BCEL_DOUBLE][BCEL_TASK_SUM_GRAD][0](&c); /* for the gradient: nobody looks at the lanes */
    c.x = t;
    c.out[0] = towards_1;
    kernels->run[BCEL_DOUBLE][BCEL_TASK_SUM_GRAD][0](&c);
    for (int i = 0; i < g->n; ++i) {
        double magnitude = fabs(g->x[i]);
        int vanishes = magnitude >= VANISHES;
        logits[i].t = bcel_scaled_of(magnitude);
        logits[i].softplus = from_rest(vanishes ? 0 : softplus[i], n[i], rest_lo[i]);
        logits[i].towards_0 = from_rest(vanishes ? 0 : towards_0[i], n[i], rest_lo[i]);
        logits[i].towards_1 = bcel_scaled_of(towards_1[i]);
    }
}

/* p y, q and p y + q. */
typedef struct { bcel_scaled positive, negative, both; int is_positive; } coefficients;

/* w [p y sp(-x) + q sp(x)] with sp(t) = t + sp(-t) for the larger of the two. */
static bcel_scaled loss_of(bcel_scaled w, const coefficients *c, const logit *l)
{
    bcel_scaled linear = bcel_scaled_product(c->is_positive ? c->negative : c->positive, l->t);
    return bcel_scaled_product(w, bcel_scaled_sum(linear, bcel_scaled_product(c->both, l->softplus)));
}

/* w [q s(x) - p y s(-x)] */
static bcel_scaled grad_of(bcel_scaled w, const coefficients *c, const logit *l)
{
    bcel_scaled up = bcel_scaled_product(c->negative, c->is_positive ? l->towards_1 : l->towards_0);
    bcel_scaled down = bcel_scaled_product(c->positive, c->is_positive ? l->towards_0 : l->towards_1);
    return bcel_scaled_product(w, bcel_scaled_sum(up, bcel_scaled_minus(down)));
}

/* w (p y + q) max(s(x) s(-x), low) */
static bcel_scaled hess_of(bcel_scaled w, const coefficients *c, const logit *l, double low)
{
    bcel_scaled slope = bcel_scaled_product(l->towards_0, l->towards_1);
    if (bcel_scaled_value(slope).hi < low) slope = bcel_scaled_of(low);
    return bcel_scaled_product(w, bcel_scaled_product(c->both, slope));
}

/* w [p sp(-x) - sp(x)] */
static bcel_scaled grad_target_of(bcel_scaled w, bcel_scaled p, const coefficients *c, const logit *l)
{
    bcel_scaled linear = c->is_positive ? bcel_scaled_minus(l->t) : bcel_scaled_product(p, l->t);
    bcel_scaled less = bcel_scaled_sum(p, bcel_scaled_of(-1));
    return bcel_scaled_product(w, bcel_scaled_sum(linear, bcel_scaled_product(less, l->softplus)));
}

/* results[o][i]: output o; of a sum the loss comes first. */
static void evaluate(const bcel_plan *plan, bcel_task task, const group *g, bcel_scaled gradient_factor,
                     bcel_scaled results[2][GROUP])
{
    logit logits[GROUP];
    evaluate_logits(plan->kernels, g, gradient_factor.value, logits);
    for (int i = 0; i < g->n; ++i) {
        bcel_scaled w = g->w[i], p = bcel_scaled_of(g->p[i]), q = bcel_scaled_of(g->q[i]);
        coefficients c = { bcel_scaled_product(p, bcel_scaled_of(g->y[i])), q, w, g->x[i] > 0 };
        c.both = bcel_scaled_sum(c.positive, q);
        if (g->x[i] != g->x[i]) {
            int has_terms = task == BCEL_TASK_GRAD_TARGET || c.positive.value.hi != 0 || q.value.hi != 0;
            int counts = w.value.hi != 0 && has_terms;
            results[0][i] = results[1][i] = bcel_scaled_of(counts ? (double)NAN : 0);
            continue;
        }
        bcel_scaled grad = grad_of(w, &c, &logits[i]);
        grad.exponent += gradient_factor.exponent;
        results[0][i] = loss_of(w, &c, &logits[i]);
        results[1][i] = grad;
        if (task == BCEL_TASK_GRAD || task == BCEL_TASK_GRAD_HESS) results[0][i] = grad;
        if (task == BCEL_TASK_GRAD_TARGET) results[0][i] = grad_target_of(w, p, &c, &logits[i]);
        if (task == BCEL_TASK_GRAD_HESS) results[1][i] = hess_of(w, &c, &logits[i], plan->hess_floor);
    }
}

/* ---- which elements ------------------------------------------------------------------------------- */

/* Exponents between which the power of two of a gradient's factor may be, and the largest if it goes into weights. */
static int largest_exponent(bcel_precision precision, int weighted)
{
    if (weighted) return precision == BCEL_SINGLE ? 60 : 600;
    return precision == BCEL_SINGLE ? 100 : 900;
}

static double power_of_two(int n)
{
    bcel_scaled power = { { 1, 0 }, n };
    return bcel_scaled_value(power).hi;
}

int bcel_split_factor(bcel_precision precision, bcel_scaled factor, int weighted, bcel_gradient_factor *split)
{
    bcel_gradient_factor none = { 1, 0, 1, 1 };
    int before = weighted && factor.exponent > 0;
    *split = none;
    if (factor.exponent == 0) {
        split->hi = factor.value.hi;
        split->lo = factor.value.lo;
        return 1;
    }
    if (factor.exponent > largest_exponent(precision, weighted)) return 0;
    if (factor.exponent < -largest_exponent(precision, 0)) return 0;
    split->hi = factor.value.hi;
    split->lo = factor.value.lo;
    *(before ? &split->before : &split->after) = power_of_two(factor.exponent);
    return 1;
}

/* Magnitudes from low on and below high, and 0. */
typedef struct { double low, high; } limits;

static int is_within(double a, limits in)
{
    return a == 0 || (fabs(a) >= in.low && fabs(a) < in.high);
}

static int is_scaled_within(bcel_scaled a, limits in)
{
    double value = bcel_scaled_value(a).hi;
    return a.value.hi == 0 || (value != 0 && is_within(value, in));
}

/* What the factors of a weight, and pos_weight, may be for a kernel to take them. */
typedef struct { limits w, p; } weight_limits;

/* A weight that is the product of `count` factors is between 2^-100 and 2^60 (2^-500 and 2^500). Where a gradient's
 * factor is above 1, what it multiplies must not be subnormal: with a weight of 2^-40, a pos_weight of 2^-20 and 2^60
 * multiplied in first, a gradient of exp(-80) is about 2^-116 (2^-400, 2^-100, 2^600 and exp(-690): 2^-896). */
static weight_limits limits_of(bcel_precision precision, bcel_task task, bcel_scaled gradient_factor, int count)
{
    weight_limits single = { { 0x1p-40, 0x1p30 }, { 0x1p-20, 0x1p30 } };
    weight_limits dbl = { { 0x1p-400, 0x1p200 }, { 0x1p-100, 0x1p200 } };
    int is_single = precision == BCEL_SINGLE;
    if (task == BCEL_TASK_SUM_GRAD && gradient_factor.exponent > 0) return is_single ? single : dbl;
    limits of_product = { is_single ? 0x1p-100 : 0x1p-500, is_single ? 0x1p60 : 0x1p500 };
    weight_limits r = { of_product, of_product };
    if (count > 1) {
        r.w.low = power_of_two((is_single ? -100 : -500) / count);
        r.w.high = power_of_two((is_single ? 60 : 500) / count);
    }
    if (task == BCEL_TASK_GRAD_TARGET) r.p = r.w; /* it is a factor beside them */
    return r;
}

/* A chunk of a factor as doubles: one for each element, or, with a step of 0, one for all. */
typedef struct { const double *values; size_t step; BCEL_ALIGNED(unsigned char room[8 * BCEL_CHUNK]); } factor;

enum { WEIGHT, GRAD_OUTPUT, TARGET, POS_WEIGHT, FACTORS };

static void set_factor(factor *to, double value)
{
    memcpy(to->room, &value, sizeof value);
    to->values = (const void *)to->room;
    to->step = 0;
}

static void read_factor(factor *to, const bcel_view *view, size_t start, size_t n)
{
    BCEL_ALIGNED(unsigned char raw[8 * BCEL_CHUNK]);
    if (!view) {
        set_factor(to, 1);
        return;
    }
    to->step = view->layout != BCEL_CONSTANT;
    to->values = (const void *)to->room;
    size_t count = to->step ? n : 1;
    const void *elements = bcel_view_read(view, start, count, view->dtype == BCEL_FLOAT64 ? to->room : raw);
    if (view->dtype == BCEL_FLOAT64)
        to->values = elements;
    else
        bcel_to_real(BCEL_DOUBLE, to->room, view->dtype, elements, count);
}

static int all_within(const bcel_plan *plan, const factor *f, size_t n, limits in)
{
    if (!f->step) return is_within(f->values[0], in);
    return plan->kernels->are_within[BCEL_DOUBLE](in.low, in.high, f->values, n);
}

static double real_at(bcel_precision precision, const void *from, size_t i)
{
    return precision == BCEL_SINGLE ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

/* ---- results -------------------------------------------------------------------------------------- */

static void put_result(bcel_precision precision, unsigned char *results, size_t i, bcel_scaled value)
{
    bcel_pair pair = bcel_scaled_value(value);
    size_t size = precision == BCEL_SINGLE ? sizeof(float) : sizeof(double);
    BCEL_ALIGNED(unsigned char element[8]);
    bcel_from_pair(bcel_real_dtype(precision), element, &pair);
    memcpy(results + i * size, element, size);
}

/* An exact sum holds terms beyond the range of a double: their mean may be within it. */
#define LARGEST_TERM 1088

static void set_aside(bcel_lanes *lanes, bcel_scaled loss)
{
    if (!bcel_is_finite(loss.value.hi) || loss.exponent >= LARGEST_TERM) {
        bcel_lanes_set_aside(lanes, loss.value.hi * (double)INFINITY, 0);
        return;
    }
    bcel_lanes_set_aside(lanes, loss.value.hi, loss.exponent);
    bcel_lanes_set_aside(lanes, loss.value.lo, loss.exponent);
}

static void settle(const bcel_plan *plan, bcel_task task, bcel_scaled gradient_factor, group *g, bcel_lanes *lanes,
                   bcel_wide *wide)
{
    bcel_scaled results[2][GROUP];
    int is_sum = task == BCEL_TASK_SUM || task == BCEL_TASK_SUM_GRAD;
    if (g->n == 0) return;
    evaluate(plan, task, g, gradient_factor, results);
    for (int i = 0; i < g->n; ++i) {
        if (g->sums[i]) set_aside(lanes, results[0][i]);
        for (int o = 0; o < 2; ++o) put_result(plan->precision, wide->results[o], g->at[i], results[is_sum | o][i]);
    }
    g->n = 0;
}

int bcel_count_factors(const bcel_factors *factors)
{
    int has_factor = factors->factor.exponent != 0 || factors->factor.value.hi != 1;
    return (factors->weight != NULL) + (factors->grad_output != NULL) + (factors->target != NULL) + has_factor;
}

int bcel_find_wide(const bcel_plan *plan, bcel_task task, const bcel_factors *factors, bcel_scaled gradient_factor,
                   size_t start, const bcel_chunk *c, const unsigned char *keep, int all, bcel_wide *wide)
{
    size_t n = c->n;
    int is_sum = task == BCEL_TASK_SUM || task == BCEL_TASK_SUM_GRAD;
    int count = bcel_count_factors(factors);
    int weighted = count || factors->pos_weight;
    count += task == BCEL_TASK_GRAD_TARGET;
    weight_limits in = limits_of(plan->precision, task, gradient_factor, count);
    weight_limits in_sum = limits_of(plan->precision, BCEL_TASK_SUM, gradient_factor, count);
    limits in_targets = { 0, in.p.high };
    int unchecked = weighted && !(plan->flags & BCEL_CHECK); /* a target may be anything */

    factor read[FACTORS];
    read_factor(&read[WEIGHT], factors->weight, start, n);
    read_factor(&read[GRAD_OUTPUT], factors->grad_output, start, n);
    read_factor(&read[POS_WEIGHT], factors->pos_weight, start, n);
    set_factor(&read[TARGET], 1);
    if (factors->target) {
        bcel_to_real(BCEL_DOUBLE, read[TARGET].room, bcel_real_dtype(plan->precision), factors->target, n);
        read[TARGET].step = 1;
    }
    int found = all || unchecked || !is_scaled_within(factors->factor, in.w);
    for (int f = 0; f < FACTORS; ++f) found |= !all_within(plan, &read[f], n, f == POS_WEIGHT ? in.p : in.w);
    if (!found) return 0;

    group g;
    g.n = 0;
    found = 0;
    memset(wide->keeps_result, 1, n);
    memset(wide->keeps_sum, 1, n);
    for (size_t i = 0; i < n; ++i) {
        if (keep && !keep[i]) continue;
        double y = real_at(plan->precision, c->y, c->y_step ? i : 0), q = 1 - y;
        if (c->q) q = real_at(plan->precision, c->q, i);
        int finite = bcel_is_finite(factors->factor.value.hi) && bcel_is_finite(y);
        int fits = !unchecked || (is_within(y, in_targets) && is_within(q, in_targets));
        int fits_sum = fits && is_scaled_within(factors->factor, in_sum.w);
        fits &= is_scaled_within(factors->factor, in.w);
        bcel_scaled w = factors->factor;
        double values[FACTORS];
        for (int f = 0; f < FACTORS; ++f) {
            values[f] = read[f].values[i * read[f].step];
            finite &= bcel_is_finite(values[f]);
            fits &= is_within(values[f], f == POS_WEIGHT ? in.p : in.w);
            fits_sum &= is_within(values[f], f == POS_WEIGHT ? in_sum.p : in_sum.w);
            if (f != POS_WEIGHT) w = bcel_scaled_product(w, bcel_scaled_of(values[f]));
        }
        /* What is infinite or NaN is as the kernels have it. */
        if (!all && (fits || !finite)) continue;
        g.at[g.n] = i;
        g.sums[g.n] = (unsigned char)(is_sum && weighted && finite && !fits_sum);
        g.x[g.n] = real_at(plan->precision, c->x, i);
        g.y[g.n] = y;
        g.q[g.n] = q;
        g.p[g.n] = values[POS_WEIGHT];
        g.w[g.n] = w;
        wide->keeps_result[i] = 0;
        wide->keeps_sum[i] = !g.sums[g.n];
        found = 1;
        if (++g.n == GROUP) settle(plan, task, gradient_factor, &g, c->lanes, wide);
    }
    settle(plan, task, gradient_factor, &g, c->lanes, wide);
    return found;
}
