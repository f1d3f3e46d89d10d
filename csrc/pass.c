/* A pass over the elements of a plan, block by block and chunk by chunk: operands as the kernels want them, then the
 * kernel. */
#include "plan.h"

#include "convert.h"
#include "scaled.h"
#include "wide.h"

#include <math.h>
#include <string.h>

/* ---- operands of a chunk --------------------------------------------------------------------------- */

/* Elements of any type. */
typedef struct { BCEL_ALIGNED(unsigned char bytes[8 * BCEL_CHUNK]); } buffer;

typedef struct {
    buffer x, y, q, w, p, g, out[2], raw;
    unsigned char keep[BCEL_CHUNK];
    bcel_wide wide;
} buffers;

static void fill(bcel_precision precision, void *to, double value, size_t n)
{
    float *singles = to;
    double *doubles = to;
    if (precision == BCEL_SINGLE)
        for (size_t i = 0; i < n; ++i) singles[i] = (float)value;
    else
        for (size_t i = 0; i < n; ++i) doubles[i] = value;
}

/* A constant operand that takes no room for each element. */
static const void *constant(bcel_precision precision, buffer *to, double value, int *step)
{
    fill(precision, to, value, BCEL_LANES);
    *step = 0;
    return to;
}

typedef enum { WHERE_IT_IS, EXPANDED, COPIED } placement;

/* The operand's elements as floats or doubles. EXPANDED: one for each element; COPIED: in `to`, besides. */
static const void *read_real(bcel_precision precision, const bcel_view *view, size_t start, size_t n, buffer *to,
                             buffer *raw, placement where, int *step)
{
    bcel_dtype real = bcel_real_dtype(precision);
    *step = 1;
    if (view->layout == BCEL_CONSTANT) {
        const void *one = bcel_view_read(view, 0, 1, raw->bytes);
        double value = bcel_element(view->dtype, one);
        if (where == WHERE_IT_IS) return constant(precision, to, value, step);
        fill(precision, to, value, n);
        return to;
    }
    int same = view->dtype == real;
    const void *elements = bcel_view_read(view, start, n, same ? to->bytes : raw->bytes);
    if (!same)
        bcel_to_real(precision, to, view->dtype, elements, n);
    else if (where != COPIED)
        return elements;
    else if (elements != to->bytes)
        memcpy(to, elements, n * view->size);
    return to;
}

/* Whether the kernel would read an operand where it also writes. */
static int is_output(const bcel_plan *plan, const bcel_pass *pass, const bcel_view *view)
{
    for (int o = 0; o < pass->writes; ++o)
        if (plan->out[o].data == view->data) return 1;
    return 0;
}

#define MULTIPLY(type)                                                                 \
    {                                                                                  \
        type *values = to;                                                             \
        const type *factors = by;                                                      \
        for (size_t i = 0; i < n; ++i) {                                               \
            type factor = factors[step ? i : 0];                                       \
            values[i] = values[i] == 0 || factor == 0 ? 0 : values[i] * factor;        \
        }                                                                              \
    }

/* to *= by; a factor of 0 gives 0 whatever the other is. */
static void multiply(bcel_precision precision, void *to, const void *by, int step, size_t n)
{
    if (precision == BCEL_SINGLE)
        MULTIPLY(float)
    else
        MULTIPLY(double)
}

#define EXCLUDE(type)                                          \
    {                                                          \
        type *values = to;                                     \
        for (size_t i = 0; i < n; ++i)                         \
            if (!keep[i]) values[i] = (type)value;             \
    }

static void exclude(bcel_precision precision, void *to, double value, const unsigned char *keep, size_t n)
{
    if (precision == BCEL_SINGLE)
        EXCLUDE(float)
    else
        EXCLUDE(double)
}

#define REPLACE(type)                                          \
    {                                                          \
        type *values = to;                                     \
        const type *others = by;                               \
        for (size_t i = 0; i < n; ++i)                         \
            if (!keep[i]) values[i] = others[i];               \
    }

