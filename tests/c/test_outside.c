/* No byte outside the arguments is read or written: operands and outputs lie between pages that nobody may touch, once at
 * the start and once at the end of what they have. A touch outside kills this program. */
#if defined(__unix__) || defined(__APPLE__)
#  define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#  define _DARWIN_C_SOURCE
#  define HAVE_PAGES
#endif
#include "calls.h"
#include "harness.h"

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
#else
static void test_outside(void) { test_skip("no pages here that nobody may touch"); }
#endif

int main(int argc, char **argv)
{
    static const test_case tests[] = { { "pages beside the arguments", test_outside, 1 } };
    return run_tests("outside", tests, COUNT(tests), argc, argv);
}
