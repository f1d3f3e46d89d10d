/* Golden hashes: every function over fixed inputs must give the bits whose hashes golden.txt holds, on every
 * instruction set, under every compiler and on every machine.
 *
 *     test_golden [TEST...]           compare
 *     test_golden --write FILE        write the hashes of the best instruction set
 *     test_golden --print NAME        print the results that a hash stands for, to compare two machines */
#include "calls.h"
#include "golden_file.h"
#include "harness.h"
#include "inputs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOGITS = 30000, GENERAL = 8192, LARGEST = 300001 };

static enum { COMPARE, WRITE, PRINT } mode = COMPARE;
static const char *wanted;

static void settle(const char *name, hash_state h)
{
    uint64_t expected = 0;
    if (mode == WRITE)
        golden_add(name, h.value);
    else if (mode == COMPARE && !golden_find(name, &expected))
        test_fail("%s: no hash of this name", name);
    else if (mode == COMPARE && expected != h.value)
        test_fail("%s: %016" PRIx64 ", not %016" PRIx64, name, h.value, expected);
}

static void settle_f32(const char *name, const float *a, size_t n)
{
    hash_state h;
    hash_init(&h);
    hash_f32(&h, a, n);
    settle(name, h);
    if (mode == PRINT && strcmp(name, wanted) == 0)
        for (size_t i = 0; i < n; ++i) printf("%zu %a\n", i, (double)a[i]);
}

static void settle_f64(const char *name, const double *a, size_t n)
{
    hash_state h;
    hash_init(&h);
    hash_f64(&h, a, n);
    settle(name, h);
    if (mode == PRINT && strcmp(name, wanted) == 0)
        for (size_t i = 0; i < n; ++i) printf("%zu %a\n", i, a[i]);
}

static void settle_values(const char *name, bcel_dtype dtype, const void *a, size_t n)
{
    if (dtype == BCEL_FLOAT32)
        settle_f32(name, a, n);
    else
        settle_f64(name, a, n);
}

static void require(const char *name, bcel_status status)
{
    if (status != BCEL_OK) test_fail("%s: %s", name, bcel_status_text(status));
}

/* ---- inputs -------------------------------------------------------------------------------------- */

/* Everything of one precision. The general inputs come in two sets: an ordinary one, and one with every value that may
 * need care in each of its chunks. */
typedef struct {
    bcel_dtype dtype;
    void *logits;
    struct { void *x, *y, *w, *p, *g; unsigned char *hard, *where; } set[2];
    void *sum_x, *sum_y, *sum_w;
    unsigned char *sum_hard;
} inputs;

static inputs single = { .dtype = BCEL_FLOAT32 }, wide = { .dtype = BCEL_FLOAT64 };
static const char *const set_names[] = { "ordinary", "extreme" };

