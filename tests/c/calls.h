/* Short ways to describe a call over one dimension. */
#ifndef CALLS_H
#define CALLS_H

#include "bcelogits.h"

#include <stddef.h>

size_t size_of_dtype(bcel_dtype dtype);
const char *name_of_dtype(bcel_dtype dtype);

/* Contiguous, or one element for all. */
bcel_operand packed(const void *data, bcel_dtype dtype);
bcel_operand constant(const void *data, bcel_dtype dtype);
bcel_output output(void *data, bcel_dtype dtype);

/* n elements; *n must stay where it is while the call is in use. */
bcel_call call_of(const size_t *n, bcel_operand input, bcel_operand target);

/* The functions of a logit alone: those of a hard target, and those that read no target. */
#define LOGIT_FUNCTIONS(DO)                                                 \
    DO(LOSS_0, "loss y=0", "loss", BCEL_LOSS, 0)                            \
    DO(LOSS_1, "loss y=1", "loss", BCEL_LOSS, 1)                            \
    DO(GRADIENT_0, "gradient y=0", "gradient", BCEL_GRAD, 0)                \
    DO(GRADIENT_1, "gradient y=1", "gradient", BCEL_GRAD, 1)                \
    DO(HESSIAN, "hessian", "hessian", BCEL_GRAD_AND_HESS, 1)                \
    DO(SIGMOID, "sigmoid", "sigmoid", BCEL_SIGMOID, 0)                      \
    DO(LOG_SIGMOID, "log_sigmoid", "log_sigmoid", BCEL_LOG_SIGMOID, 0)      \
    DO(SOFTPLUS, "softplus", "softplus", BCEL_SOFTPLUS, 0)

typedef enum {
#define ENUMERATE(id, name, row, function, target) id,
    LOGIT_FUNCTIONS(ENUMERATE)
#undef ENUMERATE
    LOGIT_FUNCTION_COUNT
} logit_function;

/* Its name, and the row of bounds.h it has with hard targets. */
const char *name_of_function(logit_function function);
const char *row_of_function(logit_function function);

/* Computes n elements of dtype; results are of dtype too. The gradient that comes with the hessian is dropped. */
void compute(logit_function function, bcel_dtype dtype, const void *x, void *result, size_t n);

#endif
