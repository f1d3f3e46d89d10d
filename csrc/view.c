#include "view.h"

#include "convert.h"

#include <string.h>

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
            if (top && view->strides[top - 1] == strides[d] * (ptrdiff_t)shape[d]) {
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

#define COPY_RUN(bytes)                                                               \
    case bytes:                                                                       \
        for (size_t i = 0; i < n; ++i)                                                \
            memcpy(to + (ptrdiff_t)i * to_stride, from + (ptrdiff_t)i * from_stride, bytes); \
        break;

static void copy_run(char *to, ptrdiff_t to_stride, const char *from, ptrdiff_t from_stride, size_t size, size_t n)
{
    if (to_stride == (ptrdiff_t)size && from_stride == (ptrdiff_t)size) {
        memcpy(to, from, n * size);
        return;
    }
    switch (size) {
        COPY_RUN(1)
        COPY_RUN(2)
        COPY_RUN(4)
        COPY_RUN(8)
    }
}

/* Between the elements from `start` on and packed ones; the innermost dimension in runs. */
static void copy_elements(const bcel_view *view, size_t start, size_t n, char *packed, int writes)
{
    size_t index[BCEL_MAX_DIMS];
    char *at = view->data;
    int inner = view->ndim - 1;
    size_t rest = start;
    for (int d = inner; d >= 0; --d) {
        index[d] = rest % view->shape[d];
        rest /= view->shape[d];
        at += (ptrdiff_t)index[d] * view->strides[d];
    }
    ptrdiff_t stride = view->strides[inner], step = (ptrdiff_t)view->size;
    for (;;) {
        size_t run = view->shape[inner] - index[inner];
        if (run > n) run = n;
        if (writes)
            copy_run(at, stride, packed, step, view->size, run);
        else
            copy_run(packed, step, at, stride, view->size, run);
        n -= run;
        if (n == 0) return;
        packed += run * view->size;
        at -= (ptrdiff_t)index[inner] * stride;
        index[inner] = 0;
        for (int d = inner - 1; d >= 0; --d) {
            at += view->strides[d];
            if (++index[d] < view->shape[d]) break;
            at -= (ptrdiff_t)view->shape[d] * view->strides[d];
            index[d] = 0;
        }
    }
}

const void *bcel_view_read(const bcel_view *view, size_t start, size_t n, void *buffer)
{
    if (view->layout == BCEL_PACKED) return view->data + start * view->size;
    copy_elements(view, start, n, buffer, 0);
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
