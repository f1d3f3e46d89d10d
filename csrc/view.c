#include "view.h"

#include "convert.h"

#include <string.h>

int bcel_element_count(int ndim, const size_t *shape, size_t *count)
{
    enum { HALF = sizeof(size_t) * 4 }; /* bits: a product of smaller numbers fits */
    size_t n = 1;
    int fits = 1;
    for (int d = 0; d < ndim; ++d) {
        if ((n | shape[d]) >> HALF && shape[d] && n > SIZE_MAX / shape[d]) fits = 0;
        n *= shape[d];
    }
    for (int d = 0; d < ndim && !fits; ++d)
        if (shape[d] == 0) fits = 1;
    *count = n;
    return fits;
}

void bcel_view_init(bcel_view *view, const void *data, const ptrdiff_t *strides, bcel_dtype dtype, int swapped,
                    int ndim, const size_t *shape, const int *order)
{
    /* Outputs come this way too: only bcel_view_write writes. */
    union { const void *from; void *to; } address = { data };
    view->data = address.to;
    view->dtype = dtype;
    view->size = bcel_dtype_size(dtype);
    view->swapped = swapped && view->size > 1;
    view->layout = BCEL_ABSENT;
    view->ndim = 0;
    if (!data) return;
    if (ndim == 1) { /* the way of most calls, and a short one */
        int one = shape[0] == 1;
        view->ndim = 1;
        view->shape[0] = shape[0];
        view->strides[0] = strides && !one ? strides[0] : (ptrdiff_t)view->size;
    } else if (strides) {
        int top = 0; /* dimensions so far, of which the last may still grow */
        for (int i = 0; i < ndim; ++i) {
            int d = order ? order[i] : i;
            if (shape[d] == 1) continue;
            if (top && (size_t)view->strides[top - 1] == (size_t)strides[d] * shape[d]) {
                view->shape[top - 1] *= shape[d];
                view->strides[top - 1] = strides[d];
                continue;
            }
            view->shape[top] = shape[d];
            view->strides[top] = strides[d];
            ++top;
        }
        view->ndim = top;
    } else {
        size_t n = 1;
        for (int i = 0; i < ndim; ++i) n *= shape[i];
        view->ndim = 1;
        view->shape[0] = n;
        view->strides[0] = (ptrdiff_t)view->size;
    }
    if (view->ndim == 0) {
        view->ndim = 1;
        view->shape[0] = 1;
        view->strides[0] = (ptrdiff_t)view->size;
    }
    if (view->ndim == 1 && view->strides[0] == 0)
        view->layout = BCEL_CONSTANT;
    else if (view->ndim == 1 && view->strides[0] == (ptrdiff_t)view->size && !view->swapped
             && (uintptr_t)data % view->size == 0)
        view->layout = BCEL_PACKED;
    else
        view->layout = BCEL_SCATTERED;
}

/* Where elements are, or go: of a run, one stride apart; of runs, `row` apart. */
typedef struct { char *at; ptrdiff_t stride, row; } places;

/* Elements of one size, one by one. Constant strides where compilers make vectors of them: for those that are all the
 * same one, and every second of an array. */
#define DEFINE_COPY(bits)                                                                              \
    BCEL_INLINE void copy_##bits(char *restrict to, ptrdiff_t to_stride, const char *restrict from,    \
                                 ptrdiff_t from_stride, size_t n)                                      \
    {                                                                                                  \
        for (ptrdiff_t i = 0; i < (ptrdiff_t)n; ++i) {                                                 \
            uint##bits##_t element;                                                                    \
            memcpy(&element, from + i * from_stride, sizeof element);                                  \
            memcpy(to + i * to_stride, &element, sizeof element);                                      \
        }                                                                                              \
    }                                                                                                  \
    static void copy_run_##bits(places to, places from, size_t n)                                      \
    {                                                                                                  \
        ptrdiff_t packed = bits / 8;                                                                   \
        if (to.stride == packed && from.stride == 0)                                                   \
            copy_##bits(to.at, packed, from.at, 0, n);                                                 \
        else if (to.stride == packed && from.stride == 2 * packed)                                     \
            copy_##bits(to.at, packed, from.at, 2 * packed, n);                                        \
        else                                                                                           \
            copy_##bits(to.at, to.stride, from.at, from.stride, n);                                    \
    }                                                                                                  \
    static void copy_runs_##bits(places to, places from, size_t runs, size_t n)                        \
    {                                                                                                  \
        for (; runs; --runs, to.at += to.row, from.at += from.row)                                     \
            copy_##bits(to.at, to.stride, from.at, from.stride, n);                                    \
    }

