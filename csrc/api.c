/* The functions of bcelogits.h: each sets up a pass, or two, and rounds the result. */
#include "convert.h"
#include "dispatch.h"
#include "plan.h"
#include "scaled.h"

#include <math.h>
#include <string.h>

const char *bcel_status_text(bcel_status status)
{
    switch (status) {
    case BCEL_OK: return "success";
    case BCEL_TARGET_OUT_OF_RANGE: return "a target is outside [0, 1]";
    case BCEL_INVALID_ARGUMENT: return "invalid argument";
    case BCEL_UNKNOWN_ISA: return "unknown instruction set";
    case BCEL_UNSUPPORTED_ISA: return "instruction set not supported by this processor";
    }
    return "unknown status";
}

const char *bcel_version(void)
{
    return BCELOGITS_VERSION;
}

int bcel_version_number(void)
{
    return BCELOGITS_VERSION_NUMBER;
}

int bcel_abi_version(void)
{
    return BCELOGITS_ABI_VERSION;
}

void bcel_call_init(bcel_call *call)
{
    memset(call, 0, sizeof *call);
    call->flags = BCEL_CHECK;
}

static bcel_pass pass_for(bcel_task task, int writes)
{
    bcel_pass pass;
    memset(&pass, 0, sizeof pass);
    pass.task = task;
    pass.writes = writes;
    pass.uses_target = 1;
    pass.uses_weight = 1;
    pass.uses_pos_weight = 1;
    pass.weight_factor.value.hi = 1;
    pass.factor.value.hi = 1;
    return pass;
}

/* The loss of a constant target, of the logit alone. */
static bcel_pass pass_of_logit(bcel_task task, double target)
{
    bcel_pass pass = pass_for(task, 1);
    pass.uses_target = 0;
    pass.target = target;
    pass.uses_weight = 0;
    pass.uses_pos_weight = 0;
    return pass;
}

/* Derivatives by target, weight and pos_weight as passes of one output or of a sum. */
static bcel_pass pass_for_grad(bcel_function function, int sums, double label_smoothing)
{
    bcel_pass pass = pass_for(sums ? BCEL_TASK_SUM : BCEL_TASK_LOSS, !sums);
    pass.uses_grad_output = 1;
    if (function == BCEL_GRAD_TARGET) {
        pass.task = BCEL_TASK_GRAD_TARGET;
        pass.weight_factor = bcel_scaled_of(1 - label_smoothing);
    } else if (function == BCEL_GRAD_WEIGHT) {
        pass.uses_weight = 0;
    } else {
        pass.uses_pos_weight = 0;
        pass.target_is_weight = 1;
    }
    return pass;
}

static int is_grad_of_parameter(bcel_function function)
{
    return function == BCEL_GRAD_TARGET || function == BCEL_GRAD_WEIGHT || function == BCEL_GRAD_POS_WEIGHT;
}

static bcel_status run_all(const bcel_plan *plan, const bcel_pass *pass, bcel_totals *totals)
{
    return bcel_plan_run(plan, pass, 0, plan->n, totals);
}

/* Elements of blocks first_block <= i < last_block, as far as there are any. */
typedef struct { size_t start, end; } range;

static range range_of_blocks(size_t n, size_t first_block, size_t last_block)
{
    size_t full = n / BCEL_BLOCK;
    range r = { first_block > full ? n : first_block * BCEL_BLOCK, last_block > full ? n : last_block * BCEL_BLOCK };
    if (r.start > r.end) r.start = r.end;
    return r;
}

bcel_status bcel_map_blocks(bcel_function function, const bcel_call *call, const bcel_output *outputs,
                            size_t first_block, size_t last_block)
{
    bcel_pass pass;
    switch (function) {
    case BCEL_LOSS: pass = pass_for(BCEL_TASK_LOSS, 1); break;
    case BCEL_GRAD: pass = pass_for(BCEL_TASK_GRAD, 1); pass.uses_grad_output = 1; break;
    case BCEL_GRAD_TARGET:
    case BCEL_GRAD_WEIGHT:
    case BCEL_GRAD_POS_WEIGHT: pass = pass_for_grad(function, 0, call->label_smoothing); break;
    case BCEL_LOSS_AND_GRAD: pass = pass_for(BCEL_TASK_LOSS_GRAD, 2); pass.scales_grad = 1; break;
    case BCEL_GRAD_AND_HESS: pass = pass_for(BCEL_TASK_GRAD_HESS, 2); pass.uses_grad_output = 1; break;
    case BCEL_SIGMOID: pass = pass_of_logit(BCEL_TASK_GRAD, 0); break;
    case BCEL_LOG_SIGMOID: pass = pass_of_logit(BCEL_TASK_LOSS, 1); pass.weight_factor = bcel_scaled_of(-1); break;
    case BCEL_SOFTPLUS: pass = pass_of_logit(BCEL_TASK_LOSS, 0); break;
    default: return BCEL_INVALID_ARGUMENT;
    }
    bcel_plan plan;
    bcel_status status = bcel_plan_init(&plan, call, 0, BCEL_ORDER_ANY, outputs, pass.writes, pass.uses_target);
    if (status != BCEL_OK) return status;
    range r = range_of_blocks(plan.n, first_block, last_block);
    return bcel_plan_run(&plan, &pass, r.start, r.end, NULL);
}

