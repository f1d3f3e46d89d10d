/* Operands as the core walks them: dimensions merged where memory allows, any stride, any element type, brought
 * chunk by chunk into contiguous, native elements. Private to the library. */
#ifndef BCEL_VIEW_H
#define BCEL_VIEW_H

#include "kernels.h"

typedef enum bcel_layout {
    BCEL_ABSENT,
    BCEL_CONSTANT, /* one element, however often */
    BCEL_PACKED,   /* contiguous, aligned, native byte order */
    BCEL_SCATTERED
} bcel_layout;

typedef struct bcel_view {
    char *data;
    bcel_dtype dtype;
    size_t size;
    int swapped;
    bcel_layout layout;
    int ndim; /* after merging; the element index runs over these in C order */
    size_t shape[BCEL_MAX_DIMS];
    ptrdiff_t strides[BCEL_MAX_DIMS];
} bcel_view;

/* The product of the extents; returns 0 if it is beyond size_t. */
int bcel_element_count(int ndim, const size_t *shape, size_t *count);

/* The dimensions order[0..ndim-1] of an operand of this shape (all in order if order is NULL). strides == NULL: C
 * contiguous; then order must be NULL. */
void bcel_view_init(bcel_view *view, const void *data, const ptrdiff_t *strides, bcel_dtype dtype, int swapped,
                    int ndim, const size_t *shape, const int *order);

/* Elements start <= i < start + n: packed ones where they are, others copied to `buffer` (n elements, aligned). */
const void *bcel_view_read(const bcel_view *view, size_t start, size_t n, void *buffer);

/* The opposite: n packed elements to where the view says. */
void bcel_view_write(const bcel_view *view, size_t start, size_t n, void *packed);

#endif