static void replace(bcel_precision precision, void *to, const void *by, const unsigned char *keep, size_t n)
{
    if (precision == BCEL_SINGLE)
        REPLACE(float)
    else
        REPLACE(double)
}

static int is_masked(const bcel_plan *plan)
{
    return plan->where.layout != BCEL_ABSENT || (plan->flags & (BCEL_IGNORE_FLOAT | BCEL_IGNORE_INT));
}

/* keep[i] = 1 for counted elements, else 0; returns their number. targets: the chunk's, of their own type. */
static size_t find_counted(const bcel_plan *plan, size_t start, size_t n, const void *targets, unsigned char *keep)
{
    if (plan->where.layout == BCEL_ABSENT) {
        memset(keep, 1, n);
    } else if (plan->where.layout == BCEL_CONSTANT) {
        memset(keep, *plan->where.data != 0, n);
    } else {
        const unsigned char *where = bcel_view_read(&plan->where, start, n, keep);
        for (size_t i = 0; i < n; ++i) keep[i] = where[i] != 0;
    }
    if (plan->flags & BCEL_IGNORE_FLOAT)
        bcel_clear_equal_float(plan->target.dtype, targets, plan->ignore_float, keep, n);
    if (plan->flags & BCEL_IGNORE_INT)
        bcel_clear_equal_int(plan->target.dtype, targets, plan->ignore_int, keep, n);
    size_t count = 0;
    for (size_t i = 0; i < n; ++i) count += keep[i];
    return count;
}

/* The chunk's targets, of their own type, one for each element. */
static const void *read_targets(const bcel_plan *plan, size_t start, size_t n, buffer *raw)
{
    return bcel_view_read(&plan->target, start, n, raw->bytes);
}

/* Lanes of the three sums over a block, and what a chunk adds to them. */
typedef struct {
    bcel_lanes loss, weight, positive;
    bcel_lanes positive_loss; /* not yet multiplied by pos_weight */
    double pos_weight;
    bcel_exact aside[4];
    uint64_t count;
} block;

static void block_init(block *b, const bcel_pass *pass)
{
    bcel_lanes_init(&b->loss, &b->aside[0]);
    if (pass->sums_weights) bcel_lanes_init(&b->weight, &b->aside[1]);
    if (pass->sums_positives) bcel_lanes_init(&b->positive, &b->aside[2]);
    b->positive_loss.multiplied = 0; /* the rest is set before that is */
    b->count = 0;
}

/* 1 for all elements: the sum then has the bits of none. */
static int is_one(const bcel_view *view)
{
    BCEL_ALIGNED(unsigned char element[8]);
    if (view->layout != BCEL_CONSTANT) return 0;
    return bcel_element(view->dtype, bcel_view_read(view, 0, 1, element)) == 1;
}

/* What two chunks later will be read of an operand that is read where it is; nothing new at the end. */
static bcel_ahead look_ahead(const bcel_plan *plan, const bcel_view *view, size_t start)
{
    int is_near_end = plan->n - start <= 3 * BCEL_CHUNK;
    bcel_ahead ahead = { (uintptr_t)view->data, 0 };
    if (view->layout != BCEL_PACKED || is_near_end) return ahead;
    ahead.at += (start + 2 * BCEL_CHUNK) * view->size;
    ahead.size = view->size;
    return ahead;
}

/* ---- one chunk ------------------------------------------------------------------------------------ */

/* What the kernels need weights for. A target of 64 bits beside floats is a pair of y and 1 - y. */
static int makes_pairs(const bcel_plan *plan, const bcel_pass *pass)
{
    int narrowed = plan->precision == BCEL_SINGLE && plan->target.dtype == BCEL_FLOAT64;
    return pass->uses_target && (narrowed || plan->label_smoothing != 0);
}

static int has_factor(const bcel_pass *pass)
{
    return pass->weight_factor.exponent != 0 || pass->weight_factor.value.hi != 1;
}

