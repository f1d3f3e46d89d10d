/* No byte outside the arguments is read or written: operands and outputs lie between pages that nobody may touch, once at
 * the start and once at the end of what they have. A touch outside kills this program. */
#if defined(__unix__) || defined(__APPLE__)
#  define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#  define _DARWIN_C_SOURCE
#  define HAVE_PAGES
#endif
#include "calls.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#if defined(HAVE_PAGES)
#  include <sys/mman.h>
#  include <unistd.h>

enum { ARRAYS = 8, LARGEST = BCEL_BLOCK + 3 };

/* Room for LARGEST elements of 8 bytes, in whole pages, between two that nobody may touch. */
typedef struct { char *start, *end; } room;

static room rooms[ARRAYS];

static int reserve(void)
{
    if (rooms[0].start) return 1;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (LARGEST * 8 + page - 1) / page * page;
    for (int i = 0; i < ARRAYS; ++i) {
        char *all = mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (all == MAP_FAILED || mprotect(all + page, bytes, PROT_READ | PROT_WRITE) != 0) return 0;
        rooms[i].start = all + page;
        rooms[i].end = all + page + bytes;
    }
    return 1;
}

static char *place(int i, size_t bytes, int at_end)
{
    return at_end ? rooms[i].end - bytes : rooms[i].start;
}

static void everything_on(size_t n, bcel_dtype dtype, bcel_dtype target_dtype, int at_end)
{
    size_t size = size_of_dtype(dtype), target_size = size_of_dtype(target_dtype);
    bcel_call call = call_of(&n, packed(place(0, n * size, at_end), dtype),
                             packed(place(1, n * target_size, at_end), target_dtype));
    memset(place(0, n * size, at_end), 0x3c, n * size);
    memset(place(1, n * target_size, at_end), 0, n * target_size);
    bcel_output outputs[2] = { output(place(2, n * size, at_end), dtype), output(place(3, n * size, at_end), dtype) };
    bcel_output value = output(place(4, size, at_end), dtype);
    for (int weighted = 0; weighted < 2; ++weighted) {
        if (weighted) {
            memset(place(5, n * size, at_end), 0x3c, n * size);
            memset(place(6, n, at_end), 1, n);
            memset(place(7, size, at_end), 0x3c, size);
            call.weight = packed(place(5, n * size, at_end), dtype);
            call.where = packed(place(6, n, at_end), BCEL_BOOL);
            call.pos_weight = constant(place(7, size, at_end), dtype);
        }
        for (int f = BCEL_LOSS; f <= BCEL_SOFTPLUS; ++f)
            CHECK(bcel_map((bcel_function)f, &call, outputs) == BCEL_OK);
        for (int r = BCEL_SUM; r <= BCEL_WEIGHTED_MEAN; ++r) {
            CHECK(bcel_reduce((bcel_reduction)r, 0, &call, &value) == BCEL_OK);
            CHECK(bcel_value_and_grad((bcel_reduction)r, 1, &call, &value, outputs) == BCEL_OK);
            CHECK(bcel_reduce_grad(BCEL_GRAD_POS_WEIGHT, (bcel_reduction)r, 1, 0, &call, &value) == BCEL_OK);
        }
        CHECK(bcel_find_bad_target(&call) == SIZE_MAX);
        CHECK(bcel_find_negative(1, &n, &call.input) == SIZE_MAX);
    }
    /* Every second element, in the other byte order: the last ends where the memory does. */
    size_t half = (n + 1) / 2;
    ptrdiff_t strides[2] = { 2 * (ptrdiff_t)size, 2 * (ptrdiff_t)target_size };
    bcel_call strided = call_of(&half, packed(place(0, (2 * half - 1) * size, at_end), dtype),
                                packed(place(1, (2 * half - 1) * target_size, at_end), target_dtype));
    strided.input.strides = &strides[0];
    strided.target.strides = &strides[1];
    strided.input.swapped = strided.target.swapped = 1;
    CHECK(bcel_map(BCEL_LOSS_AND_GRAD, &strided, outputs) == BCEL_OK);
    CHECK(bcel_reduce(BCEL_MEAN, 0, &strided, &value) == BCEL_OK);
}

