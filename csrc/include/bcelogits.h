/* bcelogits: binary cross entropy with logits.
 *
 *     loss(x, y) = w * (p * y * log(1 + exp(-x)) + (1 - y) * log(1 + exp(x)))
 *
 * x is a logit, y its target in [0, 1], w a weight and p the weight of positives. This library computes
 * the loss of arrays, its sums and means, and its derivatives.
 *
 * What it promises
 *   - Relative accuracy for every finite logit: hard targets without weights within 1 ULP, soft targets
 *     or weights within 3 ULP; sums and means within the same bound at any length.
 *   - The same bits on every processor with a fused multiply-add, for any alignment and any split of the
 *     work at multiples of BCEL_BLOCK elements.
 *   - No allocation, no lock, no thread, no input or output, no errno; the floating-point environment is
 *     not changed. The only global state is the choice of an instruction set, made once. An optimised build
 *     takes less than 128 KiB of stack.
 *   - No byte outside the arguments is read or written.
 *
 * How it is used
 *   Describe the operands in a bcel_call, start from bcel_call_init, then hand it to one of
 *   bcel_map (arrays out), bcel_reduce (sums and means) or bcel_accumulate (streams):
 *
 *       size_t n = 1000;                                     // const float x[1000], y[1000];
 *       float mean;
 *       bcel_call call;
 *       bcel_call_init(&call);
 *       call.ndim = 1;
 *       call.shape = &n;
 *       call.input.data = x;
 *       call.input.dtype = BCEL_FLOAT32;
 *       call.target.data = y;
 *       call.target.dtype = BCEL_FLOAT32;
 *       bcel_output output = { &mean, NULL, BCEL_FLOAT32, 0 };
 *       bcel_status status = bcel_reduce(BCEL_MEAN, 0, &call, &output);
 *
 * Threads
 *   Every function but bcel_select_isa may be called from any number of threads at once, as long as none
 *   writes what another reads or writes: each needs outputs and accumulators of its own; calls and operands
 *   may be shared. The functions whose names end in _blocks do a part of the work of one call: threads of
 *   the caller's share it, and no bit changes. Where a function's rule is narrower, its comment says so
 *   after "Threads:".
 *
 * Aliasing
 *   Operands may overlap one another in any way. An output with a value for each element of the call may be
 *   the very memory of an operand: same address, strides, dtype and byte order. Any other overlap of an
 *   output with an operand, an accumulator or another output is the caller's error, and so is an output two
 *   of whose elements share a byte.
 *
 * Errors
 *   A bcel_status says what is wrong with the contents of a call. Pointers to structs are not checked: none
 *   may be NULL unless its comment says so. Nothing is written on BCEL_INVALID_ARGUMENT.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef BCELOGITS_H
#define BCELOGITS_H

#include <stddef.h>
#include <stdint.h>

/* ---- versions ---------------------------------------------------------------------------------- */

/* The version's only home: every build reads it from here. */
#define BCELOGITS_VERSION_MAJOR 0
#define BCELOGITS_VERSION_MINOR 1
#define BCELOGITS_VERSION_PATCH 0

/* As one number to compare, 0.1.0 is 100; and as text. */
#define BCELOGITS_VERSION_NUMBER \
    (BCELOGITS_VERSION_MAJOR * 10000 + BCELOGITS_VERSION_MINOR * 100 + BCELOGITS_VERSION_PATCH)
#define BCELOGITS_STRING_(a) #a
#define BCELOGITS_STRING(a) BCELOGITS_STRING_(a)
#define BCELOGITS_VERSION                     \
    BCELOGITS_STRING(BCELOGITS_VERSION_MAJOR) \
    "." BCELOGITS_STRING(BCELOGITS_VERSION_MINOR) "." BCELOGITS_STRING(BCELOGITS_VERSION_PATCH)

/* Raised whenever a struct, a signature or the meaning of a function changes: programs built with another are to be
 * built anew. The shared library is named after it. */
#define BCELOGITS_ABI_VERSION 1

/* BCELOGITS_SHARED: the library is a shared one. Its users need it on Windows alone, and get it from CMake or
 * pkg-config. BCELOGITS_BUILDING: this is the library itself. */
