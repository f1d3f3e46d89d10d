/* Equalities that hold bit for bit: between functions, between ways to ask for one, between instruction sets. */
#include "harness.h"
#include "inputs.h"
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>

static size_t n;
static float *x32, *minus32, *a32, *b32;
static double *x64, *minus64, *a64, *b64;

static void make_inputs(void)
{
    random_state r = { 20242 };
    n = sampled(50000);
    float **singles[] = { &x32, &minus32, &a32, &b32 };
    double **doubles[] = { &x64, &minus64, &a64, &b64 };
    for (int i = 0; i < 4; ++i) {
        *singles[i] = allocate(2 * n, sizeof(float));
        *doubles[i] = allocate(2 * n, sizeof(double));
    }
    logits_f32(&r, x32, n);
    logits_f64(&r, x64, n);
    x32[n / 2] = INFINITY;
    x32[n / 3] = -INFINITY;
    x32[n / 5] = NAN;
    x64[n / 2] = (double)INFINITY;
    x64[n / 3] = -(double)INFINITY;
    x64[n / 5] = (double)NAN;
    for (size_t i = 0; i < n; ++i) {
        minus32[i] = -x32[i];
        minus64[i] = -x64[i];
    }
}

static void check_same_f32(const char *what, const float *a, const float *b)
{
    for (size_t i = 0; i < n; ++i)
        if (!same_f32(a[i], b[i])) test_fail("%s at %a: %a and %a", what, (double)x32[i], (double)a[i], (double)b[i]);
}

static void check_same_f64(const char *what, const double *a, const double *b)
{
    for (size_t i = 0; i < n; ++i)
        if (!same_f64(a[i], b[i])) test_fail("%s at %a: %a and %a", what, x64[i], a[i], b[i]);
}

/* left(x) == right(x or -x) or its opposite; a result of 0 may have either sign if it is one. */
static void check_equal(logit_function left, logit_function right, int opposite, int negative)
{
    compute(left, BCEL_FLOAT32, x32, a32, n);
    compute(left, BCEL_FLOAT64, x64, a64, n);
    compute(right, BCEL_FLOAT32, opposite ? minus32 : x32, b32, n);
    compute(right, BCEL_FLOAT64, opposite ? minus64 : x64, b64, n);
    for (size_t i = 0; negative && i < n; ++i) {
        b32[i] = b32[i] == 0 ? a32[i] * 0 : -b32[i];
        b64[i] = b64[i] == 0 ? a64[i] * 0 : -b64[i];
    }
    check_same_f32(name_of_function(left), a32, b32);
    check_same_f64(name_of_function(left), a64, b64);
}

static void test_symmetries(void)
{
    check_equal(LOSS_1, LOSS_0, 1, 0);
    check_equal(GRADIENT_1, GRADIENT_0, 1, 1);
    check_equal(HESSIAN, HESSIAN, 1, 0);
    check_equal(SIGMOID, GRADIENT_0, 0, 0);
    check_equal(SOFTPLUS, LOSS_0, 0, 0);
    check_equal(LOG_SIGMOID, LOSS_1, 0, 1);
}

/* Targets of 0 and 1 in turn, of every element type, packed. */
static void make_targets(void *y, bcel_dtype dtype)
{
    static const double one64 = 1;
    static const float one32 = 1;
    static const uint16_t one16 = 0x3c00, one_bfloat = 0x3f80, short_one = 1;
    static const uint64_t long_one = 1;
    static const uint32_t int_one = 1;
    static const unsigned char byte_one = 1;
    size_t size = size_of_dtype(dtype);
    const void *one = dtype == BCEL_FLOAT64    ? (const void *)&one64
                      : dtype == BCEL_FLOAT32  ? (const void *)&one32
                      : dtype == BCEL_FLOAT16  ? (const void *)&one16
                      : dtype == BCEL_BFLOAT16 ? (const void *)&one_bfloat
                      : size == 8              ? (const void *)&long_one
                      : size == 4              ? (const void *)&int_one
                      : size == 2              ? (const void *)&short_one
                                               : (const void *)&byte_one;
    memset(y, 0, n * size);
    for (size_t i = 1; i < n; i += 2) memcpy((char *)y + i * size, one, size);
}

/* Packed targets of any type give the bits of constant ones; a weight or pos_weight of 1 changes nothing; two results
 * of one pass are those of two. */