#define DEFINE_MAKE(name, real, suffix, lowest, highest)                                                  \
    static void name(inputs *to)                                                                          \
    {                                                                                                     \
        random_state r = { 7 };                                                                           \
        real *logits = allocate(LOGITS, sizeof(real));                                                    \
        logits_##suffix(&r, logits, LOGITS);                                                              \
        logits[LOGITS - 1] = (real)NAN;                                                                   \
        logits[LOGITS - 2] = (real)INFINITY;                                                              \
        logits[LOGITS - 3] = -(real)INFINITY;                                                             \
        to->logits = logits;                                                                              \
        for (int s = 0; s < 2; ++s) {                                                                     \
            real *x = allocate(GENERAL, sizeof(real)), *y = allocate(GENERAL, sizeof(real));              \
            real *w = allocate(GENERAL, sizeof(real)), *p = allocate(GENERAL, sizeof(real));              \
            real *g = allocate(GENERAL, sizeof(real));                                                    \
            unsigned char *hard = allocate(GENERAL, 1), *where = allocate(GENERAL, 1);                    \
            soft_targets_##suffix(&r, y, GENERAL);                                                        \
            weights_##suffix(&r, w, GENERAL, s ? lowest : -8, s ? highest : 8);                           \
            weights_##suffix(&r, p, GENERAL, s ? lowest : -8, s ? highest : 8);                           \
            weights_##suffix(&r, g, GENERAL, -2, 2);                                                      \
            if (s) random_logits_##suffix(&r, x, GENERAL);                                                \
            for (size_t i = 0; i < GENERAL; ++i) {                                                        \
                if (!s) x[i] = (real)(5 * random_normal(&r));                                             \
                if (random_below(&r, 4) == 0) w[i] = -w[i];                                               \
                hard[i] = (unsigned char)random_below(&r, 2);                                             \
                where[i] = (unsigned char)random_below(&r, 3);                                            \
                if (s == 0) continue;                                                                     \
                if (i % 64 == 3) x[i] = (real)INFINITY;                                                   \
                if (i % 64 == 9) x[i] = -(real)INFINITY;                                                  \
                if (i % 128 == 17) x[i] = (real)NAN;                                                      \
                if (i % 32 == 5) w[i] = 0;                                                                \
                if (i % 32 == 21) p[i] = 0;                                                               \
                if (i % 128 == 33) w[i] = (real)INFINITY;                                                 \
                if (i % 128 == 77) p[i] = (real)INFINITY;                                                 \
            }                                                                                             \
            to->set[s].x = x, to->set[s].y = y, to->set[s].w = w, to->set[s].p = p, to->set[s].g = g;     \
            to->set[s].hard = hard, to->set[s].where = where;                                             \
        }                                                                                                 \
        real *x = allocate(LARGEST, sizeof(real)), *y = allocate(LARGEST, sizeof(real));                  \
        real *w = allocate(LARGEST, sizeof(real));                                                        \
        unsigned char *hard = allocate(LARGEST, 1);                                                       \
        soft_targets_##suffix(&r, y, LARGEST);                                                            \
        weights_##suffix(&r, w, LARGEST, -4, 4);                                                          \
        for (size_t i = 0; i < LARGEST; ++i) {                                                            \
            x[i] = (real)(i % 1000 < 500 ? 4 * random_normal(&r) : 60 * random_unit(&r) - 30);            \
            hard[i] = (unsigned char)random_below(&r, 2);                                                 \
        }                                                                                                 \
        to->sum_x = x, to->sum_y = y, to->sum_w = w, to->sum_hard = hard;                                 \
    }

DEFINE_MAKE(make_single, float, f32, -60, 60)
DEFINE_MAKE(make_wide, double, f64, -500, 500)

/* ---- single elements ------------------------------------------------------------------------------ */

static void settle_logits(const inputs *in)
{
    void *result = allocate(LOGITS, size_of_dtype(in->dtype));
    for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f) {
        char name[80];
        snprintf(name, sizeof name, "%s, %s", name_of_function((logit_function)f), name_of_dtype(in->dtype));
        compute((logit_function)f, in->dtype, in->logits, result, LOGITS);
        settle_values(name, in->dtype, result, LOGITS);
    }
    release(result);
}

static void test_logits_f32(void) { settle_logits(&single); }
static void test_logits_f64(void) { settle_logits(&wide); }