#if defined(BCELOGITS_SHARED) && defined(_WIN32)
#  if defined(BCELOGITS_BUILDING)
#    define BCEL_API __declspec(dllexport)
#  else
#    define BCEL_API __declspec(dllimport)
#  endif
#elif defined(BCELOGITS_SHARED) && defined(__GNUC__)
#  define BCEL_API __attribute__((visibility("default")))
#else
#  define BCEL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Those of the library that is linked, to compare with the macros above. */
BCEL_API const char *bcel_version(void);
BCEL_API int bcel_version_number(void);
BCEL_API int bcel_abi_version(void);

/* ---- status ------------------------------------------------------------------------------------ */

typedef enum bcel_status {
    BCEL_OK = 0,
    BCEL_TARGET_OUT_OF_RANGE = 1, /* a counted target is outside [0, 1] or NaN; see bcel_find_bad_target */
    BCEL_INVALID_ARGUMENT = 2,    /* a missing operand, an unknown dtype, too many dimensions, ... */
    BCEL_UNKNOWN_ISA = 3,         /* no instruction set of this name is built in */
    BCEL_UNSUPPORTED_ISA = 4      /* built in, but this processor cannot run it */
} bcel_status;

/* A few words for a message, of any number; never NULL, and never to be freed. */
BCEL_API const char *bcel_status_text(bcel_status status);

/* ---- operands ---------------------------------------------------------------------------------- */

/* Sums are formed over blocks of this many elements; work split at its multiples keeps every bit. */
#define BCEL_BLOCK 4096

#define BCEL_MAX_DIMS 64

typedef enum bcel_dtype {
    BCEL_FLOAT32 = 1,
    BCEL_FLOAT64 = 2,
    BCEL_FLOAT16 = 3,
    BCEL_BFLOAT16 = 4,
    BCEL_BOOL = 5, /* one byte, any value but 0 is true */
    BCEL_INT8 = 6,
    BCEL_UINT8 = 7,
    BCEL_INT16 = 8,
    BCEL_UINT16 = 9,
    BCEL_INT32 = 10,
    BCEL_UINT32 = 11,
    BCEL_INT64 = 12,
    BCEL_UINT64 = 13
} bcel_dtype;

/* A view of an array: one stride in bytes for each dimension of the call, 0 where it is broadcast.
 * Any alignment. data == NULL: absent. strides == NULL: contiguous in C order. A FLOAT32 array of all is
 * { data, NULL, BCEL_FLOAT32, 0 }. */
typedef struct bcel_operand {
    const void *data;
    const ptrdiff_t *strides;
    bcel_dtype dtype;
    int swapped; /* not 0: stored in the other byte order */
} bcel_operand;

/* As an operand, but written; no stride is 0 unless its extent is 1. */
typedef struct bcel_output {
    void *data;
    const ptrdiff_t *strides;
    bcel_dtype dtype; /* one of the four floating types */
    int swapped;
} bcel_output;

enum {
    BCEL_CHECK = 1,          /* a target outside [0, 1] is an error */
    BCEL_IGNORE_FLOAT = 2,   /* leave out elements whose target equals ignore_float */
    BCEL_IGNORE_INT = 4,     /* leave out elements whose target equals ignore_int */
    BCEL_COMPUTE_FLOAT64 = 8 /* compute in double whatever the dtype of input */
};

/* Everything a computation reads. All arithmetic is in double if input is FLOAT64, an integer or BOOL, or
 * with BCEL_COMPUTE_FLOAT64; otherwise in float, where weights are rounded to float, and FLOAT64 targets
 * to the pair y and 1 - y. */
typedef struct bcel_call {
    int ndim;
    const size_t *shape; /* ndim extents; the product is the number of elements */
    bcel_operand input;
    bcel_operand target;
    bcel_operand weight;      /* optional */
    bcel_operand pos_weight;  /* optional, >= 0 */
    bcel_operand where;       /* optional, BOOL: elements to count */
    bcel_operand grad_output; /* optional: factor of derivatives */
    double label_smoothing;   /* a in [0, 1]: y becomes y (1 - a) + a / 2 */
    double ignore_float;
    int64_t ignore_int;
    double hess_floor; /* least s(x) s(-x) in a hessian, before weights; not NaN */
    unsigned flags;
} bcel_call;