static void test_ways_to_ask(void)
{
    float *reference32[2] = { allocate(n, sizeof(float)), allocate(n, sizeof(float)) };
    double *reference64[2] = { allocate(n, sizeof(double)), allocate(n, sizeof(double)) };
    void *y = allocate(n, 8);
    static const float one = 1;
    for (int function = 0; function < 2; ++function) {
        compute(function ? GRADIENT_1 : LOSS_1, BCEL_FLOAT32, x32, reference32[function], n);
        compute(function ? GRADIENT_1 : LOSS_1, BCEL_FLOAT64, x64, reference64[function], n);
        compute(function ? GRADIENT_0 : LOSS_0, BCEL_FLOAT32, x32, b32, n);
        compute(function ? GRADIENT_0 : LOSS_0, BCEL_FLOAT64, x64, b64, n);
        for (size_t i = 0; i < n; i += 2) {
            reference32[function][i] = b32[i];
            reference64[function][i] = b64[i];
        }
    }
    for (int dtype = BCEL_FLOAT32; dtype <= BCEL_UINT64; ++dtype)
        for (int with = 0; with < 4; ++with) {
            make_targets(y, (bcel_dtype)dtype);
            bcel_call call = call_of(&n, packed(x32, BCEL_FLOAT32), packed(y, (bcel_dtype)dtype));
            if (with & 1) call.weight = constant(&one, BCEL_FLOAT32);
            if (with & 2) call.pos_weight = constant(&one, BCEL_FLOAT32);
            char what[100];
            snprintf(what, sizeof what, "%s targets, %d", name_of_dtype((bcel_dtype)dtype), with);
            bcel_output singles[2] = { output(a32, BCEL_FLOAT32), output(b32, BCEL_FLOAT32) };
            CHECK(bcel_map(BCEL_LOSS_AND_GRAD, &call, singles) == BCEL_OK);
            check_same_f32(what, a32, reference32[0]);
            check_same_f32(what, b32, reference32[1]);
            CHECK(bcel_map(BCEL_LOSS, &call, singles) == BCEL_OK);
            check_same_f32(what, a32, reference32[0]);
            CHECK(bcel_map(BCEL_GRAD, &call, singles) == BCEL_OK);
            check_same_f32(what, a32, reference32[1]);
            CHECK(bcel_map(BCEL_GRAD_AND_HESS, &call, singles) == BCEL_OK);
            check_same_f32(what, a32, reference32[1]);
            call.input = packed(x64, BCEL_FLOAT64);
            bcel_output doubles[2] = { output(a64, BCEL_FLOAT64), output(b64, BCEL_FLOAT64) };
            CHECK(bcel_map(BCEL_LOSS_AND_GRAD, &call, doubles) == BCEL_OK);
            check_same_f64(what, a64, reference64[0]);
            check_same_f64(what, b64, reference64[1]);
            CHECK(bcel_map(BCEL_LOSS, &call, doubles) == BCEL_OK);
            check_same_f64(what, a64, reference64[0]);
            CHECK(bcel_map(BCEL_GRAD, &call, doubles) == BCEL_OK);
            check_same_f64(what, a64, reference64[1]);
        }
    for (int i = 0; i < 2; ++i) {
        release(reference32[i]);
        release(reference64[i]);
    }
    release(y);
}

/* Monotone, and within its range: what rounding alone does not promise. */
static int ascending_f32(const void *a, const void *b)
{
    float p = *(const float *)a, q = *(const float *)b;
    return (p > q) - (p < q);
}