/* Whether the second output alone is multiplied by grad_output. */
static int scales_grad(const bcel_plan *plan, const bcel_pass *pass)
{
    return pass->scales_grad && plan->grad_output.layout != BCEL_ABSENT;
}

/* What multiplies the results of a pass; the target comes when it has been read. */
static bcel_factors factors_of(const bcel_plan *plan, const bcel_pass *pass)
{
    bcel_factors f = { NULL, NULL, NULL, NULL, pass->weight_factor };
    if (pass->uses_weight && plan->weight.layout != BCEL_ABSENT) f.weight = &plan->weight;
    if (pass->uses_grad_output && plan->grad_output.layout != BCEL_ABSENT) f.grad_output = &plan->grad_output;
    if (pass->uses_pos_weight && plan->pos_weight.layout != BCEL_ABSENT && !is_one(&plan->pos_weight))
        f.pos_weight = &plan->pos_weight;
    return f;
}

/* Whether the weights of a chunk are made of more than one thing, or looked at before the kernel runs. */
static int builds_weight(const bcel_plan *plan, const bcel_pass *pass, const bcel_factors *factors)
{
    return factors->grad_output || pass->target_is_weight || has_factor(pass) || (pass->uses_target && is_masked(plan))
           || (pass->sums_weights && factors->weight) || scales_grad(plan, pass);
}

static int is_weighted(const bcel_plan *plan, const bcel_pass *pass)
{
    if (pass->task == BCEL_TASK_GRAD_TARGET || makes_pairs(plan, pass)) return 1;
    bcel_factors f = factors_of(plan, pass);
    return f.weight || f.pos_weight || builds_weight(plan, pass, &f);
}

/* How the kernels multiply the gradient; kernels: 0 if they cannot. */
typedef struct { bcel_gradient_factor by; int kernels, weighted; } gradient;

static gradient gradient_of(const bcel_plan *plan, const bcel_pass *pass)
{
    gradient g = { { 1, 0, 1, 1 }, 1, is_weighted(plan, pass) };
    if (pass->task == BCEL_TASK_SUM_GRAD)
        g.kernels = bcel_split_factor(plan->precision, pass->factor, g.weighted, &g.by);
    return g;
}

static void set_factor(bcel_chunk *c, const gradient *g)
{
    c->factor = g->by.hi;
    c->factor_lo = g->by.lo;
    c->before = g->by.before;
    c->after = g->by.after;
    c->careful = !bcel_is_finite(g->by.hi);
}

/* The chunk's weights where they may be changed. */
static void own_weights(bcel_precision precision, bcel_chunk *c, buffer *to)
{
    if (c->w_step == 0)
        fill(precision, to, bcel_element(bcel_real_dtype(precision), c->w), c->n);
    else if (c->w != (const void *)to)
        memcpy(to, c->w, c->n * bcel_dtype_size(bcel_real_dtype(precision)));
    c->w = to;
    c->w_step = 1;
}

static int are_ordinary(bcel_precision precision, const bcel_chunk *c)
{
    return bcel_are_ordinary(precision, c->w, c->w_step ? c->n : 1)
           && bcel_are_ordinary(precision, c->p, c->p_step ? c->n : 1);
}

/* Whether some weight may be too much for the kernels: worth a closer look. */
static int may_be_wide(const bcel_plan *plan, const bcel_pass *pass, bcel_task task, const bcel_factors *f, int ordinary)
{
    const bcel_view *views[] = { f->weight, f->grad_output, f->pos_weight };
    int count = bcel_count_factors(f), narrowed = 0;
    for (int i = 0; i < 3; ++i) narrowed |= views[i] && views[i]->dtype == BCEL_FLOAT64;
    if (count == 0 && !f->pos_weight) return 0;
    return !ordinary || count > 1 || (narrowed && plan->precision == BCEL_SINGLE) || !(plan->flags & BCEL_CHECK)
           || (task == BCEL_TASK_SUM_GRAD && pass->factor.exponent > 0);
}

