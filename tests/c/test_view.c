/* Operands of any shape and strides, read and written in pieces: against one element at a time. */
#include "harness.h"
#include "numbers.h"
#include "view.h"

enum { LARGEST_SHAPE = 20, DIMS = 4, PIECE = 80, ROOM = 1 << 16, END = 77 };

typedef struct {
    int ndim;
    size_t shape[DIMS], n;
    ptrdiff_t strides[DIMS];
    size_t first; /* offset of element 0 in the memory that the strides span */
    size_t size;
    int unique; /* no two elements at the same place */
} layout;

/* Dimensions of any order in memory, some backward, some with gaps, some repeated. */
static layout random_layout(random_state *r)
{
    static const bcel_dtype dtypes[] = { BCEL_UINT8, BCEL_FLOAT16, BCEL_FLOAT32, BCEL_FLOAT64 };
    layout l = { 0 };
    int order[DIMS];
    l.ndim = 1 + (int)random_below(r, DIMS);
    l.n = 1;
    l.size = (size_t)1 << random_below(r, COUNT(dtypes));
    l.unique = 1;
    for (int d = 0; d < l.ndim; ++d) {
        l.shape[d] = 1 + random_below(r, random_below(r, 2) ? 4 : LARGEST_SHAPE);
        l.n *= l.shape[d];
        order[d] = d;
    }
    for (int d = l.ndim - 1; d > 0; --d) {
        size_t other = random_below(r, (size_t)d + 1);
        int swapped = order[d];
        if (random_below(r, 2)) continue;
        order[d] = order[other];
        order[other] = swapped;
    }
    ptrdiff_t extent = (ptrdiff_t)l.size;
    for (int i = l.ndim - 1; i >= 0; --i) {
        int d = order[i];
        if (random_below(r, 4) == 0) {
            l.unique &= l.shape[d] == 1;
            continue;
        }
        extent *= 1 + (ptrdiff_t)(random_below(r, 3) == 0) * (1 + (ptrdiff_t)random_below(r, 2));
        l.strides[d] = extent;
        extent *= (ptrdiff_t)l.shape[d];
        if (random_below(r, 4) == 0) {
            l.strides[d] = -l.strides[d];
            l.first += (size_t)-l.strides[d] * (l.shape[d] - 1);
        }
    }
    if (extent + 8 > ROOM) return random_layout(r);
    return l;
}

static size_t offset_of(const layout *l, size_t element)
{
    ptrdiff_t at = (ptrdiff_t)l->first;
    for (int d = l->ndim - 1; d >= 0; --d) {
        at += (ptrdiff_t)(element % l->shape[d]) * l->strides[d];
        element /= l->shape[d];
    }
    return (size_t)at;
}

static bcel_dtype dtype_of(size_t size)
{
    return size == 1 ? BCEL_UINT8 : size == 2 ? BCEL_FLOAT16 : size == 4 ? BCEL_FLOAT32 : BCEL_FLOAT64;
}

static void test_pieces(void)
{
    random_state r = { 11 };
    unsigned char *memory = allocate(ROOM, 1), *before = allocate(ROOM, 1);
    for (size_t trial = 0, trials = sampled(20000); trial < trials; ++trial) {
        layout l = random_layout(&r);
        size_t misaligned = random_below(&r, 2) * random_below(&r, l.size);
        size_t start = random_below(&r, l.n), n = 1 + random_below(&r, l.n - start);
        int swapped = random_below(&r, 4) == 0;
        if (n > PIECE) n = PIECE;
        for (size_t i = 0; i < ROOM; i += 8) {
            uint64_t bits = random_bits(&r);
            memcpy(memory + i, &bits, 8);
        }
        memcpy(before, memory, ROOM);
        bcel_view view;
        unsigned char *data = memory + misaligned, packed[8 * PIECE + 1], expected[8 * PIECE];
        bcel_view_init(&view, data + l.first, l.strides, dtype_of(l.size), swapped, l.ndim, l.shape, NULL);
        if (view.layout == BCEL_CONSTANT) { /* has one element */
            start = 0;
            n = 1;
        }
        packed[n * l.size] = END;
        for (size_t i = 0; i < n; ++i)
            for (size_t b = 0; b < l.size; ++b) {
                size_t from = swapped ? l.size - 1 - b : b;
                expected[i * l.size + b] = data[offset_of(&l, start + i) + from];
            }
        const void *read = bcel_view_read(&view, start, n, packed);
        if (memcmp(read, expected, n * l.size) != 0) test_fail("trial %zu: read otherwise", trial);
        if (read == packed && packed[n * l.size] != END) test_fail("trial %zu: read beyond the end", trial);
        if (!l.unique || view.layout == BCEL_CONSTANT) continue;
        for (size_t i = 0; i < n * l.size; ++i) packed[i] = (unsigned char)random_bits(&r);
        for (size_t i = 0; i < n; ++i)
            for (size_t b = 0; b < l.size; ++b) {
                size_t to = swapped ? l.size - 1 - b : b;
                before[misaligned + offset_of(&l, start + i) + to] = packed[i * l.size + b];
            }
        bcel_view_write(&view, start, n, packed);
        if (memcmp(memory, before, ROOM) != 0) test_fail("trial %zu: written otherwise", trial);
    }
    release(memory);
    release(before);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = { { "pieces of any layout", test_pieces, 0 } };
    return run_tests("view", tests, COUNT(tests), argc, argv);
}