static void settle_general(const inputs *in)
{
    static const struct { const char *name; bcel_function function; int results; } functions[] = {
        { "loss", BCEL_LOSS, 1 }, { "gradient", BCEL_GRAD, 1 }, { "loss and gradient", BCEL_LOSS_AND_GRAD, 2 },
        { "gradient and hessian", BCEL_GRAD_AND_HESS, 2 }, { "target gradient", BCEL_GRAD_TARGET, 1 },
        { "weight gradient", BCEL_GRAD_WEIGHT, 1 }, { "pos_weight gradient", BCEL_GRAD_POS_WEIGHT, 1 },
    };
    static const char *const variants[] = { "hard", "soft", "weight", "pos_weight", "both weights", "label smoothing",
                                            "where", "grad_output, hess_floor", "float64 targets" };
    size_t n = GENERAL, size = size_of_dtype(in->dtype);
    char *results = allocate(2 * n, size);
    double *other = allocate(n, sizeof(double));
    for (int s = 0; s < 2; ++s)
        for (size_t v = 0; v < COUNT(variants); ++v) {
            if (v == 8) soft_targets_f64(&(random_state){ 99 }, other, n);
            bcel_operand soft = packed(in->set[s].y, in->dtype), hard = packed(in->set[s].hard, BCEL_UINT8);
            bcel_call call = call_of(&n, packed(in->set[s].x, in->dtype), v == 0 || v == 3 ? hard : soft);
            if (v == 2 || v == 4) call.weight = packed(in->set[s].w, in->dtype);
            if (v == 3 || v == 4) call.pos_weight = packed(in->set[s].p, in->dtype);
            if (v == 5) call.label_smoothing = 0.1;
            if (v == 6) call.where = packed(in->set[s].where, BCEL_BOOL);
            if (v == 7) call.grad_output = packed(in->set[s].g, in->dtype);
            if (v == 7) call.hess_floor = 1e-3;
            if (v == 8) call.target = packed(other, BCEL_FLOAT64);
            for (size_t f = 0; f < COUNT(functions); ++f) {
                char name[80];
                snprintf(name, sizeof name, "%s, %s, %s, %s", functions[f].name, variants[v], set_names[s],
                         name_of_dtype(in->dtype));
                bcel_output outputs[2] = { output(results, in->dtype), output(results + n * size, in->dtype) };
                require(name, bcel_map(functions[f].function, &call, outputs));
                settle_values(name, in->dtype, results, n * (size_t)functions[f].results);
            }
        }
    release(results);
    release(other);
}

static void test_general_f32(void) { settle_general(&single); }
static void test_general_f64(void) { settle_general(&wide); }

/* All logits of 16 bits; results as numbers of 32 bits, for their own are the business of test_float16. */
static void test_halves(void)
{
    size_t n = 65536;
    uint16_t *x = allocate(n, sizeof *x);
    float *result = allocate(n, sizeof *result);
    static const unsigned char none = 0;
    for (size_t i = 0; i < n; ++i) x[i] = (uint16_t)i;
    for (int dtype = BCEL_FLOAT16; dtype <= BCEL_BFLOAT16; ++dtype) {
        char name[80];
        bcel_call call = call_of(&n, packed(x, (bcel_dtype)dtype), constant(&none, BCEL_BOOL));
        bcel_output to = output(result, BCEL_FLOAT32);
        snprintf(name, sizeof name, "loss y=0, %s", name_of_dtype((bcel_dtype)dtype));
        require(name, bcel_map(BCEL_LOSS, &call, &to));
        settle_f32(name, result, n);
    }
    release(x);
    release(result);
}

/* ---- sums ----------------------------------------------------------------------------------------- */

static const size_t large[] = { 511, 512, 513, 1000, 4095, 4096, 4097, 8192, 8193, 20000, 65553, LARGEST };

enum { SHORT_LENGTHS = 301, LENGTHS = SHORT_LENGTHS + (int)COUNT(large) };

static size_t length_at(size_t i) { return i < SHORT_LENGTHS ? i : large[i - SHORT_LENGTHS]; }

/* Each reduction at all lengths, rounded to double: float would hide a difference. */
static void settle_sums(const inputs *in)
{
    static const char *const reductions[] = { "sum", "mean", "weighted mean" };
    static const char *const variants[] = { "hard", "soft", "weighted", "one pos_weight" };
    static const float pos_weight = 2.5f;
    double values[LENGTHS], gradients[LENGTHS];
    hash_state all;
    void *gradient = allocate(LARGEST, size_of_dtype(in->dtype));
    for (size_t v = 0; v < COUNT(variants); ++v)
        for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
            char name[80];
            snprintf(name, sizeof name, "%s, %s, %s", reductions[reduction], variants[v], name_of_dtype(in->dtype));
            hash_init(&all);
            for (size_t i = 0; i < LENGTHS; ++i) {
                size_t n = length_at(i);
                bcel_call call = call_of(&n, packed(in->sum_x, in->dtype),
                                         v % 3 ? packed(in->sum_y, in->dtype) : packed(in->sum_hard, BCEL_UINT8));
                if (v == 2) call.weight = packed(in->sum_w, in->dtype);
                if (v == 3) call.pos_weight = constant(&pos_weight, BCEL_FLOAT32);
                bcel_output value = output(&values[i], BCEL_FLOAT64);
                require(name, bcel_reduce((bcel_reduction)reduction, 0, &call, &value));
                if (i % 10 && i < SHORT_LENGTHS) continue;
                bcel_output both = output(&gradients[i], BCEL_FLOAT64), to = output(gradient, in->dtype);
                require(name, bcel_value_and_grad((bcel_reduction)reduction, 1.5, &call, &both, &to));
                if (!same_f64(values[i], gradients[i]))
                    test_fail("%s of %zu: %a, but with its gradient %a", name, n, values[i], gradients[i]);
                if (in->dtype == BCEL_FLOAT32)
                    hash_f32(&all, gradient, n);
                else
                    hash_f64(&all, gradient, n);
            }
            settle_f64(name, values, LENGTHS);
            strcat(name, ", gradient");
            settle(name, all);
        }
    release(gradient);
}