/* Runs the kernel of a task on what c has, and puts the results of elements that are too much for it in their place.
 * outputs: how many there are. */
static bcel_status run_kernel(const bcel_plan *plan, const bcel_pass *pass, bcel_task task, int outputs,
                              const bcel_factors *factors, const gradient *g, size_t start, const unsigned char *keep,
                              buffers *room, bcel_chunk *c)
{
    bcel_precision precision = plan->precision;
    int all = task == BCEL_TASK_SUM_GRAD && !g->kernels, found = 0;
    int ordinary = !g->weighted || are_ordinary(precision, c);
    set_factor(c, g);
    if (all || (g->weighted && may_be_wide(plan, pass, task, factors, ordinary)))
        found = bcel_find_wide(plan, task, factors, pass->factor, start, c, keep, all, &room->wide);
    if (found && g->weighted && (task == BCEL_TASK_SUM || task == BCEL_TASK_SUM_GRAD)) {
        own_weights(precision, c, &room->w);
        exclude(precision, &room->w, 0, room->wide.keeps_sum, c->n);
        c->positives = NULL;
        ordinary = are_ordinary(precision, c);
    }
    c->careful |= !ordinary;
    if (plan->kernels->run[precision][all ? BCEL_TASK_SUM : task][g->weighted](c)) return BCEL_TARGET_OUT_OF_RANGE;
    for (int o = 0; found && o < outputs; ++o)
        replace(precision, c->out[o], room->wide.results[o], room->wide.keeps_result, c->n);
    for (int o = 0; pass->undefined && o < outputs; ++o) fill(precision, c->out[o], (double)NAN, c->n);
    return BCEL_OK;
}

