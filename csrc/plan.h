/* From a call to kernels: the operands of each chunk as the kernels want them. Private to the library. */
#ifndef BCEL_PLAN_H
#define BCEL_PLAN_H

#include "sum.h"
#include "view.h"

/* What a pass over the elements computes. */
typedef struct bcel_pass {
    bcel_task task;
    int writes;               /* number of outputs */
    int uses_target;          /* 0: every target is `target`, and none is read */
    double target;
    int uses_grad_output;     /* weights are multiplied by grad_output */
    int scales_grad;          /* the second output is multiplied by grad_output */
    int uses_weight, uses_pos_weight;
    int target_is_weight;     /* weights are multiplied by the target, and the loss is that of target 1 */
    bcel_scaled weight_factor; /* weights are multiplied by it */
    int sums_weights, sums_positives;
    bcel_scaled factor;       /* of the gradient; a mantissa in [1, 2) if it is finite and not 0 */
    int undefined;            /* what the gradient is divided by is 0 or NaN: so is that of each counted element, NaN */
} bcel_pass;

/* A call, checked, its operands in the order in which they are walked. */
typedef struct bcel_plan {
    const bcel_kernels *kernels;
    bcel_precision precision;
    size_t n;
    bcel_view input, target, weight, pos_weight, where, grad_output;
    bcel_view out[2];
    double label_smoothing, hess_floor;
    unsigned flags;
    double ignore_float;
    int64_t ignore_int;
} bcel_plan;

/* How the dimensions are walked: as they are; in C order, or reversed if all operands are Fortran contiguous; or
 * in whatever order suits memory. */
typedef enum bcel_order { BCEL_ORDER_C, BCEL_ORDER_SUM, BCEL_ORDER_ANY } bcel_order;

/* Dimensions first_dim and on of the call. outputs may be NULL. */
bcel_status bcel_plan_init(bcel_plan *plan, const bcel_call *call, int first_dim, bcel_order order,
                           const bcel_output *outputs, int output_count, int needs_target);

/* Moves every operand (not the outputs) by an offset of its own, in bytes; the caller knows that it stays inside. */
enum { BCEL_OPERANDS = 6 };
void bcel_plan_move(bcel_plan *plan, const ptrdiff_t offsets[BCEL_OPERANDS]);

/* The operands of a call in the order of bcel_plan_move. */
void bcel_call_operands(const bcel_call *call, const bcel_operand *operands[BCEL_OPERANDS]);

/* Totals of a pass; those not asked for stay 0. */
typedef struct bcel_totals {
    bcel_total loss, weight, positive;
    uint64_t count;
} bcel_totals;

void bcel_totals_init(bcel_totals *totals);

/* Elements start <= i < end; start is a multiple of BCEL_BLOCK. totals may be NULL if nothing is summed. */
bcel_status bcel_plan_run(const bcel_plan *plan, const bcel_pass *pass, size_t start, size_t end,
                          bcel_totals *totals);

/* Sums of columns that lie side by side, line of memory by line: bcel_plan_run takes them one after the other. How many
 * at once: 1 if the plan is not of that kind. */
enum { BCEL_COLUMNS = 8 };
int bcel_plan_columns(const bcel_plan *plan, const bcel_pass *pass);

/* The losses of this column of the plan and of those that follow, steps in bytes apart, at most bcel_plan_columns; of
 * each the elements start <= i < end, as in bcel_plan_run, which all count. */
bcel_status bcel_plan_sum_columns(const bcel_plan *plan, const bcel_pass *pass, int columns, ptrdiff_t input_step,
                                  ptrdiff_t target_step, size_t start, size_t end, bcel_total *totals);

/* Counted elements of start <= i < end, and the sum of their weights if weight is not NULL, without looking at anything
 * else; start is a multiple of BCEL_BLOCK. */
void bcel_plan_count(const bcel_plan *plan, size_t start, size_t end, uint64_t *count, bcel_total *weight);

/* Index of the first counted target outside [0, 1], or n. */
size_t bcel_plan_find_bad_target(const bcel_plan *plan);

#endif
