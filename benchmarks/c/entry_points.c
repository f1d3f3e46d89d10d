/* Times hot calls of the C entry points: the arguments stay where they are, in cache.
 *
 *     entry_points [ISA]
 *
 * prints a header and, for each call, tab separated: name, dtype, elements, nanoseconds (least and median). */
#define _POSIX_C_SOURCE 200809L
#include "bcelogits.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LARGEST = 4096, SAMPLES = 101, SAMPLE_NANOSECONDS = 500000 };

typedef enum { MEAN, MEAN_BUILT_ANEW, WEIGHTED_MEAN, NONE, VALUE_AND_GRAD, GRAD_AND_HESS, ENTRIES } entry;

static const char *const NAMES[ENTRIES] = {
    "mean", "mean, bcel_call built anew", "mean, weight, pos_weight", "none", "value_and_grad", "grad_and_hess",
};

typedef union {
    float f32[LARGEST];
    double f64[LARGEST];
} array;

static array input, target, weight, pos_weight, first, second;

static double nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void fill(array *values, bcel_dtype dtype, double scale, double shift)
{
    uint32_t state = 12345;
    for (int i = 0; i < LARGEST; i++) {
        state = state * 1664525u + 1013904223u;
        double value = shift + scale * ((double)(state >> 8) / 16777216.0);
        if (dtype == BCEL_FLOAT32) values->f32[i] = (float)value;
        else values->f64[i] = value;
    }
}

static void harden(array *values, bcel_dtype dtype)
{
    for (int i = 0; i < LARGEST; i++) {
        if (dtype == BCEL_FLOAT32) values->f32[i] = values->f32[i] < 0.3f ? 1.0f : 0.0f;
        else values->f64[i] = values->f64[i] < 0.3 ? 1.0 : 0.0;
    }
}

static bcel_operand operand(const array *values, bcel_dtype dtype)
{
    return (bcel_operand){ values, NULL, dtype, 0 };
}

/* What an embedder does once, and again where the arrays are of another shape or dtype. */
static bcel_call build(entry which, bcel_dtype dtype, const size_t *n)
{
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 1;
    call.shape = n;
    call.input = operand(&input, dtype);
    call.target = operand(&target, dtype);
    if (which == WEIGHTED_MEAN) {
        call.weight = operand(&weight, dtype);
        call.pos_weight = operand(&pos_weight, dtype);
    }
    return call;
}

static bcel_status perform(entry which, const bcel_call *call, const bcel_output outputs[2])
{
    switch (which) {
    case MEAN_BUILT_ANEW: {
        bcel_call anew = build(which, call->input.dtype, call->shape);
        return bcel_reduce(BCEL_MEAN, 0, &anew, &outputs[0]);
    }
    case NONE:
        return bcel_map(BCEL_LOSS, call, outputs);
    case VALUE_AND_GRAD:
        return bcel_value_and_grad(BCEL_MEAN, 1.0, call, &outputs[1], &outputs[0]);
    case GRAD_AND_HESS:
        return bcel_map(BCEL_GRAD_AND_HESS, call, outputs);
    default:
        return bcel_reduce(BCEL_MEAN, 0, call, &outputs[0]);
    }
}

static double time_calls(entry which, bcel_dtype dtype, size_t n, long repeats)
{
    bcel_call call = build(which, dtype, &n);
    bcel_output outputs[2] = { { &first, NULL, dtype, 0 }, { &second, NULL, dtype, 0 } };
    double start = nanoseconds();
    for (long i = 0; i < repeats; i++) {
        bcel_status status = perform(which, &call, outputs);
        if (status != BCEL_OK) {
            fprintf(stderr, "%s: %s\n", NAMES[which], bcel_status_text(status));
            exit(1);
        }
    }
    return (nanoseconds() - start) / (double)repeats;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void report(entry which, bcel_dtype dtype, size_t n)
{
    double samples[SAMPLES];
    long repeats = 1 + (long)(SAMPLE_NANOSECONDS / (time_calls(which, dtype, n, 1000) + 1.0));
    for (int i = 0; i < SAMPLES; i++) samples[i] = time_calls(which, dtype, n, repeats);
    qsort(samples, SAMPLES, sizeof samples[0], ascending);
    printf("%s\t%s\t%zu\t%.2f\t%.2f\n", NAMES[which], dtype == BCEL_FLOAT32 ? "float32" : "float64", n, samples[0],
           samples[SAMPLES / 2]);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 1, 16, 64, 1024 };
    static const bcel_dtype dtypes[] = { BCEL_FLOAT32, BCEL_FLOAT64 };
    if (argc > 1) {
        bcel_status status = bcel_select_isa(argv[1]);
        if (status != BCEL_OK) {
            fprintf(stderr, "%s: %s\n", argv[1], bcel_status_text(status));
            return 1;
        }
    }
    printf("call\tdtype\tn\tleast\tmedian\n");
    for (size_t d = 0; d < 2; d++) {
        fill(&input, dtypes[d], 12.0, -6.0);
        fill(&target, dtypes[d], 1.0, 0.0);
        harden(&target, dtypes[d]);
        fill(&weight, dtypes[d], 1.5, 0.5);
        fill(&pos_weight, dtypes[d], 1.5, 0.5);
        for (int which = 0; which < ENTRIES; which++)
            for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) report((entry)which, dtypes[d], sizes[s]);
    }
    return 0;
}