/* No operand, no smoothing, BCEL_CHECK on. What is set afterwards is pointed to, not copied. */
BCEL_API void bcel_call_init(bcel_call *call);

/* ---- elementwise results ----------------------------------------------------------------------- */

typedef enum bcel_function {
    BCEL_LOSS = 0,          /* w [p y sp(-x) + (1-y) sp(x)], sp(x) = log(1 + exp(x)) */
    BCEL_GRAD = 1,          /* d loss / dx = w [(1-y) s(x) - p y s(-x)], s(x) = 1 / (1 + exp(-x)) */
    BCEL_GRAD_TARGET = 2,   /* d loss / dy = w [p sp(-x) - sp(x)] */
    BCEL_GRAD_WEIGHT = 3,   /* d loss / dw = p y sp(-x) + (1-y) sp(x) */
    BCEL_GRAD_POS_WEIGHT = 4, /* d loss / dp = w y sp(-x) */
    BCEL_LOSS_AND_GRAD = 5, /* two outputs */
    BCEL_GRAD_AND_HESS = 6, /* two outputs; hess = w (1-y + p y) max(s(x) s(-x), hess_floor) */
    BCEL_SIGMOID = 7,       /* s(x) = 1 / (1 + exp(-x)); reads input alone, as do the next two */
    BCEL_LOG_SIGMOID = 8,   /* -sp(-x) */
    BCEL_SOFTPLUS = 9       /* sp(x) */
} bcel_function;

/* Writes one value for each element to outputs[0] (and outputs[1] where there are two). Elements that are
 * left out are 0. Derivatives are multiplied by grad_output where it is given. On
 * BCEL_TARGET_OUT_OF_RANGE what the outputs hold is unspecified.
 * Threads: any, each with outputs of its own. */
BCEL_API bcel_status bcel_map(bcel_function function, const bcel_call *call, const bcel_output *outputs);

/* ---- reductions -------------------------------------------------------------------------------- */

typedef enum bcel_reduction {
    BCEL_SUM = 0,
    BCEL_MEAN = 1,          /* sum / number of counted elements */
    BCEL_WEIGHTED_MEAN = 2  /* sum / sum of weights */
} bcel_reduction;

/* Reduces the loss over all dimensions but the first `kept` of the call; output has one value for each index
 * of those. The order of summation is C order; operands that are all Fortran contiguous are summed in
 * memory order when kept is 0. Nothing counted gives 0 for a sum and NaN for a mean.
 * Threads: any, each with an output of its own. */
BCEL_API bcel_status bcel_reduce(bcel_reduction reduction, int kept, const bcel_call *call,
                                 const bcel_output *output);

/* Value of the reduction over everything, and in the same pass its gradient with respect to the logits,
 * times scale. The value is not multiplied by scale. grad_output of the call is not read. Where what the
 * reduction divides by is 0 or NaN, the gradient of each counted element is NaN.
 * Threads: any, each with outputs of its own. */
BCEL_API bcel_status bcel_value_and_grad(bcel_reduction reduction, double scale, const bcel_call *call,
                                         const bcel_output *value, const bcel_output *grad);

/* Gradient of the reduction over everything with respect to target, weight or pos_weight (function is one of
 * BCEL_GRAD_TARGET, _WEIGHT, _POS_WEIGHT), times scale, summed over all dimensions but the first `kept`. Targets are
 * as many as logits: for BCEL_GRAD_TARGET kept is ndim.
 * Threads: any, each with an output of its own. */
BCEL_API bcel_status bcel_reduce_grad(bcel_function function, bcel_reduction reduction, double scale, int kept,
                                      const bcel_call *call, const bcel_output *output);

/* Sum over all dimensions but the first `kept` of an elementwise derivative (one of the same three), times
 * grad_output where it is given: the gradient of reduction "none".
 * Threads: any, each with an output of its own. */
BCEL_API bcel_status bcel_sum_grad(bcel_function function, int kept, const bcel_call *call,
                                   const bcel_output *output);

/* ---- streams ----------------------------------------------------------------------------------- */

/* An exact sum of doubles: a fixed-point number that covers their whole range, and 512 bits below it for sums of
 * what is too small for one, so that adding and merging is associative and no order changes the result. */