bcel_status bcel_map(bcel_function function, const bcel_call *call, const bcel_output *outputs)
{
    return bcel_map_blocks(function, call, outputs, 0, SIZE_MAX);
}

/* ---- reductions ---------------------------------------------------------------------------------- */

static int is_reduction(bcel_reduction reduction)
{
    return reduction == BCEL_SUM || reduction == BCEL_MEAN || reduction == BCEL_WEIGHTED_MEAN;
}

static bcel_scaled scaled(double value)
{
    bcel_scaled r = { { value, 0 }, 0 };
    return r;
}

/* What a reduction divides by: 1, the number of counted elements, or the sum of their weights. */
static bcel_scaled divisor(bcel_reduction reduction, const bcel_plan *plan, uint64_t count, const bcel_total *weight)
{
    if (reduction == BCEL_SUM) return scaled(1);
    if (reduction == BCEL_MEAN || plan->weight.layout == BCEL_ABSENT) return scaled((double)count);
    return bcel_total_value(weight);
}

/* A pass for the loss that also sums what the reduction needs. */
static bcel_pass pass_for_reduction(bcel_task task, int writes, bcel_reduction reduction)
{
    bcel_pass pass = pass_for(task, writes);
    pass.sums_weights = reduction == BCEL_WEIGHTED_MEAN;
    return pass;
}

/* Steps through the indices of the first `kept` dimensions and moves a plan for the rest along with them. */
typedef struct {
    int kept;
    const size_t *shape;
    size_t index[BCEL_MAX_DIMS];
    ptrdiff_t strides[BCEL_OPERANDS][BCEL_MAX_DIMS];
    ptrdiff_t out_strides[BCEL_MAX_DIMS];
    char *out;
    bcel_dtype out_dtype;
    int out_swapped;
    size_t left;
} kept_walk;

static void packed_strides(ptrdiff_t *strides, int ndim, const size_t *shape, size_t size)
{
    size_t stride = size; /* may overflow beside an extent of 0, where none is used */
    for (int d = ndim - 1; d >= 0; --d) {
        strides[d] = (ptrdiff_t)stride;
        stride *= shape[d];
    }
}

static bcel_status kept_walk_init(kept_walk *walk, int kept, const bcel_call *call)
{
    if (kept < 0 || kept > call->ndim || call->ndim > BCEL_MAX_DIMS || (kept && !call->shape))
        return BCEL_INVALID_ARGUMENT;
    const bcel_operand *operands[BCEL_OPERANDS];
    bcel_call_operands(call, operands);
    walk->kept = kept;
    walk->shape = call->shape;
    walk->out = NULL;
    if (!bcel_element_count(kept, call->shape, &walk->left)) return BCEL_INVALID_ARGUMENT;
    for (int d = 0; d < kept; ++d) walk->index[d] = 0;
    for (int i = 0; kept && i < BCEL_OPERANDS; ++i) {
        const bcel_operand *o = operands[i];
        if (o->strides)
            memcpy(walk->strides[i], o->strides, (size_t)kept * sizeof(ptrdiff_t));
        else
            packed_strides(walk->strides[i], call->ndim, call->shape, o->data ? bcel_dtype_size(o->dtype) : 0);
    }
    return BCEL_OK;
}

/* Where the results go. */
static bcel_status kept_walk_output(kept_walk *walk, const bcel_output *output)
{
    size_t size = bcel_dtype_size(output->dtype), kept = (size_t)walk->kept;
    if (!bcel_dtype_is_float(output->dtype)) return BCEL_INVALID_ARGUMENT;
    if (output->strides)
        memcpy(walk->out_strides, output->strides, kept * sizeof(ptrdiff_t));
    else
        packed_strides(walk->out_strides, walk->kept, walk->shape, size);
    walk->out = output->data;
    walk->out_dtype = output->dtype;
    walk->out_swapped = output->swapped;
    if (walk->left && !walk->out) return BCEL_INVALID_ARGUMENT;
    return BCEL_OK;
}