static void test_outside(void)
{
    static const size_t lengths[] = { 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 511, 512, 513, 1025,
                                      LARGEST };
    static const bcel_dtype dtypes[] = { BCEL_FLOAT32, BCEL_FLOAT64, BCEL_FLOAT16, BCEL_BFLOAT16 };
    if (!reserve()) {
        test_skip("no pages to be had");
        return;
    }
    size_t step = sampled(2) == 1 ? 3 : 1; /* for emulators; leaves the last out too */
    for (size_t i = 0; i < COUNT(lengths); i += step)
        for (size_t d = 0; d < COUNT(dtypes); ++d)
            for (int at_end = 0; at_end < 2; ++at_end) {
                everything_on(lengths[i], dtypes[d], dtypes[d], at_end);
                everything_on(lengths[i], dtypes[d], BCEL_BOOL, at_end);
                everything_on(lengths[i], dtypes[d], BCEL_INT64, at_end);
            }
}

/* How an operand of the shape (rows, columns) is spread: all of it, one row, one column, or one element for all. */
typedef enum { WHOLE, ROW, COLUMN, ONE, FORMS } form;

/* An operand of such a form between its pages, `shift` bytes off either end, with strides of its own. */
static bcel_operand spread(int i, bcel_dtype dtype, form how, size_t rows, size_t columns, int at_end, size_t shift,
                           unsigned char byte, ptrdiff_t strides[2])
{
    size_t size = size_of_dtype(dtype);
    size_t count = how == WHOLE ? rows * columns : rows * columns == 0 ? 0 : how == ROW ? columns : how == COLUMN ? rows : 1;
    char *data = place(i, count * size, at_end) + (at_end ? -(ptrdiff_t)shift : (ptrdiff_t)shift);
    strides[0] = how == WHOLE ? (ptrdiff_t)(columns * size) : how == COLUMN ? (ptrdiff_t)size : 0;
    strides[1] = how == WHOLE || how == ROW ? (ptrdiff_t)size : 0;
    memset(data, byte, count * size);
    bcel_operand operand = { data, strides, dtype, 0 };
    return operand;
}

