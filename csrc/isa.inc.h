/* All kernels for the instruction set whose vocabulary was included before, under the name ISA. */
#include "coefficients.h"
#include "float16.h"
#include "kernels.h"
#include "sum.h"
#include "simd/names.inc.h"

#include <math.h>
#include <string.h>

/* A kernel for each task, or, where a vector is many registers and code would be large, one for all. */
#ifdef BCEL_COMPACT
#  define BCEL_RUN BCEL_NOINLINE static
#else
#  define BCEL_RUN BCEL_INLINE
#endif

/* The losses that a sum takes. */
typedef enum { NEAR_ALL, NEAR_0, NEAR_1 } near_targets;

BCEL_TARGET_BEGIN

#include "f32.inc.h"
#include "math.inc.h"
#include "near_sum.inc.h"
#include "f32_sum.inc.h"
#include "kernels.inc.h"

#include "f64.inc.h"
#include "math.inc.h"
#include "near_sum.inc.h"
#include "f64_sum.inc.h"
#include "kernels.inc.h"

#include "convert.inc.h"
#include "operands.inc.h"

/* In the order of bcel_task. */
#define BCEL_KERNEL_TABLE(precision)                                                                      \
    { { loss_##precision, weighted_loss_##precision },                                                    \
      { sum_##precision, weighted_sum_##precision },                                                      \
      { grad_##precision, weighted_grad_##precision },                                                    \
      { loss_grad_##precision, weighted_loss_grad_##precision },                                          \
      { sum_grad_##precision, weighted_sum_grad_##precision },                                            \
      { grad_hess_##precision, weighted_grad_hess_##precision },                                          \
      { NULL, weighted_grad_target_##precision } }

const bcel_kernels BCEL_PASTE(bcel_kernels, ISA) = {
    BCEL_ISA_NAME,
    { BCEL_KERNEL_TABLE(f32), BCEL_KERNEL_TABLE(f64) },
    { sum_products_f32, sum_products_f64 },
    { lanes_value_f32, lanes_value_f64 },
    { to_real_f32, to_real_f64 },
    { from_real_f32, from_real_f64 },
    { smooth_f32, smooth_f64 },
    { are_within_f32, are_within_f64 },
    { clear_equal_f32, clear_equal_f64 },
};

BCEL_TARGET_END