static void write_value(char *to, bcel_dtype dtype, int swapped, bcel_pair value)
{
    BCEL_ALIGNED(unsigned char element[8]);
    size_t size = bcel_dtype_size(dtype);
    bcel_from_pair(dtype, element, &value);
    if (swapped) bcel_swap_bytes(element, size, 1);
    memcpy(to, element, size);
}

/* Up to `most` results of consecutive indices of the last dimension that is kept, from the present one on. */
static int kept_walk_row(const kept_walk *walk, int most)
{
    size_t left = walk->shape[walk->kept - 1] - walk->index[walk->kept - 1];
    return left < (size_t)most ? (int)left : most;
}

/* Moves on to the next index. */
static void kept_walk_move(kept_walk *walk, bcel_plan *plan)
{
    --walk->left;
    ptrdiff_t offsets[BCEL_OPERANDS] = { 0 };
    for (int d = walk->kept - 1; d >= 0; --d) {
        int wraps = ++walk->index[d] == walk->shape[d];
        ptrdiff_t steps = wraps ? 1 - (ptrdiff_t)walk->shape[d] : 1;
        for (int i = 0; i < BCEL_OPERANDS; ++i) offsets[i] += steps * walk->strides[i][d];
        if (walk->out) walk->out += steps * walk->out_strides[d];
        if (!wraps) break;
        walk->index[d] = 0;
    }
    if (walk->left) bcel_plan_move(plan, offsets);
}

/* Writes a result first. */
static void kept_walk_next(kept_walk *walk, bcel_plan *plan, bcel_pair value)
{
    write_value(walk->out, walk->out_dtype, walk->out_swapped, value);
    kept_walk_move(walk, plan);
}

static bcel_pair reduced(bcel_reduction reduction, const bcel_plan *plan, const bcel_totals *totals)
{
    bcel_scaled by = divisor(reduction, plan, totals->count, &totals->weight);
    return bcel_divide(bcel_total_value(&totals->loss), by);
}

static int is_packed(const bcel_operand *operand, bcel_dtype dtype)
{
    return operand->data && !operand->strides && operand->dtype == dtype && !operand->swapped
           && (uintptr_t)operand->data % bcel_dtype_size(dtype) == 0;
}

/* Whether a call is a chunk at most of packed logits and targets of one of the two precisions, and nothing besides. */
static int is_short(const bcel_call *call, size_t *n)
{
    bcel_dtype dtype = call->input.dtype;
    if (dtype != BCEL_FLOAT32 && dtype != BCEL_FLOAT64) return 0;
    if (!is_packed(&call->input, dtype) || !is_packed(&call->target, dtype)) return 0;
    if (call->weight.data || call->pos_weight.data || call->where.data || call->grad_output.data) return 0;
    if (call->label_smoothing != 0 || (call->flags & ~(unsigned)BCEL_CHECK) || call->ndim != 1 || !call->shape) return 0;
    if (call->hess_floor != call->hess_floor) return 0; /* for the plan to refuse */
    *n = call->shape[0];
    return *n > 0 && *n <= BCEL_CHUNK;
}

/* What reduce_all does with such a call: a plan would take longer than the kernel. */
static bcel_status reduce_short(bcel_reduction reduction, const bcel_call *call, size_t n, const bcel_output *output)
{
    const bcel_kernels *kernels = bcel_active_kernels();
    bcel_precision precision = call->input.dtype == BCEL_FLOAT32 ? BCEL_SINGLE : BCEL_DOUBLE;
    bcel_lanes lanes;
    bcel_exact aside;
    bcel_total total;
    bcel_lanes_init(&lanes, &aside);
    bcel_chunk c = { .n = n, .x = call->input.data, .y = call->target.data, .y_step = 1,
                     .check = (call->flags & BCEL_CHECK) != 0, .lanes = &lanes,
                     .factor = 1, .before = 1, .after = 1,
                     .ahead = { { (uintptr_t)call->input.data, 0 }, { (uintptr_t)call->target.data, 0 } } };
    if (kernels->run[precision][BCEL_TASK_SUM][0](&c)) return BCEL_TARGET_OUT_OF_RANGE;
    bcel_total_init(&total);
    bcel_total_add(&total, kernels->lanes_value[precision](&lanes), &lanes);
    bcel_scaled by = scaled(reduction == BCEL_SUM ? 1 : (double)n);
    write_value(output->data, output->dtype, output->swapped, bcel_divide(bcel_total_value(&total), by));
    return BCEL_OK;
}

