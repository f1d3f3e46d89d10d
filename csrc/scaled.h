/* Numbers with an exponent of their own: no product or sum of them over- or underflows. Private to the library. */
#ifndef BCEL_SCALED_H
#define BCEL_SCALED_H

#include "sum.h"

/* A finite number as a mantissa in [1, 2) and an exponent; 0, an infinity and NaN as they are. So are all results. */
bcel_scaled bcel_scaled_of(double a);
bcel_scaled bcel_scaled_normalized(bcel_scaled a);

/* Relative error below 2^-100. A factor of 0 gives 0 whatever the other is. */
bcel_scaled bcel_scaled_product(bcel_scaled a, bcel_scaled b);

/* Relative error below 2^-100 for terms of one sign. */
bcel_scaled bcel_scaled_sum(bcel_scaled a, bcel_scaled b);

/* Relative error below 2^-100; of numbers that need not be normalized. */
bcel_scaled bcel_scaled_quotient(bcel_scaled a, bcel_scaled b);

bcel_scaled bcel_scaled_minus(bcel_scaled a);

/* As a pair, whatever the exponent: what overflows is an infinity. */
bcel_pair bcel_scaled_value(bcel_scaled a);

#endif
