/* Logits, targets and weights to test with: the same on every machine. */
#ifndef INPUTS_H
#define INPUTS_H

#include "numbers.h"

/* Where a computation of the loss is likely to break, each with its neighbours and of both signs: powers of two,
 * multiples of ln 2 / 2 (where the argument reduction of exp turns over), the ends of the ranges of exp. Returns how
 * many there are; they are written only if they fit. */
size_t special_logits_f32(float *x, size_t room);
size_t special_logits_f64(double *x, size_t room);

/* Random finite logits of four kinds in turn: any bits, uniform where the loss is not trivial, of any binade that
 * matters, normal. */
void random_logits_f32(random_state *r, float *x, size_t n);
void random_logits_f64(random_state *r, double *x, size_t n);

/* The special logits, then random ones: n in all. Those of magnitude up to 80 (690) come first, for whole chunks of
 * them take the faster of two ways through a kernel. Returns how many these are. */
size_t logits_f32(random_state *r, float *x, size_t n);
size_t logits_f64(random_state *r, double *x, size_t n);

/* Targets in [0, 1]: uniform, close to either end, and the ends themselves. */
void soft_targets_f32(random_state *r, float *y, size_t n);
void soft_targets_f64(random_state *r, double *y, size_t n);

/* Positive numbers of 2^low to 2^high. */
void weights_f32(random_state *r, float *w, size_t n, int low, int high);
void weights_f64(random_state *r, double *w, size_t n, int low, int high);

#endif
