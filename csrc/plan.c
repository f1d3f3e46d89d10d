#include "plan.h"

#include "convert.h"
#include "dispatch.h"

#include <float.h>
#include <string.h>

/* ---- from a call to a plan ----------------------------------------------------------------------- */

/* Whether an operand is contiguous with the first dimension fastest, or one element for all. */
static int is_fortran(const ptrdiff_t *strides, size_t size, int ndim, const size_t *shape)
{
    int contiguous = 1, constant = 1;
    size_t expected = size; /* may overflow beside an extent of 0, where no order matters */
    for (int d = 0; d < ndim; ++d) {
        if (shape[d] == 1) continue;
        constant &= strides[d] == 0;
        contiguous &= (size_t)strides[d] == expected;
        expected *= shape[d];
    }
    return contiguous || constant;
}

/* The smallest of all strides has no opposite. */
static size_t magnitude(ptrdiff_t stride)
{
    return stride < 0 ? 0 - (size_t)stride : (size_t)stride;
}

/* Fills order[] with dimensions first_dim to ndim - 1; returns 0 if they stay as they are. */
static int choose_order(int *order, bcel_order how, const bcel_call *call, const bcel_operand *const *operands,
                        int operand_count, int first_dim)
{
    int n = call->ndim - first_dim;
    const ptrdiff_t *strides = call->input.strides;
    if (how == BCEL_ORDER_C || n < 2 || !strides) return 0;
    for (int i = 0; i < operand_count; ++i)
        if (operands[i]->data && !operands[i]->strides) return 0;
    for (int i = 0; i < n; ++i) order[i] = first_dim + i;
    if (how == BCEL_ORDER_SUM) {
        for (int i = 0; i < operand_count; ++i)
            if (operands[i]->data && !is_fortran(operands[i]->strides + first_dim, bcel_dtype_size(operands[i]->dtype),
                                                 n, call->shape + first_dim))
                return 0;
        for (int i = 0; i < n; ++i) order[i] = call->ndim - 1 - i;
        return 1;
    }
    /* Largest stride of the logits outermost; insertion keeps equal ones in place. */
    for (int i = 1; i < n; ++i) {
        int d = order[i], j = i;
        for (; j > 0 && magnitude(strides[order[j - 1]]) < magnitude(strides[d]); --j) order[j] = order[j - 1];
        order[j] = d;
    }
    return 1;
}

void bcel_call_operands(const bcel_call *call, const bcel_operand *operands[BCEL_OPERANDS])
{
    operands[0] = &call->input;
    operands[1] = &call->target;
    operands[2] = &call->weight;
    operands[3] = &call->pos_weight;
    operands[4] = &call->where;
    operands[5] = &call->grad_output;
}

/* Whether an aligned operand is so at every index of the first dimensions. */
static int stays_aligned(const ptrdiff_t *strides, size_t size, int first_dim)
{
    for (int d = 0; d < first_dim; ++d)
        if (strides[d] % (ptrdiff_t)size != 0) return 0;
    return 1;
}

static void plan_views(bcel_plan *plan, bcel_view *views[BCEL_OPERANDS])
{
    views[0] = &plan->input;
    views[1] = &plan->target;
    views[2] = &plan->weight;
    views[3] = &plan->pos_weight;
    views[4] = &plan->where;
    views[5] = &plan->grad_output;
}

void bcel_plan_move(bcel_plan *plan, const ptrdiff_t offsets[BCEL_OPERANDS])
{
    bcel_view *views[BCEL_OPERANDS];
    plan_views(plan, views);
    for (int i = 0; i < BCEL_OPERANDS; ++i)
        if (views[i]->layout != BCEL_ABSENT) views[i]->data += offsets[i];
}

bcel_status bcel_plan_init(bcel_plan *plan, const bcel_call *call, int first_dim, bcel_order how,
                           const bcel_output *outputs, int output_count, int needs_target)
{
    const bcel_operand *operands[BCEL_OPERANDS];
    bcel_view *views[BCEL_OPERANDS];
    bcel_call_operands(call, operands);
    plan_views(plan, views);
    if (call->ndim < 0 || call->ndim > BCEL_MAX_DIMS || (call->ndim && !call->shape)) return BCEL_INVALID_ARGUMENT;
    int ndim = call->ndim - first_dim;
    const size_t *shape = call->shape ? call->shape + first_dim : NULL;
    if (!bcel_element_count(ndim, shape, &plan->n)) return BCEL_INVALID_ARGUMENT;

    /* No element: nothing is read, whatever the pointers are. */
    int empty = plan->n == 0;
    if (!empty && (!call->input.data || (needs_target && !call->target.data))) return BCEL_INVALID_ARGUMENT;
    if (call->where.data && call->where.dtype != BCEL_BOOL) return BCEL_INVALID_ARGUMENT;
    if (!(call->label_smoothing >= 0 && call->label_smoothing <= 1)) return BCEL_INVALID_ARGUMENT;
    if (call->hess_floor != call->hess_floor) return BCEL_INVALID_ARGUMENT;
    for (int o = 0; o < output_count; ++o)
        if (!bcel_dtype_is_float(outputs[o].dtype) || (!empty && !outputs[o].data)) return BCEL_INVALID_ARGUMENT;

    int order[BCEL_MAX_DIMS];
    for (int o = 0; o < output_count; ++o)
        if (!outputs[o].strides) how = BCEL_ORDER_C;
    const int *chosen = choose_order(order, how, call, operands, BCEL_OPERANDS, first_dim) ? order : NULL;
    for (int i = 0; i < BCEL_OPERANDS; ++i) {
        const bcel_operand *o = operands[i];
        views[i]->layout = BCEL_ABSENT;
        views[i]->dtype = o->dtype;
        if (!o->data) continue;
        if (!bcel_dtype_size(o->dtype)) return BCEL_INVALID_ARGUMENT;
        if (chosen)
            bcel_view_init(views[i], o->data, o->strides, o->dtype, o->swapped, ndim, call->shape, chosen);
        else
            bcel_view_init(views[i], o->data, o->strides ? o->strides + first_dim : NULL, o->dtype, o->swapped, ndim,
                           shape, NULL);
        if (o->strides && views[i]->layout == BCEL_PACKED && !stays_aligned(o->strides, views[i]->size, first_dim))
            views[i]->layout = BCEL_SCATTERED;
    }
    for (int o = 0; o < output_count; ++o) {
        const ptrdiff_t *strides = outputs[o].strides;
        if (!chosen && strides) strides += first_dim;
        bcel_view_init(&plan->out[o], outputs[o].data, strides, outputs[o].dtype, outputs[o].swapped, ndim,
                       chosen ? call->shape : shape, chosen);
    }
    int single = call->input.dtype == BCEL_FLOAT32 || call->input.dtype == BCEL_FLOAT16
                 || call->input.dtype == BCEL_BFLOAT16;
    plan->precision = single && !(call->flags & BCEL_COMPUTE_FLOAT64) ? BCEL_SINGLE : BCEL_DOUBLE;
    plan->kernels = bcel_active_kernels();
    plan->label_smoothing = call->label_smoothing;
    /* Finite, for it is multiplied by weights of 0. */
    double largest = plan->precision == BCEL_SINGLE ? (double)FLT_MAX : DBL_MAX;
    plan->hess_floor = call->hess_floor < largest ? call->hess_floor : largest;
    plan->flags = call->flags;
    plan->ignore_float = call->ignore_float;
    plan->ignore_int = call->ignore_int;
    return BCEL_OK;
}