#define BCEL_LIMBS 84
typedef struct bcel_exact {
    int64_t limb[BCEL_LIMBS]; /* 32 bits each, not yet carried over; the lowest bit of the first is 2^-1586 */
    uint32_t pending;  /* additions since carries were last propagated */
    uint32_t specials; /* infinities and NaN seen */
} bcel_exact;

/* The sums of a stream so far: plain data without pointers, copied by assignment. count may be read; the rest is for
 * the functions below. */
typedef struct bcel_accumulator {
    bcel_exact loss;
    bcel_exact weight;   /* sum of weights */
    bcel_exact positive; /* sum of weight * target */
    uint64_t count;      /* elements counted */
} bcel_accumulator;

/* Nothing added yet. Threads: any, each with an accumulator of its own. */
BCEL_API void bcel_accumulator_init(bcel_accumulator *accumulator);

/* Adds blocks first_block <= i < last_block of the call, each of BCEL_BLOCK elements in the order in which bcel_reduce
 * sums them (the last may be shorter; block numbers beyond it are ignored): all of a call is 0 to SIZE_MAX. Chunks of a
 * stream that are multiples of BCEL_BLOCK long, but for the last, give the bits of the whole. On an error the
 * accumulator is left as it was.
 * Threads: any, each with an accumulator of its own. */
BCEL_API bcel_status bcel_accumulate(bcel_accumulator *accumulator, const bcel_call *call, size_t first_block,
                                     size_t last_block);

/* Adds to accumulators[i] the elements that have the i-th index, in C order, of the first `kept` dimensions: one sum
 * for each class, say. On an error some of the accumulators may have been added to: give it fresh ones, and merge them.
 * Threads: each with accumulators of its own. */
BCEL_API bcel_status bcel_accumulate_each(bcel_accumulator *accumulators, int kept, const bcel_call *call);

/* Adds what `other` holds, which stays as it is. No order of merging changes a bit of a result.
 * Threads: any, as long as none merges into either. */
BCEL_API void bcel_accumulator_merge(bcel_accumulator *accumulator, const bcel_accumulator *other);

/* Rounded once to the dtype of output, a single value. The accumulator may go on.
 * Threads: any, as long as none adds to the accumulator. */
BCEL_API bcel_status bcel_accumulator_result(const bcel_accumulator *accumulator, bcel_reduction reduction,
                                             const bcel_output *output);

/* One of the three sums of an accumulator, rounded once to the dtype of output.
 * Threads: any, as long as none adds to the sum. */
BCEL_API bcel_status bcel_exact_result(const bcel_exact *sum, const bcel_output *output);

/* ---- threads ----------------------------------------------------------------------------------- */

/* Blocks first_block <= i < last_block of what the function without _blocks does, numbered as in bcel_accumulate: once
 * each block is done, by whichever thread and in whatever order, the bits are those of that function. Threads
 * may share the call and the outputs; each needs an accumulator of its own, to be merged at the end. A block
 * writes its own elements of the outputs and no other. An output that is also an operand must be so for all parts
 * alike, and each block done once.
 *
 * On an error the accumulator is left as it was; bcel_find_bad_target names the same target whichever part met one. */

BCEL_API bcel_status bcel_map_blocks(bcel_function function, const bcel_call *call, const bcel_output *outputs,
                                     size_t first_block, size_t last_block);

/* bcel_reduce with kept = 0: adds what this reduction needs, and no more; then bcel_accumulator_result. */
BCEL_API bcel_status bcel_reduce_blocks(bcel_accumulator *accumulator, bcel_reduction reduction,
                                        const bcel_call *call, size_t first_block, size_t last_block);

/* bcel_value_and_grad, in two passes over the blocks. The first counts what the gradient is divided by: it reads
 * what tells which elements count, and for BCEL_WEIGHTED_MEAN weights; often it reads nothing. It does not write to
 * grad, which is to be that of the second pass, or NULL if that has none. The second takes the merged counts of all
 * blocks, and its own accumulator is that of the value, as in bcel_reduce_blocks. BCEL_SUM needs no first pass and takes
 * NULL for counted. */
BCEL_API bcel_status bcel_count_blocks(bcel_accumulator *counted, bcel_reduction reduction, const bcel_call *call,
                                       const bcel_output *grad, size_t first_block, size_t last_block);