DEFINE_COPY(8)
DEFINE_COPY(16)
DEFINE_COPY(32)
DEFINE_COPY(64)

static void copy_run(places to, places from, size_t size, size_t n)
{
    if (to.stride == (ptrdiff_t)size && from.stride == (ptrdiff_t)size) {
        memcpy(to.at, from.at, n * size);
        return;
    }
    switch (size) {
    case 1: copy_run_8(to, from, n); break;
    case 2: copy_run_16(to, from, n); break;
    case 4: copy_run_32(to, from, n); break;
    case 8: copy_run_64(to, from, n); break;
    }
}

static void copy_runs(places to, places from, size_t size, size_t runs, size_t n)
{
    switch (size) {
    case 1: copy_runs_8(to, from, runs, n); break;
    case 2: copy_runs_16(to, from, runs, n); break;
    case 4: copy_runs_32(to, from, runs, n); break;
    case 8: copy_runs_64(to, from, runs, n); break;
    }
}

/* Runs shorter than this are copied several at a time: to begin one takes longer than to copy it. */
enum { SHORT_RUN = 16 };

/* Between the elements from `start` on and packed ones; the innermost dimension in runs. */
static void copy_elements(const bcel_view *view, size_t start, size_t n, char *packed, int writes)
{
    size_t index[BCEL_MAX_DIMS];
    const size_t *shape = view->shape;
    const ptrdiff_t *strides = view->strides;
    int inner = view->ndim - 1;
    size_t length = shape[inner], rest = start;
    ptrdiff_t step = (ptrdiff_t)view->size;
    places those = { view->data, strides[inner], inner ? strides[inner - 1] : 0 };
    places these = { packed, step, step * (ptrdiff_t)length };
    for (int d = inner; d >= 0; --d) {
        index[d] = rest % shape[d];
        rest /= shape[d];
        those.at += (ptrdiff_t)index[d] * strides[d];
    }
    for (;;) {
        int whole_runs = inner && length < SHORT_RUN && index[inner] == 0 && n >= length;
        int d = whole_runs ? inner - 1 : inner; /* the dimension walked */
        size_t elements = whole_runs ? length : 1, steps = shape[d] - index[d];
        if (steps > n / elements) steps = n / elements;
        places to = writes ? those : these, from = writes ? these : those;
        if (whole_runs)
            copy_runs(to, from, view->size, steps, length);
        else
            copy_run(to, from, view->size, steps);
        n -= steps * elements;
        if (n == 0) return;
        these.at += (ptrdiff_t)(steps * elements) * step;
        those.at += (ptrdiff_t)steps * strides[d];
        index[d] += steps;
        for (; d > 0 && index[d] == shape[d]; --d) {
            those.at += strides[d - 1] - (ptrdiff_t)shape[d] * strides[d];
            index[d] = 0;
            ++index[d - 1];
        }
    }
}

/* copy_elements to `packed`; an operand that repeats itself, as one for each column of many rows does, is copied
 * once and then from there. */
static void gather_elements(const bcel_view *view, size_t start, size_t n, char *packed)
{
    size_t period = 1;
    for (int d = 1; d < view->ndim; ++d) period *= view->shape[d];
    size_t done = view->strides[0] == 0 && period < n ? period : n;
    copy_elements(view, start, done, packed, 0);
    for (size_t more; done < n; done += more) {
        more = done < n - done ? done : n - done;
        memcpy(packed + done * view->size, packed, more * view->size);
    }
}

const void *bcel_view_read(const bcel_view *view, size_t start, size_t n, void *buffer)
{
    if (view->layout == BCEL_PACKED) return view->data + start * view->size;
    gather_elements(view, start, n, buffer);
    if (view->swapped) bcel_swap_bytes(buffer, view->size, n);
    return buffer;
}

void bcel_view_write(const bcel_view *view, size_t start, size_t n, void *packed)
{
    if (view->swapped) bcel_swap_bytes(packed, view->size, n);
    if (view->layout == BCEL_PACKED)
        memcpy(view->data + start * view->size, packed, n * view->size);
    else
        copy_elements(view, start, n, packed, 1);
}