static bcel_status reduce_all(bcel_reduction reduction, const bcel_call *call, const bcel_output *output)
{
    size_t n;
    if (!output->data || !bcel_dtype_is_float(output->dtype)) return BCEL_INVALID_ARGUMENT;
    if (is_short(call, &n)) return reduce_short(reduction, call, n, output);
    bcel_plan plan;
    bcel_totals totals;
    bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM, 0, reduction);
    bcel_status status = bcel_plan_init(&plan, call, 0, BCEL_ORDER_SUM, NULL, 0, 1);
    if (status != BCEL_OK) return status;
    bcel_totals_init(&totals);
    status = run_all(&plan, &pass, &totals);
    if (status != BCEL_OK) return status;
    write_value(output->data, output->dtype, output->swapped, reduced(reduction, &plan, &totals));
    return BCEL_OK;
}

static bcel_status reduce_singly(bcel_reduction reduction, kept_walk *walk, bcel_plan *plan, const bcel_pass *pass)
{
    while (walk->left) {
        bcel_totals totals;
        bcel_totals_init(&totals);
        bcel_status status = run_all(plan, pass, &totals);
        if (status != BCEL_OK) return status;
        kept_walk_next(walk, plan, reduced(reduction, plan, &totals));
    }
    return BCEL_OK;
}

static bcel_status reduce_columns(bcel_reduction reduction, kept_walk *walk, bcel_plan *plan, const bcel_pass *pass)
{
    ptrdiff_t input_step = walk->strides[0][walk->kept - 1], target_step = walk->strides[1][walk->kept - 1];
    bcel_scaled by = divisor(reduction, plan, plan->n, NULL);
    while (walk->left) {
        bcel_total losses[BCEL_COLUMNS];
        int columns = kept_walk_row(walk, bcel_plan_columns(plan, pass));
        bcel_status status = bcel_plan_sum_columns(plan, pass, columns, input_step, target_step, 0, plan->n,
                                                   losses);
        if (status != BCEL_OK) return status;
        for (int i = 0; i < columns; ++i) kept_walk_next(walk, plan, bcel_divide(bcel_total_value(&losses[i]), by));
    }
    return BCEL_OK;
}

bcel_status bcel_reduce(bcel_reduction reduction, int kept, const bcel_call *call, const bcel_output *output)
{
    if (!is_reduction(reduction)) return BCEL_INVALID_ARGUMENT;
    if (kept == 0) return reduce_all(reduction, call, output);
    kept_walk walk;
    bcel_plan plan;
    bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM, 0, reduction);
    bcel_status status = kept_walk_init(&walk, kept, call);
    if (status == BCEL_OK) status = kept_walk_output(&walk, output);
    if (status != BCEL_OK) return status;
    status = bcel_plan_init(&plan, call, kept, BCEL_ORDER_C, NULL, 0, 1);
    if (status != BCEL_OK) return status;
    return bcel_plan_columns(&plan, &pass) > 1 ? reduce_columns(reduction, &walk, &plan, &pass)
                                               : reduce_singly(reduction, &walk, &plan, &pass);
}

/* What a gradient is multiplied by: scale / (what the reduction divides by). A mean that has nothing to divide by has no
 * gradient either: NaN, whatever the scale. */
static bcel_scaled factor_of(double scale, bcel_scaled divisor)
{
    if (divisor.value.hi == 0) return bcel_scaled_of((double)NAN);
    return bcel_scaled_quotient(bcel_scaled_of(scale), divisor);
}

static int is_nan(double a)
{
    return a != a;
}

/* The same, known before the pass that needs it. */
static bcel_scaled scale_of_reduction(bcel_reduction reduction, double scale, const bcel_plan *plan)
{
    uint64_t count = plan->n;
    bcel_total weight;
    bcel_total_init(&weight);
    if (reduction != BCEL_SUM)
        bcel_plan_count(plan, 0, plan->n, &count, reduction == BCEL_WEIGHTED_MEAN ? &weight : NULL);
    return factor_of(scale, divisor(reduction, plan, count, &weight));
}

static void set_factor(bcel_pass *pass, bcel_scaled factor)
{
    pass->factor = factor;
    pass->undefined = is_nan(factor.value.hi);
}

bcel_status bcel_value_and_grad(bcel_reduction reduction, double scale, const bcel_call *call,
                                const bcel_output *value, const bcel_output *grad)
{
    if (!is_reduction(reduction) || !value->data || !bcel_dtype_is_float(value->dtype)) return BCEL_INVALID_ARGUMENT;
    bcel_plan plan;
    bcel_status status = bcel_plan_init(&plan, call, 0, BCEL_ORDER_SUM, grad, 1, 1);
    if (status != BCEL_OK) return status;
    bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM_GRAD, 1, reduction);
    set_factor(&pass, scale_of_reduction(reduction, scale, &plan));
    bcel_totals totals;
    bcel_totals_init(&totals);
    status = run_all(&plan, &pass, &totals);
    if (status != BCEL_OK) return status;
    write_value(value->data, value->dtype, value->swapped, reduced(reduction, &plan, &totals));
    return BCEL_OK;
}