/* Every function on one shape, with operands of these forms. */
static void every_function(size_t rows, size_t columns, bcel_dtype dtype, bcel_dtype target_dtype, form how, int at_end,
                           size_t shift)
{
    static const bcel_function parameters[] = { BCEL_GRAD_WEIGHT, BCEL_GRAD_POS_WEIGHT };
    ptrdiff_t strides[6][2], out_strides[2][2];
    size_t shape[2] = { rows, columns }, size = size_of_dtype(dtype), n = rows * columns;
    size_t own = shift % size, target_own = shift % size_of_dtype(target_dtype);
    /* 0x3c3c is near 1 in any of the floating types. */
    bcel_call call = call_of(NULL, spread(0, dtype, WHOLE, rows, columns, at_end, own, 0x3c, strides[0]),
                             spread(1, target_dtype, how == ROW ? WHOLE : how, rows, columns, at_end, target_own, 0,
                                    strides[1]));
    call.ndim = 2;
    call.shape = shape;
    bcel_output outputs[2];
    for (int o = 0; o < 2; ++o) {
        bcel_operand like = spread(2 + o, dtype, WHOLE, rows, columns, at_end, own, 0, out_strides[o]);
        union { const void *from; void *to; } address = { like.data };
        outputs[o] = output(address.to, dtype);
        outputs[o].strides = out_strides[o];
    }
    bcel_output value = output(place(4, size, at_end), dtype);
    bcel_accumulator sums[1];
    for (int weighted = 0; weighted < 2; ++weighted) {
        if (weighted) {
            form other = (form)((how + 1) % FORMS);
            call.weight = spread(5, dtype, how, rows, columns, at_end, own, 0x3c, strides[2]);
            call.pos_weight = spread(6, dtype, other, rows, columns, at_end, own, 0x3c, strides[3]);
            call.where = spread(7, BCEL_BOOL, how, rows, columns, at_end, 0, 1, strides[4]);
        }
        for (int f = BCEL_LOSS; f <= BCEL_SOFTPLUS; ++f)
            CHECK(bcel_map((bcel_function)f, &call, outputs) == BCEL_OK);
        CHECK(bcel_find_bad_target(&call) == SIZE_MAX);
        for (int r = BCEL_SUM; r <= BCEL_WEIGHTED_MEAN; ++r) {
            bcel_reduction reduction = (bcel_reduction)r;
            bcel_output kept_out = output(outputs[0].data, dtype); /* no more results than elements */
            CHECK(bcel_reduce(reduction, 0, &call, &value) == BCEL_OK);
            if (n) CHECK(bcel_reduce(reduction, 1, &call, &kept_out) == BCEL_OK);
            CHECK(bcel_value_and_grad(reduction, 1, &call, &value, outputs) == BCEL_OK);
            for (size_t g = 0; g < COUNT(parameters); ++g) {
                CHECK(bcel_reduce_grad(parameters[g], reduction, 1, 0, &call, &value) == BCEL_OK);
                if (n) CHECK(bcel_reduce_grad(parameters[g], reduction, 1, 1, &call, &kept_out) == BCEL_OK);
            }
            bcel_accumulator_init(sums);
            CHECK(bcel_accumulate(sums, &call, 0, SIZE_MAX) == BCEL_OK);
            CHECK(bcel_accumulator_result(sums, reduction, &value) == BCEL_OK);
        }
        for (size_t g = 0; g < COUNT(parameters); ++g)
            CHECK(bcel_sum_grad(parameters[g], 0, &call, &value) == BCEL_OK);
    }
    CHECK(bcel_find_negative(2, shape, &call.input) == SIZE_MAX);
}

/* Lengths from 0 to 600, each type of logit and target, forms of broadcasting, alignments, both ends: all combinations
 * with WHOLE=1, otherwise one in so many, which differ from length to length. */
static void test_every_length(void)
{
    enum { LONGEST = 600, ONE_IN = 211 };
    static const bcel_dtype dtypes[] = { BCEL_FLOAT32, BCEL_FLOAT64, BCEL_FLOAT16, BCEL_BFLOAT16 };
    const char *whole = getenv("WHOLE");
    size_t every = whole && *whole == '1' ? 1 : sampled(2) == 1 ? ONE_IN * 50 : ONE_IN, cases = 0, number = 0;
    if (!reserve()) {
        test_skip("no pages to be had");
        return;
    }
    for (size_t n = 0; n <= LONGEST; ++n)
        for (size_t d = 0; d < COUNT(dtypes); ++d)
            for (int target = BCEL_FLOAT32; target <= BCEL_UINT64; ++target)
                for (int how = WHOLE; how < FORMS; ++how)
                    for (size_t shift = 0; shift < 8; shift += shift ? 3 : 1)
                        for (int at_end = 0; at_end < 2; ++at_end) {
                            if (number++ % every) continue;
                            size_t rows = n % 5 == 0 ? 5 : n % 3 == 0 ? 3 : 1;
                            every_function(rows, n / rows, dtypes[d], (bcel_dtype)target, (form)how, at_end, shift);
                            ++cases;
                        }
    test_note("%zu calls of every function", cases);
}
#else
static void test_outside(void) { test_skip("no pages here that nobody may touch"); }
static void test_every_length(void) { test_outside(); }
#endif

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "pages beside the arguments", test_outside, 1 },
        { "pages beside arguments of every length", test_every_length, 1 },
    };
    return run_tests("outside", tests, COUNT(tests), argc, argv);
}
