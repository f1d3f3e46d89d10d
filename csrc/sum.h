/* Sums: from the lanes of a block to an unevaluated hi + lo, from blocks to an exact total, and the one rounding at
 * the end. Private to the library. */
#ifndef BCEL_SUM_H
#define BCEL_SUM_H

#include "kernels.h"

#include <math.h>

static inline int bcel_is_finite(double a)
{
    return fabs(a) < (double)INFINITY;
}

/* Knuth, The Art of Computer Programming 2, 4.2.2: hi + lo == a + b exactly, unless it overflows. */
static inline bcel_pair bcel_two_sum(double a, double b)
{
    bcel_pair r;
    r.hi = a + b;
    double part = r.hi - a;
    r.lo = (a - (r.hi - part)) + (b - part);
    return r;
}

bcel_pair bcel_pair_add(bcel_pair a, bcel_pair b);

void bcel_exact_init(bcel_exact *sum);
void bcel_exact_add(bcel_exact *sum, double term);
/* term * 2^exponent; bits below 2^-1586 are dropped. */
void bcel_exact_add_scaled(bcel_exact *sum, double term, int exponent);
void bcel_exact_merge(bcel_exact *sum, const bcel_exact *other);

/* A number as 2^exponent (hi + lo): a sum may exceed the range of double where its mean does not, or be so small that
 * lo would have no room. */
typedef struct bcel_scaled { bcel_pair value; int exponent; } bcel_scaled;

bcel_scaled bcel_exact_value(const bcel_exact *sum);

/* The total of blocks: a pair while there is one block, which costs little; exact from the second on. */
typedef struct bcel_total {
    int blocks;
    bcel_pair first;
    bcel_exact exact;
} bcel_total;

void bcel_total_init(bcel_total *total);
/* A block: the value of its lanes, and what they set aside. */
void bcel_total_add(bcel_total *total, bcel_pair value, const bcel_lanes *lanes);
bcel_scaled bcel_total_value(const bcel_total *total);
/* Adds the total to an exact sum. */
void bcel_total_into(const bcel_total *total, bcel_exact *sum);

/* A block's lanes. aside gives room for what would overflow; it is not read before it is needed. */
void bcel_lanes_init(bcel_lanes *lanes, bcel_exact *aside);

/* The quotient and the product, still pairs; an overflow is an infinity. */
bcel_pair bcel_scaled_multiply(bcel_scaled a, bcel_pair b);
bcel_pair bcel_unscaled(bcel_scaled a);
bcel_pair bcel_divide(bcel_scaled a, bcel_scaled b);

/* hi + lo rounded once to double, to float, or to odd for a later, coarser rounding. */
float bcel_round_to_float(bcel_pair value);
double bcel_round_to_odd(bcel_pair value);

#endif