static bcel_status run_chunk(const bcel_plan *plan, const bcel_pass *pass, const gradient *g, size_t start, size_t n,
                             buffers *room, block *sums)
{
    bcel_precision precision = plan->precision;
    bcel_dtype real = bcel_real_dtype(precision);
    int check = (plan->flags & BCEL_CHECK) != 0;
    int masked = pass->uses_target && is_masked(plan);
    int pairs = makes_pairs(plan, pass); /* y and 1 - y apart */
    bcel_factors factors = factors_of(plan, pass);
    int builds = builds_weight(plan, pass, &factors);
    int apart = scales_grad(plan, pass); /* a kernel for each of the two outputs */
    placement copied = masked ? COPIED : WHERE_IT_IS;

    bcel_chunk c;
    c.n = n;
    c.check = 0;
    c.hess_floor = plan->hess_floor;
    c.lanes = &sums->loss;
    c.positives = NULL;
    c.q = pairs ? (const void *)&room->q : NULL;
    c.ahead[0] = look_ahead(plan, &plan->input, start);
    c.ahead[1] = look_ahead(plan, pass->uses_target ? &plan->target : &plan->input, start);
    size_t counted = n;

    int step;
    c.x = read_real(precision, &plan->input, start, n, &room->x, &room->raw,
                    masked || is_output(plan, pass, &plan->input) ? COPIED : EXPANDED, &step);

    if (!pass->uses_target) {
        c.y = constant(precision, &room->y, pass->target, &c.y_step);
    } else {
        /* Read as they are wherever more is to be known of them than the kernel asks. */
        const void *targets = NULL;
        if (masked || pairs || pass->target_is_weight) {
            targets = read_targets(plan, start, n, &room->raw);
            if (masked) counted = find_counted(plan, start, n, targets, room->keep);
            if (check && bcel_first_out_of_range(plan->target.dtype, targets, masked ? room->keep : NULL, n) < n)
                return BCEL_TARGET_OUT_OF_RANGE;
            if (pairs)
                bcel_targets_to_real(precision, &room->y, &room->q, plan->label_smoothing, plan->target.dtype,
                                     targets, n);
            else
                bcel_to_real(precision, &room->y, plan->target.dtype, targets, n);
            c.y = &room->y;
            c.y_step = 1;
        } else {
            c.check = check;
            c.y = read_real(precision, &plan->target, start, n, &room->y, &room->raw,
                            is_output(plan, pass, &plan->target) ? COPIED : WHERE_IT_IS, &c.y_step);
        }
        if (pass->sums_positives) {
            if (pairs)
                bcel_to_real(precision, &room->g, plan->target.dtype, targets, n);
            else
                (void)read_real(precision, &plan->target, start, n, &room->g, &room->raw, COPIED, &step);
            if (masked) exclude(precision, &room->g, 0, room->keep, n);
        }
    }

    if (g->weighted) {
        placement place = builds ? COPIED : WHERE_IT_IS;
        if (factors.weight)
            c.w = read_real(precision, &plan->weight, start, n, &room->w, &room->raw,
                            is_output(plan, pass, &plan->weight) ? COPIED : place, &c.w_step);
        else if (builds) {
            fill(precision, &room->w, 1, n);
            c.w = &room->w;
            c.w_step = 1;
        } else
            c.w = constant(precision, &room->w, 1, &c.w_step);
        if (masked) exclude(precision, &room->w, 0, room->keep, n);
        if (pass->sums_weights && factors.weight)
            plan->kernels->sum_products[precision](&sums->weight, &room->w, NULL, n);
        if (pass->sums_positives)
            plan->kernels->sum_products[precision](&sums->positive, &room->g, factors.weight ? c.w : NULL, n);
        if (pass->target_is_weight) {
            multiply(precision, &room->w, c.y, 1, n);
            factors.target = &room->y;
            c.y = constant(precision, &room->q, 1, &c.y_step);
            c.q = NULL;
        }
        if (factors.grad_output) {
            const void *by = read_real(precision, &plan->grad_output, start, n, &room->g, &room->raw, WHERE_IT_IS,
                                       &step);
            multiply(precision, &room->w, by, step, n);
        }
        if (has_factor(pass)) {
            const void *by = constant(precision, &room->g, bcel_scaled_value(pass->weight_factor).hi, &step);
            multiply(precision, &room->w, by, step, n);
        }
        if (factors.pos_weight)
            c.p = read_real(precision, &plan->pos_weight, start, n, &room->p, &room->raw,
                            is_output(plan, pass, &plan->pos_weight) ? COPIED : copied, &c.p_step);
        else
            c.p = constant(precision, &room->p, 1, &c.p_step);
        if (masked) {
            exclude(precision, &room->x, 0, room->keep, n);
            if (!pass->target_is_weight) {
                exclude(precision, &room->y, 0, room->keep, n);
                if (pairs) exclude(precision, &room->q, 1, room->keep, n);
            }
            if (factors.pos_weight) exclude(precision, &room->p, 1, room->keep, n);
        }
        if (factors.pos_weight && c.p_step == 0 && !factors.weight && !builds && !pairs) {
            c.positives = &sums->positive_loss;
            if (!c.positives->multiplied) {
                bcel_lanes_init(c.positives, &sums->aside[3]);
                bcel_to_real(BCEL_DOUBLE, &sums->pos_weight, real, c.p, 1);
            }
        }
    } else if (pass->sums_positives) {
        plan->kernels->sum_products[precision](&sums->positive, &room->g, NULL, n);
    }

    /* Read before a kernel runs: it may be where an output goes. */
    const void *scale = NULL;
    int scale_step = 1;
    if (apart)
        scale = read_real(precision, &plan->grad_output, start, n, &room->g, &room->raw, COPIED, &scale_step);

    for (int o = 0; o < pass->writes; ++o) {
        const bcel_view *out = &plan->out[o];
        int direct = out->layout == BCEL_PACKED && out->dtype == real && !apart;
        c.out[o] = direct ? (void *)(out->data + start * out->size) : (void *)&room->out[o];
    }
    const unsigned char *keep = masked ? room->keep : NULL;
    bcel_task task = apart ? BCEL_TASK_LOSS : pass->task;
    bcel_status status = run_kernel(plan, pass, task, apart ? 1 : pass->writes, &factors, g, start, keep, room, &c);
    if (apart && status == BCEL_OK) {
        multiply(precision, &room->w, scale, scale_step, n);
        factors.grad_output = &plan->grad_output;
        c.out[0] = &room->out[1];
        status = run_kernel(plan, pass, BCEL_TASK_GRAD, 1, &factors, g, start, keep, room, &c);
    }
    if (status != BCEL_OK) return status;
    for (int o = 0; o < pass->writes; ++o) {
        const bcel_view *out = &plan->out[o];
        void *made = apart ? (void *)&room->out[o] : c.out[o];
        /* An infinite factor does not reach what is left out. */
        if (masked) exclude(precision, made, 0, room->keep, n);
        if (made != (void *)&room->out[o]) continue;
        void *packed = &room->out[o];
        if (out->dtype != real) {
            bcel_from_real(precision, out->dtype, &room->raw, packed, n);
            packed = &room->raw;
        }
        bcel_view_write(out, start, n, packed);
    }
    sums->count += counted;
    return BCEL_OK;
}