/* What the sums of a derivative become: each is less by `offset` for each element, and multiplied by `factor`. The sum
 * of nothing stays 0. */
typedef struct { bcel_pair offset; bcel_scaled factor; } adjustment;

static bcel_pair adjusted(bcel_scaled sum, uint64_t count, adjustment by)
{
    bcel_pair nothing = { 0, 0 };
    if (count == 0) return nothing;
    if (by.offset.hi != 0) {
        bcel_scaled minus_count = scaled(-(double)count);
        bcel_pair taken = bcel_scaled_multiply(minus_count, by.offset);
        sum.value = bcel_pair_add(bcel_unscaled(sum), taken);
        sum.exponent = 0;
    }
    bcel_pair special = { sum.value.hi * by.factor.value.hi, 0 };
    if (!bcel_is_finite(sum.value.hi) || !bcel_is_finite(by.factor.value.hi)) return special;
    return bcel_scaled_value(bcel_scaled_product(bcel_scaled_normalized(sum), by.factor));
}

/* The sums of a derivative over all dimensions but the first `kept`. */
static bcel_status sum_grad(bcel_function function, int kept, const bcel_call *call, const bcel_output *output,
                            adjustment by)
{
    kept_walk walk;
    bcel_plan plan;
    bcel_status status = kept_walk_init(&walk, kept, call);
    if (status == BCEL_OK) status = kept_walk_output(&walk, output);
    if (status != BCEL_OK) return status;
    bcel_pass pass = pass_for_grad(function, 1, call->label_smoothing);
    status = bcel_plan_init(&plan, call, kept, kept ? BCEL_ORDER_C : BCEL_ORDER_SUM, NULL, 0, 1);
    while (status == BCEL_OK && walk.left) {
        bcel_totals totals;
        bcel_totals_init(&totals);
        status = run_all(&plan, &pass, &totals);
        if (status != BCEL_OK) break;
        kept_walk_next(&walk, &plan, adjusted(bcel_total_value(&totals.loss), totals.count, by));
    }
    return status;
}

bcel_status bcel_sum_grad(bcel_function function, int kept, const bcel_call *call, const bcel_output *output)
{
    adjustment none = { { 0, 0 }, bcel_scaled_of(1) };
    if (!is_grad_of_parameter(function)) return BCEL_INVALID_ARGUMENT;
    if (kept == call->ndim) return bcel_map(function, call, output);
    if (function == BCEL_GRAD_TARGET) return BCEL_INVALID_ARGUMENT;
    return sum_grad(function, kept, call, output, none);
}

/* d (S / W) / dw = (d S / dw - S / W) / W: the mean itself is part of it. */
static int subtracts_value(bcel_function function, bcel_reduction reduction)
{
    return reduction == BCEL_WEIGHTED_MEAN && function == BCEL_GRAD_WEIGHT;
}

static bcel_call without_grad_output(const bcel_call *call)
{
    bcel_call without = *call;
    memset(&without.grad_output, 0, sizeof without.grad_output);
    return without;
}

/* The gradient by a parameter, of blocks, where it has a value for each element. */
static bcel_status map_grad_blocks(bcel_function function, bcel_scaled factor, const bcel_call *call,
                                   const bcel_output *output, size_t first_block, size_t last_block)
{
    bcel_plan plan;
    bcel_status status = bcel_plan_init(&plan, call, 0, BCEL_ORDER_ANY, output, 1, 1);
    if (status != BCEL_OK) return status;
    bcel_pass pass = pass_for_grad(function, 0, call->label_smoothing);
    pass.undefined = is_nan(factor.value.hi);
    if (!pass.undefined) pass.weight_factor = bcel_scaled_product(pass.weight_factor, factor);
    range r = range_of_blocks(plan.n, first_block, last_block);
    return bcel_plan_run(&plan, &pass, r.start, r.end, NULL);
}

/* The gradient by a parameter, of values each of which is whole. */
static bcel_status reduce_grad(bcel_function function, bcel_reduction reduction, int kept, const bcel_call *call,
                               const bcel_output *output, adjustment by)
{
    if (kept == call->ndim && !subtracts_value(function, reduction))
        return map_grad_blocks(function, by.factor, call, output, 0, SIZE_MAX);
    if (function == BCEL_GRAD_TARGET) return BCEL_INVALID_ARGUMENT;
    return sum_grad(function, kept, call, output, by);
}

