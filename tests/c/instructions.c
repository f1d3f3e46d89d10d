/* Runs the main kernels for callgrind to count: tools/instructions.py reads what it finds.
 *
 *     instructions ISA
 *
 * For each kernel, dtype and number of elements it calls measured() once and prints a line, "kernel dtype n". Exit
 * status 77: this processor, or valgrind's, cannot run ISA. */
#include "bcelogits.h"
#include "calls.h"
#include "harness.h"

#include <stdint.h>
#include <stdio.h>

enum { COLUMNS = 64, LARGEST = 5 * BCEL_BLOCK };

typedef enum {
    RUN_MEAN,
    RUN_MEAN_POS_WEIGHT,
    RUN_MEAN_WEIGHTED_2D,
    RUN_LOSS,
    RUN_VALUE_AND_GRAD,
    RUN_GRAD_AND_HESS,
    RUN_SIGMOID
} kernel;

/* In the order above; small calls have names of their own. */
static const char *const NAMES[] = {
    "mean", "mean-pos-weight", "mean-weighted-2d", "loss", "value-and-grad", "grad-and-hess", "sigmoid",
};

typedef union {
    float f32[LARGEST];
    double f64[LARGEST];
} array;

static array input, target, weight, pos_weight, first, second;

static void set(array *values, bcel_dtype dtype, size_t i, double value)
{
    if (dtype == BCEL_FLOAT32) values->f32[i] = (float)value;
    else values->f64[i] = value;
}

static void fill(bcel_dtype dtype)
{
    uint32_t state = 1;
    for (size_t i = 0; i < LARGEST; i++) {
        double draws[3];
        for (int k = 0; k < 3; k++) {
            state = state * 1664525u + 1013904223u;
            draws[k] = (double)(state >> 8) / 16777216.0;
        }
        set(&input, dtype, i, 16.0 * draws[0] - 8.0);
        set(&target, dtype, i, draws[1] < 0.3 ? 1.0 : 0.0);
        set(&weight, dtype, i, 0.5 + draws[2]);
        set(&pos_weight, dtype, i, 2.0 - draws[2]);
    }
}

static bcel_status perform(kernel which, const bcel_call *call, const bcel_output *outputs)
{
    switch (which) {
    case RUN_LOSS:
        return bcel_map(BCEL_LOSS, call, outputs);
    case RUN_VALUE_AND_GRAD:
        return bcel_value_and_grad(BCEL_MEAN, 1.0, call, &outputs[1], &outputs[0]);
    case RUN_GRAD_AND_HESS:
        return bcel_map(BCEL_GRAD_AND_HESS, call, outputs);
    case RUN_SIGMOID:
        return bcel_map(BCEL_SIGMOID, call, outputs);
    default:
        return bcel_reduce(BCEL_MEAN, 0, call, &outputs[0]);
    }
}

/* Known to callgrind by its name. */
bcel_status measured(kernel which, const bcel_call *call, const bcel_output *outputs);

#if defined(__GNUC__)
__attribute__((noinline))
#endif
bcel_status measured(kernel which, const bcel_call *call, const bcel_output *outputs)
{
    return perform(which, call, outputs);
}

static int count(kernel which, const char *name, bcel_dtype dtype, size_t n)
{
    const ptrdiff_t size = (ptrdiff_t)size_of_dtype(dtype);
    const size_t shape[2] = { n / COLUMNS, COLUMNS };
    const ptrdiff_t by_row[2] = { size, 0 }, by_column[2] = { 0, size };
    bcel_call call = call_of(&n, packed(&input, dtype), packed(&target, dtype));
    bcel_output outputs[2] = { output(&first, dtype), output(&second, dtype) };
    if (which == RUN_MEAN_POS_WEIGHT) call.pos_weight = constant(&pos_weight, dtype);
    if (which == RUN_MEAN_WEIGHTED_2D) {
        call.ndim = 2;
        call.shape = shape;
        call.weight = (bcel_operand){ &weight, by_row, dtype, 0 };
        call.pos_weight = (bcel_operand){ &pos_weight, by_column, dtype, 0 };
    }
    bcel_status status = perform(which, &call, outputs); /* what only a first call does is not counted */
    if (status == BCEL_OK) status = measured(which, &call, outputs);
    printf("%s %s %zu\n", name, name_of_dtype(dtype), n);
    if (status != BCEL_OK) fprintf(stderr, "%s: %s\n", name, bcel_status_text(status));
    return status != BCEL_OK;
}

int main(int argc, char **argv)
{
    static const bcel_dtype dtypes[] = { BCEL_FLOAT32, BCEL_FLOAT64 };
    if (argc != 2) {
        fprintf(stderr, "usage: instructions ISA\n");
        return 2;
    }
    bcel_status status = bcel_select_isa(argv[1]);
    if (status != BCEL_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], bcel_status_text(status));
        return 77;
    }
    int failed = 0;
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        fill(dtypes[d]);
        for (size_t k = 0; k < COUNT(NAMES); k++) {
            /* Twice: what they differ by is the cost of elements alone. */
            failed += count((kernel)k, NAMES[k], dtypes[d], BCEL_BLOCK);
            failed += count((kernel)k, NAMES[k], dtypes[d], LARGEST);
        }
        failed += count(RUN_MEAN, "small-mean", dtypes[d], 16);
        failed += count(RUN_LOSS, "small-loss", dtypes[d], 16);
    }
    return failed > 0;
}