static int is_packed_real(const bcel_plan *plan, const bcel_view *view)
{
    return view->layout == BCEL_PACKED && view->dtype == bcel_real_dtype(plan->precision);
}

/* Whether nothing is asked for but what a kernel makes of logits and targets alone. */
static int is_unweighted(const bcel_pass *pass, const gradient *g)
{
    return pass->uses_target && !g->weighted && !pass->sums_positives && !pass->undefined && g->kernels;
}

/* Whether, besides, the kernel can read and write where the operands and outputs are. */
static int is_plain(const bcel_plan *plan, const bcel_pass *pass, const gradient *g)
{
    if (!is_unweighted(pass, g)) return 0;
    if (!is_packed_real(plan, &plan->input) || !is_packed_real(plan, &plan->target)) return 0;
    for (int o = 0; o < pass->writes; ++o) {
        const bcel_view *out = &plan->out[o];
        if (!is_packed_real(plan, out) || out->data == plan->input.data || out->data == plan->target.data) return 0;
    }
    return 1;
}

/* run_chunk for such a pass. */
static bcel_status run_plain_chunk(const bcel_plan *plan, const bcel_pass *pass, const gradient *g, size_t start,
                                   size_t n, block *sums)
{
    size_t offset = start * plan->input.size;
    bcel_chunk c = { .n = n, .x = plan->input.data + offset, .y = plan->target.data + offset, .y_step = 1,
                     .hess_floor = plan->hess_floor, .check = (plan->flags & BCEL_CHECK) != 0, .lanes = &sums->loss,
                     .ahead = { look_ahead(plan, &plan->input, start), look_ahead(plan, &plan->target, start) } };
    set_factor(&c, g);
    for (int o = 0; o < pass->writes; ++o) c.out[o] = plan->out[o].data + offset;
    if (plan->kernels->run[plan->precision][pass->task][0](&c)) return BCEL_TARGET_OUT_OF_RANGE;
    sums->count += n;
    return BCEL_OK;
}

/* ---- passes ---------------------------------------------------------------------------------------- */

/* What is added to `start` never goes beyond `end`, which may be SIZE_MAX. */
static size_t chunk_length(size_t start, size_t end)
{
    return end - start < BCEL_CHUNK ? end - start : BCEL_CHUNK;
}

void bcel_totals_init(bcel_totals *totals)
{
    bcel_total_init(&totals->loss);
    bcel_total_init(&totals->weight);
    bcel_total_init(&totals->positive);
    totals->count = 0;
}