static int ascending_f64(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

static void test_monotone(void)
{
    static const logit_function functions[] = { SIGMOID, LOG_SIGMOID, SOFTPLUS };
    size_t m = 0;
    float *sorted32 = allocate(n, sizeof(float));
    double *sorted64 = allocate(n, sizeof(double));
    for (size_t i = 0; i < n; ++i)
        if (x32[i] == x32[i] && x64[i] == x64[i]) {
            sorted32[m] = x32[i];
            sorted64[m++] = x64[i];
        }
    qsort(sorted32, m, sizeof *sorted32, ascending_f32);
    qsort(sorted64, m, sizeof *sorted64, ascending_f64);
    for (size_t f = 0; f < COUNT(functions); ++f) {
        double low = functions[f] == LOG_SIGMOID ? -(double)INFINITY : 0;
        double high = functions[f] == SIGMOID ? 1 : functions[f] == LOG_SIGMOID ? 0 : (double)INFINITY;
        compute(functions[f], BCEL_FLOAT32, sorted32, a32, m);
        compute(functions[f], BCEL_FLOAT64, sorted64, a64, m);
        for (size_t i = 0; i < m; ++i) {
            if (!((double)a32[i] >= low && (double)a32[i] <= high) || (i && a32[i] < a32[i - 1]))
                test_fail("%s(%a) = %a", name_of_function(functions[f]), (double)sorted32[i], (double)a32[i]);
            if (!(a64[i] >= low && a64[i] <= high) || (i && a64[i] < a64[i - 1]))
                test_fail("%s(%a) = %a", name_of_function(functions[f]), sorted64[i], a64[i]);
        }
    }
    release(sorted32);
    release(sorted64);
}

/* Over the first axis, where the results lie side by side: each that of its column alone. */
static void check_columns(size_t rows, size_t columns, bcel_dtype dtype, const void *x, const void *y, void *column)
{
    size_t size = size_of_dtype(dtype), shape[2] = { columns, rows };
    ptrdiff_t strides[2] = { (ptrdiff_t)size, (ptrdiff_t)(columns * size) };
    bcel_call call = call_of(&rows, packed(x, dtype), packed(y, dtype)), one = call;
    unsigned char sums[64 * sizeof(double)], sum[sizeof(double)];
    bcel_output all_out = output(sums, dtype), one_out = output(sum, dtype);
    call.ndim = 2;
    call.shape = shape;
    call.input.strides = call.target.strides = strides;
    CHECK(bcel_reduce(BCEL_MEAN, 1, &call, &all_out) == BCEL_OK);
    bcel_accumulator each[21];
    for (size_t c = 0; c < columns; ++c) bcel_accumulator_init(&each[c]);
    CHECK(bcel_accumulate_each(each, 1, &call) == BCEL_OK);
    one.input = packed(column, dtype);
    one.target = packed((char *)column + rows * size, dtype);
    for (size_t c = 0; c < columns; ++c) {
        for (size_t i = 0; i < rows; ++i) {
            memcpy((char *)column + i * size, (const char *)x + (i * columns + c) * size, size);
            memcpy((char *)column + (rows + i) * size, (const char *)y + (i * columns + c) * size, size);
        }
        CHECK(bcel_reduce(BCEL_MEAN, 0, &one, &one_out) == BCEL_OK);
        int is_nan = dtype == BCEL_FLOAT32 ? *(float *)(void *)sum != *(float *)(void *)sum
                                           : *(double *)(void *)sum != *(double *)(void *)sum;
        if (!is_nan && memcmp(sum, sums + c * size, size) != 0)
            test_fail("%s, column %zu of (%zu, %zu)", name_of_dtype(dtype), c, rows, columns);
        CHECK(bcel_accumulator_result(&each[c], BCEL_MEAN, &one_out) == BCEL_OK);
        if (!is_nan && memcmp(sum, sums + c * size, size) != 0)
            test_fail("%s, accumulated column %zu of (%zu, %zu)", name_of_dtype(dtype), c, rows, columns);
        double weight;
        bcel_output weight_out = output(&weight, BCEL_FLOAT64);
        CHECK(bcel_exact_result(&each[c].weight, &weight_out) == BCEL_OK && weight == (double)rows);
    }
}

static void test_columns(void)
{
    static const size_t row_counts[] = { 1, 3, 511, 513, 4096, 4611 }, column_counts[] = { 1, 2, 8, 21 };
    random_state r = { 77 };
    size_t most = 4611 * 21;
    double *x = allocate(most, sizeof *x), *y = allocate(most, sizeof *y), *column = allocate(2 * 4611, sizeof *column);
    float *x_single = allocate(most, sizeof *x_single), *y_single = allocate(most, sizeof *y_single);
    for (size_t i = 0; i < most; ++i) {
        size_t kind = i % 21 % 7;
        x[i] = kind == 4 ? random_wide(&r, -10, 10) : 8 * random_normal(&r);
        y[i] = kind == 2 ? random_unit(&r) : (double)random_below(&r, 2);
        x_single[i] = (float)x[i];
        if (kind > 4) { /* nothing but tiny losses, which are not summed in lanes */
            x[i] = -710 - 20 * random_unit(&r);
            x_single[i] = (float)(-85 - 10 * random_unit(&r));
            y[i] = 0;
        }
        y_single[i] = (float)y[i];
    }
    for (size_t i = 0; i < COUNT(row_counts); ++i)
        for (size_t j = 0; j < COUNT(column_counts); ++j) {
            check_columns(row_counts[i], column_counts[j], BCEL_FLOAT32, x_single, y_single, column);
            check_columns(row_counts[i], column_counts[j], BCEL_FLOAT64, x, y, column);
        }
    release(x);
    release(y);
    release(column);
    release(x_single);
    release(y_single);
}

/* Every instruction set against the last one, the portable code that is the specification. */
static void test_instruction_sets(void)
{
    const char *active = bcel_active_isa(), *last = NULL;
    int others = 0;
    for (int i = 0; bcel_isa_name(i); ++i) last = bcel_isa_name(i);
    for (int i = 0; bcel_isa_name(i) != last; ++i) {
        if (!bcel_isa_supported(bcel_isa_name(i))) continue;
        ++others;
        for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f) {
            bcel_select_isa(bcel_isa_name(i));
            compute((logit_function)f, BCEL_FLOAT32, x32, a32, n);
            compute((logit_function)f, BCEL_FLOAT64, x64, a64, n);
            bcel_select_isa(last);
            compute((logit_function)f, BCEL_FLOAT32, x32, b32, n);
            compute((logit_function)f, BCEL_FLOAT64, x64, b64, n);
            check_same_f32(bcel_isa_name(i), a32, b32);
            check_same_f64(bcel_isa_name(i), a64, b64);
        }
        test_note("%s", bcel_isa_name(i));
    }
    bcel_select_isa(active);
    if (!others) test_skip("this processor runs %s alone", last);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "symmetries", test_symmetries, 1 },
        { "targets of every type, weights of 1, two results", test_ways_to_ask, 1 },
        { "monotone and in range", test_monotone, 1 },
        { "columns", test_columns, 1 },
        { "instruction sets agree with the portable code", test_instruction_sets, 0 },
    };
    make_inputs();
    return run_tests("identity", tests, COUNT(tests), argc, argv);
}