BCEL_API bcel_status bcel_value_and_grad_blocks(bcel_accumulator *accumulator, bcel_reduction reduction,
                                                double scale, const bcel_accumulator *counted,
                                                const bcel_call *call, const bcel_output *grad,
                                                size_t first_block, size_t last_block);

/* bcel_reduce and bcel_accumulate_each with dimensions that are kept: of each of their indices, the blocks of its own
 * elements, added to accumulators[i]. A part of the results is a call with fewer indices. On an error some of the
 * accumulators may have been added to. */
BCEL_API bcel_status bcel_reduce_each_blocks(bcel_accumulator *accumulators, bcel_reduction reduction, int kept,
                                             const bcel_call *call, size_t first_block, size_t last_block);
BCEL_API bcel_status bcel_accumulate_each_blocks(bcel_accumulator *accumulators, int kept, const bcel_call *call,
                                                 size_t first_block, size_t last_block);

/* bcel_reduce_grad, after a pass that adds up what `counted` is to hold of all elements of the whole call: that of
 * bcel_count_blocks, or of bcel_reduce_blocks for BCEL_GRAD_WEIGHT of BCEL_WEIGHTED_MEAN, of which the value is a part;
 * BCEL_SUM takes NULL. grad_output is not read. One of
 *   - blocks of a gradient with a value for each element: not for BCEL_GRAD_WEIGHT of BCEL_WEIGHTED_MEAN;
 *   - a part of the values, each of them whole: a call with fewer indices of the dimensions that are kept;
 *   - the sums of values too long for that, by bcel_sum_grad_blocks, to which no grad_output is given; then each value
 *     of its merged accumulator. */
BCEL_API bcel_status bcel_reduce_grad_blocks(bcel_function function, bcel_reduction reduction, double scale,
                                             const bcel_accumulator *counted, const bcel_call *call,
                                             const bcel_output *output, size_t first_block, size_t last_block);
BCEL_API bcel_status bcel_reduce_grad_part(bcel_function function, bcel_reduction reduction, double scale,
                                           const bcel_accumulator *counted, int kept, const bcel_call *call,
                                           const bcel_output *output);
BCEL_API bcel_status bcel_reduce_grad_result(bcel_function function, bcel_reduction reduction, double scale,
                                             const bcel_accumulator *counted, const bcel_accumulator *sum,
                                             const bcel_output *output);

/* Blocks of the sums of bcel_sum_grad, as in bcel_reduce_each_blocks; function is BCEL_GRAD_WEIGHT or _POS_WEIGHT. The
 * results are those of bcel_reduce_grad_result with BCEL_SUM and a scale of 1. */
BCEL_API bcel_status bcel_sum_grad_blocks(bcel_accumulator *accumulators, bcel_function function, int kept,
                                          const bcel_call *call, size_t first_block, size_t last_block);

/* ---- looking at operands ----------------------------------------------------------------------- */

/* Index in C order of the first counted target outside [0, 1] or NaN, or SIZE_MAX. An invalid call has none.
 * Threads: any. */
BCEL_API size_t bcel_find_bad_target(const bcel_call *call);

/* Index in C order of the first value that is negative or NaN, or SIZE_MAX. Threads: any. */
BCEL_API size_t bcel_find_negative(int ndim, const size_t *shape, const bcel_operand *operand);

/* ---- instruction sets -------------------------------------------------------------------------- */

/* Names from the best to the last: avx512, avx2, neon, baseline. The first that the processor can run is
 * chosen on first use. A name is never to be freed. */

/* The one in use. Threads: any. */
BCEL_API const char *bcel_active_isa(void);

/* The i-th instruction set built in, best first, or NULL; whether this processor can run it, which it cannot if name is
 * NULL or unknown. Threads: any. */
BCEL_API const char *bcel_isa_name(int i);
BCEL_API int bcel_isa_supported(const char *name);

/* Use another from now on; on an error the choice stays as it was. For tests and measurements: the best is chosen
 * anyhow. Threads: one, and no other in any function of this library. */
BCEL_API bcel_status bcel_select_isa(const char *name);

#ifdef __cplusplus
}
#endif
#endif
