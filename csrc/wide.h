/* Elements whose weights, or what a gradient is multiplied by, are too large or too small for the kernels, which would
 * over- or underflow on the way to a result that does not: found, and computed one by one. Private to the library. */
#ifndef BCEL_WIDE_H
#define BCEL_WIDE_H

#include "plan.h"

/* What multiplies the results of a task, as far as it is there. */
typedef struct bcel_factors {
    const bcel_view *weight, *grad_output, *pos_weight;
    const void *target; /* of the precision: where the loss is that of target 1, times the target */
    bcel_scaled factor; /* 1 if there is none */
} bcel_factors;

/* How many of them make up the weight; pos_weight is apart. */
int bcel_count_factors(const bcel_factors *factors);

/* A chunk's wide elements. */
typedef struct bcel_wide {
    unsigned char keeps_result[BCEL_CHUNK]; /* 0: its outputs are those below */
    unsigned char keeps_sum[BCEL_CHUNK];    /* 0: its loss was added to what the lanes set aside */
    BCEL_ALIGNED(unsigned char results[2][8 * BCEL_CHUNK]); /* of the precision */
} bcel_wide;

/* How a kernel is to multiply a gradient by the factor of a pass: (hi + lo) * before * after, see bcel_chunk. */
typedef struct bcel_gradient_factor { double hi, lo, before, after; } bcel_gradient_factor;

/* Returns 0 if the factor is so large or small that every gradient is wide. */
int bcel_split_factor(bcel_precision precision, bcel_scaled factor, int weighted, bcel_gradient_factor *split);

/* The task of the chunk from element `start` of the plan on, whose operands c has. keep: NULL, or 0 for elements that
 * are left out. all: every element's gradient is wide. Returns whether there are any; only then `wide` is filled. */
int bcel_find_wide(const bcel_plan *plan, bcel_task task, const bcel_factors *factors, bcel_scaled gradient_factor,
                   size_t start, const bcel_chunk *c, const unsigned char *keep, int all, bcel_wide *wide);

#endif