/* losses: the block whose losses the lanes are, or NULL. */
static void add_block(const bcel_plan *plan, bcel_total *total, const bcel_lanes *lanes, const block *losses)
{
    bcel_pair value = plan->kernels->lanes_value[plan->precision](lanes);
    if (losses && losses->positive_loss.multiplied) {
        bcel_scaled positive = { plan->kernels->lanes_value[plan->precision](&losses->positive_loss), 0 };
        bcel_pair pos_weight = { losses->pos_weight, 0 };
        value = bcel_pair_add(value, bcel_scaled_multiply(positive, pos_weight));
    }
    bcel_total_add(total, value, lanes);
}

bcel_status bcel_plan_run(const bcel_plan *plan, const bcel_pass *pass, size_t start, size_t end,
                          bcel_totals *totals)
{
    buffers room;
    block sums;
    if (start == end) return BCEL_OK; /* of no element nothing may be read, not even what is the same for all */
    gradient g = gradient_of(plan, pass);
    int plain = is_plain(plan, pass, &g);
    while (start < end) {
        size_t block_end = end - start > BCEL_BLOCK ? start + BCEL_BLOCK : end;
        block_init(&sums, pass);
        for (size_t n; start < block_end; start += n) {
            n = chunk_length(start, block_end);
            bcel_status status = plain ? run_plain_chunk(plan, pass, &g, start, n, &sums)
                                       : run_chunk(plan, pass, &g, start, n, &room, &sums);
            if (status != BCEL_OK) return status;
        }
        if (!totals) continue;
        add_block(plan, &totals->loss, &sums.loss, &sums);
        if (pass->sums_weights && plan->weight.layout != BCEL_ABSENT)
            add_block(plan, &totals->weight, &sums.weight, NULL);
        if (pass->sums_positives) add_block(plan, &totals->positive, &sums.positive, NULL);
        totals->count += sums.count;
    }
    return BCEL_OK;
}

/* ---- columns --------------------------------------------------------------------------------------- */

/* A chunk of each column. */
typedef struct { BCEL_ALIGNED(unsigned char bytes[BCEL_COLUMNS * BCEL_CHUNK * sizeof(float)]); } tile;

/* n rows of a tile, `row` apart in memory, of columns `column` apart. */
BCEL_INLINE void fill_tile_of(tile *to, size_t size, const char *from, ptrdiff_t row, ptrdiff_t column, size_t n,
                              int columns)
{
    for (size_t i = 0; i < n; ++i)
        for (int c = 0; c < columns; ++c)
            memcpy(to->bytes + ((size_t)c * BCEL_CHUNK + i) * size, from + (ptrdiff_t)i * row + c * column, size);
}

static void fill_tile(bcel_precision precision, tile *to, const bcel_view *view, size_t start, ptrdiff_t column,
                      size_t n, int columns)
{
    ptrdiff_t row = view->strides[0];
    const char *from = view->data + (ptrdiff_t)start * row;
    if (precision == BCEL_SINGLE && columns == BCEL_COLUMNS)
        fill_tile_of(to, sizeof(float), from, row, column, n, BCEL_COLUMNS);
    else if (precision == BCEL_SINGLE)
        fill_tile_of(to, sizeof(float), from, row, column, n, columns);
    else if (columns == BCEL_COLUMNS / 2)
        fill_tile_of(to, sizeof(double), from, row, column, n, BCEL_COLUMNS / 2);
    else
        fill_tile_of(to, sizeof(double), from, row, column, n, columns);
}

static const void *tile_column(bcel_precision precision, const tile *from, int column)
{
    size_t size = precision == BCEL_SINGLE ? sizeof(float) : sizeof(double);
    return from->bytes + (size_t)column * BCEL_CHUNK * size;
}

static int is_real_column(const bcel_plan *plan, const bcel_view *view)
{
    return view->layout == BCEL_SCATTERED && view->ndim == 1 && !view->swapped
           && view->dtype == bcel_real_dtype(plan->precision);
}