bcel_status bcel_reduce_grad(bcel_function function, bcel_reduction reduction, double scale, int kept,
                             const bcel_call *call, const bcel_output *output)
{
    if (!is_grad_of_parameter(function) || !is_reduction(reduction) || kept < 0 || kept > call->ndim)
        return BCEL_INVALID_ARGUMENT;
    bcel_call without = without_grad_output(call);
    bcel_plan plan;
    bcel_status status = bcel_plan_init(&plan, &without, 0, BCEL_ORDER_SUM, NULL, 0, 1);
    if (status != BCEL_OK) return status;
    adjustment by = { { 0, 0 }, bcel_scaled_of(1) };
    if (subtracts_value(function, reduction)) {
        bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM, 0, reduction);
        bcel_totals totals;
        bcel_totals_init(&totals);
        status = run_all(&plan, &pass, &totals);
        if (status != BCEL_OK) return status;
        by.offset = reduced(reduction, &plan, &totals);
    }
    by.factor = scale_of_reduction(reduction, scale, &plan);
    return reduce_grad(function, reduction, kept, &without, output, by);
}

/* ---- streams ------------------------------------------------------------------------------------- */

void bcel_accumulator_init(bcel_accumulator *accumulator)
{
    memset(accumulator, 0, sizeof *accumulator);
}

/* Totals of a pass; without weights each counted element weighs 1. */
static void add_totals(bcel_accumulator *accumulator, const bcel_plan *plan, const bcel_pass *pass,
                       const bcel_totals *totals)
{
    bcel_total_into(&totals->loss, &accumulator->loss);
    if (pass->sums_positives) bcel_total_into(&totals->positive, &accumulator->positive);
    if (!pass->sums_weights)
        ;
    else if (plan->weight.layout == BCEL_ABSENT)
        bcel_exact_add(&accumulator->weight, (double)totals->count);
    else
        bcel_total_into(&totals->weight, &accumulator->weight);
    accumulator->count += totals->count;
}

static bcel_status run_blocks(bcel_accumulator *accumulator, const bcel_pass *pass, const bcel_call *call,
                              const bcel_output *grad, size_t first_block, size_t last_block)
{
    bcel_plan plan;
    bcel_totals totals;
    bcel_status status = bcel_plan_init(&plan, call, 0, BCEL_ORDER_SUM, grad, pass->writes, 1);
    if (status != BCEL_OK) return status;
    range r = range_of_blocks(plan.n, first_block, last_block);
    bcel_totals_init(&totals);
    status = bcel_plan_run(&plan, pass, r.start, r.end, &totals);
    if (status == BCEL_OK) add_totals(accumulator, &plan, pass, &totals);
    return status;
}

static bcel_pass pass_for_accumulation(void)
{
    bcel_pass pass = pass_for(BCEL_TASK_SUM, 0);
    pass.sums_weights = 1;
    pass.sums_positives = 1;
    return pass;
}

bcel_status bcel_accumulate(bcel_accumulator *accumulator, const bcel_call *call, size_t first_block,
                            size_t last_block)
{
    bcel_pass pass = pass_for_accumulation();
    return run_blocks(accumulator, &pass, call, NULL, first_block, last_block);
}

/* Blocks of what each index of the first `kept` dimensions has. */
static bcel_status run_each_blocks(bcel_accumulator *accumulators, const bcel_pass *pass, int kept,
                                   const bcel_call *call, size_t first_block, size_t last_block)
{
    kept_walk walk;
    bcel_plan plan;
    bcel_status status = kept_walk_init(&walk, kept, call);
    if (status != BCEL_OK) return status;
    status = bcel_plan_init(&plan, call, kept, kept ? BCEL_ORDER_C : BCEL_ORDER_SUM, NULL, 0, 1);
    if (status != BCEL_OK) return status;
    range r = range_of_blocks(plan.n, first_block, last_block);
    int side_by_side = kept ? bcel_plan_columns(&plan, pass) : 1;
    while (walk.left) {
        bcel_totals totals[BCEL_COLUMNS];
        int columns = 1;
        bcel_totals_init(&totals[0]);
        if (side_by_side > 1) {
            bcel_total losses[BCEL_COLUMNS];
            columns = kept_walk_row(&walk, side_by_side);
            status = bcel_plan_sum_columns(&plan, pass, columns, walk.strides[0][kept - 1], walk.strides[1][kept - 1],
                                           r.start, r.end, losses);
            for (int i = 0; i < columns; ++i) {
                bcel_totals_init(&totals[i]);
                totals[i].loss = losses[i];
                totals[i].count = r.end - r.start;
            }
        } else {
            status = bcel_plan_run(&plan, pass, r.start, r.end, &totals[0]);
        }
        if (status != BCEL_OK) return status;
        for (int i = 0; i < columns; ++i) {
            add_totals(accumulators++, &plan, pass, &totals[i]);
            kept_walk_move(&walk, &plan);
        }
    }
    return BCEL_OK;
}

