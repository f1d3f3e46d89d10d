/* Element types: what they are, and contiguous arrays of them to and from the two precisions computed in. Private
 * to the library. */
#ifndef BCEL_CONVERT_H
#define BCEL_CONVERT_H

#include "kernels.h"

/* Bytes of an element, or 0 for an unknown type. */
size_t bcel_dtype_size(bcel_dtype dtype);
int bcel_dtype_is_float(bcel_dtype dtype);

/* The type computed in. */
bcel_dtype bcel_real_dtype(bcel_precision precision);

/* One element, aligned, native byte order. Exact, but for integers of more than 53 bits. */
double bcel_element(bcel_dtype dtype, const void *element);

/* ---- many elements: the kernels in use do the work ---- */

/* n elements, aligned, native byte order; `to` holds floats or doubles. Exact, but for doubles and integers of more
 * than 24 or 53 bits, which are rounded to nearest. */
void bcel_to_real(bcel_precision precision, void *to, bcel_dtype dtype, const void *from, size_t n);

/* y (1 - a) + a / 2 and 1 minus it, each rounded to the precision from a computation in double. At most BCEL_CHUNK
 * elements; y and q have room for whole vectors. */
void bcel_targets_to_real(bcel_precision precision, void *y, void *q, double a, bcel_dtype dtype, const void *from,
                          size_t n);

/* Whether every value is 0 or of a magnitude that products of weights, targets and logits take without harm: from 2^-20
 * to 2^60 in single precision, 2^-400 to 2^500 in double. */
int bcel_are_ordinary(bcel_precision precision, const void *values, size_t n);

/* Rounded once, to nearest, ties to even; `from` and `to` must not overlap. */
void bcel_from_real(bcel_precision precision, bcel_dtype dtype, void *to, const void *from, size_t n);

/* One value rounded once: hi + lo to any floating type. Every NaN becomes the same one: the sign of one that an operation
 * made depends on the machine. */
struct bcel_pair;
void bcel_from_pair(bcel_dtype dtype, void *to, const struct bcel_pair *value);

/* Index of the first element outside [0, 1] among those with keep[i] != 0 (all if keep is NULL), or n. */
size_t bcel_first_out_of_range(bcel_dtype dtype, const void *from, const unsigned char *keep, size_t n);

/* keep[i] = 0 where the element equals the value. At most BCEL_CHUNK elements; keep has room for whole vectors. */
void bcel_clear_equal_float(bcel_dtype dtype, const void *from, double value, unsigned char *keep, size_t n);
void bcel_clear_equal_int(bcel_dtype dtype, const void *from, int64_t value, unsigned char *keep, size_t n);

void bcel_swap_bytes(void *data, size_t size, size_t n);

#endif
