/* What is compared with. For float32, doubles: the error of these formulas is a few units of 2^-53, which is 1e-8 of a
 * unit in the last place of a float. For float64, MPFR with 200 bits, where it is installed (HAVE_MPFR). */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "calls.h"
#include "numbers.h"

/* The factors that every result is made of: log(1 + exp(x)), log(1 + exp(-x)), 1 / (1 + exp(-x)), 1 / (1 + exp(x)), and
 * the product of the last two. */
typedef struct { double softplus, softplus_minus, sigmoid, sigmoid_minus, hessian; } logit_values;

logit_values values_of_logit(double x);

/* Of a finite, infinite or NaN logit. */
double exact_of_f32(logit_function function, const logit_values *values);

#ifdef HAVE_MPFR
exact_f64 exact_of_f64(logit_function function, double x);
#endif

#endif