bcel_status bcel_accumulate_each_blocks(bcel_accumulator *accumulators, int kept, const bcel_call *call,
                                        size_t first_block, size_t last_block)
{
    bcel_pass pass = pass_for_accumulation();
    return run_each_blocks(accumulators, &pass, kept, call, first_block, last_block);
}

bcel_status bcel_accumulate_each(bcel_accumulator *accumulators, int kept, const bcel_call *call)
{
    return bcel_accumulate_each_blocks(accumulators, kept, call, 0, SIZE_MAX);
}

void bcel_accumulator_merge(bcel_accumulator *accumulator, const bcel_accumulator *other)
{
    bcel_exact_merge(&accumulator->loss, &other->loss);
    bcel_exact_merge(&accumulator->weight, &other->weight);
    bcel_exact_merge(&accumulator->positive, &other->positive);
    accumulator->count += other->count;
}

/* As divisor() says, of totals that are merged. */
static bcel_scaled accumulated_divisor(bcel_reduction reduction, const bcel_accumulator *accumulator)
{
    if (reduction == BCEL_SUM) return scaled(1);
    if (reduction == BCEL_MEAN) return scaled((double)accumulator->count);
    return bcel_exact_value(&accumulator->weight);
}

bcel_status bcel_accumulator_result(const bcel_accumulator *accumulator, bcel_reduction reduction,
                                    const bcel_output *output)
{
    if (!is_reduction(reduction) || !output->data || !bcel_dtype_is_float(output->dtype)) return BCEL_INVALID_ARGUMENT;
    bcel_scaled by = accumulated_divisor(reduction, accumulator);
    write_value(output->data, output->dtype, output->swapped, bcel_divide(bcel_exact_value(&accumulator->loss), by));
    return BCEL_OK;
}

bcel_status bcel_exact_result(const bcel_exact *sum, const bcel_output *output)
{
    if (!output->data || !bcel_dtype_is_float(output->dtype)) return BCEL_INVALID_ARGUMENT;
    write_value(output->data, output->dtype, output->swapped, bcel_unscaled(bcel_exact_value(sum)));
    return BCEL_OK;
}

/* ---- threads ------------------------------------------------------------------------------------- */

bcel_status bcel_reduce_blocks(bcel_accumulator *accumulator, bcel_reduction reduction, const bcel_call *call,
                               size_t first_block, size_t last_block)
{
    if (!is_reduction(reduction)) return BCEL_INVALID_ARGUMENT;
    bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM, 0, reduction);
    return run_blocks(accumulator, &pass, call, NULL, first_block, last_block);
}

bcel_status bcel_count_blocks(bcel_accumulator *counted, bcel_reduction reduction, const bcel_call *call,
                              const bcel_output *grad, size_t first_block, size_t last_block)
{
    if (!is_reduction(reduction)) return BCEL_INVALID_ARGUMENT;
    bcel_plan plan;
    bcel_totals totals;
    bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM, 0, reduction);
    /* The order of the walk, which the sum of weights depends on, may depend on the output too. */
    bcel_status status = bcel_plan_init(&plan, call, 0, BCEL_ORDER_SUM, grad, grad != NULL, 1);
    if (status != BCEL_OK) return status;
    range r = range_of_blocks(plan.n, first_block, last_block);
    bcel_totals_init(&totals);
    if (reduction != BCEL_SUM)
        bcel_plan_count(&plan, r.start, r.end, &totals.count, pass.sums_weights ? &totals.weight : NULL);
    add_totals(counted, &plan, &pass, &totals);
    return BCEL_OK;
}

bcel_status bcel_value_and_grad_blocks(bcel_accumulator *accumulator, bcel_reduction reduction, double scale,
                                       const bcel_accumulator *counted, const bcel_call *call,
                                       const bcel_output *grad, size_t first_block, size_t last_block)
{
    if (!is_reduction(reduction)) return BCEL_INVALID_ARGUMENT;
    if (!counted && reduction != BCEL_SUM) return BCEL_INVALID_ARGUMENT;
    bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM_GRAD, 1, reduction);
    set_factor(&pass, factor_of(scale, accumulated_divisor(reduction, counted)));
    return run_blocks(accumulator, &pass, call, grad, first_block, last_block);
}

bcel_status bcel_reduce_each_blocks(bcel_accumulator *accumulators, bcel_reduction reduction, int kept,
                                    const bcel_call *call, size_t first_block, size_t last_block)
{
    if (!is_reduction(reduction)) return BCEL_INVALID_ARGUMENT;
    bcel_pass pass = pass_for_reduction(BCEL_TASK_SUM, 0, reduction);
    return run_each_blocks(accumulators, &pass, kept, call, first_block, last_block);
}