static void test_sums_f32(void) { settle_sums(&single); }
static void test_sums_f64(void) { settle_sums(&wide); }

/* Rows, columns, and gradients summed over one of them. */
static void settle_kept(const inputs *in)
{
    enum { ROWS = 37, COLUMNS = 211 };
    size_t shape[2] = { ROWS, COLUMNS };
    double values[ROWS];
    char name[80];
    bcel_call call = call_of(shape, packed(in->sum_x, in->dtype), packed(in->sum_y, in->dtype));
    ptrdiff_t size = (ptrdiff_t)size_of_dtype(in->dtype), by_row[2] = { size, 0 };
    call.ndim = 2;
    call.weight = packed(in->sum_w, in->dtype);
    call.weight.strides = by_row;
    call.pos_weight = call.weight;
    bcel_output to = output(values, BCEL_FLOAT64);
    for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
        snprintf(name, sizeof name, "rows, reduction %d, %s", reduction, name_of_dtype(in->dtype));
        require(name, bcel_reduce((bcel_reduction)reduction, 1, &call, &to));
        settle_f64(name, values, ROWS);
        for (int function = BCEL_GRAD_WEIGHT; function <= BCEL_GRAD_POS_WEIGHT; ++function) {
            snprintf(name, sizeof name, "rows, reduction %d, gradient %d, %s", reduction, function,
                     name_of_dtype(in->dtype));
            require(name, bcel_reduce_grad((bcel_function)function, (bcel_reduction)reduction, 0.7, 1, &call, &to));
            settle_f64(name, values, ROWS);
        }
    }
    for (int function = BCEL_GRAD_WEIGHT; function <= BCEL_GRAD_POS_WEIGHT; ++function) {
        snprintf(name, sizeof name, "rows, gradient %d, %s", function, name_of_dtype(in->dtype));
        require(name, bcel_sum_grad((bcel_function)function, 1, &call, &to));
        settle_f64(name, values, ROWS);
    }
}

static void test_kept(void)
{
    settle_kept(&single);
    settle_kept(&wide);
}

static int everything_ran;

static void test_all_used(void)
{
    const char *unused = everything_ran ? golden_unused() : NULL;
    if (!everything_ran) test_skip("not all tests were asked for");
    if (unused) test_fail("golden.txt: nothing computes %s", unused);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "logits, float32", test_logits_f32, 1 },
        { "logits, float64", test_logits_f64, 1 },
        { "soft targets and weights, float32", test_general_f32, 1 },
        { "soft targets and weights, float64", test_general_f64, 1 },
        { "float16 and bfloat16", test_halves, 1 },
        { "sums at all lengths, float32", test_sums_f32, 1 },
        { "sums at all lengths, float64", test_sums_f64, 1 },
        { "rows and gradients of parameters", test_kept, 1 },
        { "every hash of the file is used", test_all_used, 0 },
    };
    make_single(&single);
    make_wide(&wide);
    if (argc == 3 && (strcmp(argv[1], "--write") == 0 || strcmp(argv[1], "--print") == 0)) {
        mode = argv[1][2] == 'w' ? WRITE : PRINT;
        wanted = argv[2];
        for (size_t i = 0; i + 1 < COUNT(tests); ++i) tests[i].run();
        if (mode == WRITE) golden_write(argv[2]);
        return 0;
    }
    golden_read("golden.txt");
    everything_ran = argc == 1;
    return run_tests("golden", tests, COUNT(tests), argc, argv);
}
