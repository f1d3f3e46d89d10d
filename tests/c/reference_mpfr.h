/* The exact values as MPFR numbers, for sums of them. */
#ifndef REFERENCE_MPFR_H
#define REFERENCE_MPFR_H

#include "reference.h"

#include <mpfr.h>

/* A double has 53. Losses of logits from the smallest to the largest: x + log1p(exp(-x)) needs no more to be
 * told from a rounded one. */
enum { EXACT_BITS = 200 };

typedef struct { mpfr_t softplus, softplus_minus, sigmoid, sigmoid_minus, hessian; } mpfr_logit;

void mpfr_logit_init(mpfr_logit *l);
void mpfr_logit_clear(mpfr_logit *l);

/* x finite. */
void mpfr_logit_set(mpfr_logit *l, double x);

exact_f64 exact_from_mpfr(mpfr_t value);

#endif