/* As bcel_reduce_grad has it, of totals that are merged. */
static bcel_status accumulated_adjustment(bcel_function function, bcel_reduction reduction, double scale,
                                          const bcel_accumulator *counted, adjustment *by)
{
    if (!is_grad_of_parameter(function) || !is_reduction(reduction)) return BCEL_INVALID_ARGUMENT;
    if (!counted && reduction != BCEL_SUM) return BCEL_INVALID_ARGUMENT;
    bcel_scaled divisor = accumulated_divisor(reduction, counted);
    bcel_pair none = { 0, 0 };
    by->offset = subtracts_value(function, reduction) ? bcel_divide(bcel_exact_value(&counted->loss), divisor) : none;
    by->factor = factor_of(scale, divisor);
    return BCEL_OK;
}

bcel_status bcel_reduce_grad_blocks(bcel_function function, bcel_reduction reduction, double scale,
                                    const bcel_accumulator *counted, const bcel_call *call, const bcel_output *output,
                                    size_t first_block, size_t last_block)
{
    adjustment by;
    bcel_status status = accumulated_adjustment(function, reduction, scale, counted, &by);
    if (status != BCEL_OK) return status;
    if (subtracts_value(function, reduction)) return BCEL_INVALID_ARGUMENT;
    bcel_call without = without_grad_output(call);
    return map_grad_blocks(function, by.factor, &without, output, first_block, last_block);
}

bcel_status bcel_reduce_grad_part(bcel_function function, bcel_reduction reduction, double scale,
                                  const bcel_accumulator *counted, int kept, const bcel_call *call,
                                  const bcel_output *output)
{
    adjustment by;
    bcel_status status = accumulated_adjustment(function, reduction, scale, counted, &by);
    if (status != BCEL_OK) return status;
    bcel_call without = without_grad_output(call);
    return reduce_grad(function, reduction, kept, &without, output, by);
}

bcel_status bcel_reduce_grad_result(bcel_function function, bcel_reduction reduction, double scale,
                                    const bcel_accumulator *counted, const bcel_accumulator *sum,
                                    const bcel_output *output)
{
    adjustment by;
    bcel_status status = accumulated_adjustment(function, reduction, scale, counted, &by);
    if (status != BCEL_OK) return status;
    if (!output->data || !bcel_dtype_is_float(output->dtype)) return BCEL_INVALID_ARGUMENT;
    write_value(output->data, output->dtype, output->swapped, adjusted(bcel_exact_value(&sum->loss), sum->count, by));
    return BCEL_OK;
}

bcel_status bcel_sum_grad_blocks(bcel_accumulator *accumulators, bcel_function function, int kept,
                                 const bcel_call *call, size_t first_block, size_t last_block)
{
    if (function != BCEL_GRAD_WEIGHT && function != BCEL_GRAD_POS_WEIGHT) return BCEL_INVALID_ARGUMENT;
    bcel_pass pass = pass_for_grad(function, 1, call->label_smoothing);
    return run_each_blocks(accumulators, &pass, kept, call, first_block, last_block);
}

/* ---- looking at operands ------------------------------------------------------------------------- */

size_t bcel_find_bad_target(const bcel_call *call)
{
    bcel_call targets = *call;
    targets.input = call->target;
    bcel_plan plan;
    if (bcel_plan_init(&plan, &targets, 0, BCEL_ORDER_C, NULL, 0, 1) != BCEL_OK) return SIZE_MAX;
    size_t bad = bcel_plan_find_bad_target(&plan);
    return bad < plan.n ? bad : SIZE_MAX;
}

size_t bcel_find_negative(int ndim, const size_t *shape, const bcel_operand *operand)
{
    if (ndim < 0 || ndim > BCEL_MAX_DIMS || !bcel_dtype_size(operand->dtype)) return SIZE_MAX;
    size_t n;
    if (!bcel_element_count(ndim, shape, &n)) return SIZE_MAX;
    bcel_view view;
    bcel_view_init(&view, operand->data, operand->strides, operand->dtype, operand->swapped, ndim, shape, NULL);
    BCEL_ALIGNED(unsigned char raw[8 * BCEL_CHUNK]);
    double values[BCEL_CHUNK];
    for (size_t start = 0, m; operand->data && start < n; start += m) {
        m = n - start < BCEL_CHUNK ? n - start : BCEL_CHUNK;
        bcel_to_real(BCEL_DOUBLE, values, view.dtype, bcel_view_read(&view, start, m, raw), m);
        for (size_t i = 0; i < m; ++i)
            if (!(values[i] >= 0)) return start + i;
    }
    return SIZE_MAX;
}