int bcel_plan_columns(const bcel_plan *plan, const bcel_pass *pass)
{
    if (plan->n == 0) return 1;
    gradient g = gradient_of(plan, pass);
    if (!is_unweighted(pass, &g) || !is_real_column(plan, &plan->input) || !is_real_column(plan, &plan->target))
        return 1;
    return plan->precision == BCEL_SINGLE ? BCEL_COLUMNS : BCEL_COLUMNS / 2;
}

bcel_status bcel_plan_sum_columns(const bcel_plan *plan, const bcel_pass *pass, int columns, ptrdiff_t input_step,
                                  ptrdiff_t target_step, size_t start, size_t end, bcel_total *totals)
{
    bcel_precision precision = plan->precision;
    const bcel_kernels *kernels = plan->kernels;
    tile x, y;
    bcel_lanes lanes[BCEL_COLUMNS];
    bcel_exact aside[BCEL_COLUMNS];
    for (int i = 0; i < columns; ++i) bcel_total_init(&totals[i]);
    while (start < end) {
        size_t block_end = end - start > BCEL_BLOCK ? start + BCEL_BLOCK : end;
        for (int i = 0; i < columns; ++i) bcel_lanes_init(&lanes[i], &aside[i]);
        for (size_t n; start < block_end; start += n) {
            n = chunk_length(start, block_end);
            fill_tile(precision, &x, &plan->input, start, input_step, n, columns);
            fill_tile(precision, &y, &plan->target, start, target_step, n, columns);
            for (int i = 0; i < columns; ++i) {
                bcel_chunk c = { .n = n, .x = tile_column(precision, &x, i), .y = tile_column(precision, &y, i),
                                 .y_step = 1, .check = (plan->flags & BCEL_CHECK) != 0, .lanes = &lanes[i],
                                 .factor = 1, .before = 1, .after = 1,
                                 .ahead = { { (uintptr_t)&x, 0 }, { (uintptr_t)&y, 0 } } };
                if (kernels->run[precision][pass->task][0](&c)) return BCEL_TARGET_OUT_OF_RANGE;
            }
        }
        for (int i = 0; i < columns; ++i)
            bcel_total_add(&totals[i], kernels->lanes_value[precision](&lanes[i]), &lanes[i]);
    }
    return BCEL_OK;
}

/* ---- without a kernel ------------------------------------------------------------------------------ */

void bcel_plan_count(const bcel_plan *plan, size_t start, size_t end, uint64_t *count, bcel_total *weight)
{
    buffers room;
    block sums;
    bcel_pass pass = { 0 };
    int masked = is_masked(plan);
    int has_weight = weight && plan->weight.layout != BCEL_ABSENT;
    pass.sums_weights = has_weight;
    *count = masked ? 0 : end - start;
    while ((masked || has_weight) && start < end) {
        size_t block_end = end - start > BCEL_BLOCK ? start + BCEL_BLOCK : end;
        block_init(&sums, &pass);
        for (size_t n; start < block_end; start += n) {
            n = chunk_length(start, block_end);
            int step;
            if (masked) *count += find_counted(plan, start, n, read_targets(plan, start, n, &room.raw), room.keep);
            if (!has_weight) continue;
            (void)read_real(plan->precision, &plan->weight, start, n, &room.w, &room.raw, COPIED, &step);
            if (masked) exclude(plan->precision, &room.w, 0, room.keep, n);
            plan->kernels->sum_products[plan->precision](&sums.weight, &room.w, NULL, n);
        }
        if (has_weight) add_block(plan, weight, &sums.weight, NULL);
    }
}

size_t bcel_plan_find_bad_target(const bcel_plan *plan)
{
    buffers room;
    for (size_t start = 0, n; start < plan->n; start += n) {
        n = chunk_length(start, plan->n);
        const void *targets = read_targets(plan, start, n, &room.raw);
        if (is_masked(plan)) find_counted(plan, start, n, targets, room.keep);
        size_t bad = bcel_first_out_of_range(plan->target.dtype, targets, is_masked(plan) ? room.keep : NULL, n);
        if (bad < n) return start + bad;
    }
    return plan->n;
}
