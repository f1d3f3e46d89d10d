/* Bits of floating-point numbers, errors in ULP, a generator of random numbers and a hash. All of it is integer
 * arithmetic or exact, so that every machine makes the same numbers. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of_f32(float a) { uint32_t u; memcpy(&u, &a, sizeof u); return u; }
static inline uint64_t bits_of_f64(double a) { uint64_t u; memcpy(&u, &a, sizeof u); return u; }
static inline float f32_of_bits(uint32_t u) { float a; memcpy(&a, &u, sizeof a); return a; }
static inline double f64_of_bits(uint64_t u) { double a; memcpy(&a, &u, sizeof a); return a; }

/* The same bits, or both NaN. */
static inline int same_f32(float a, float b) { return bits_of_f32(a) == bits_of_f32(b) || (a != a && b != b); }
static inline int same_f64(double a, double b) { return bits_of_f64(a) == bits_of_f64(b) || (a != a && b != b); }

/* ---- errors -------------------------------------------------------------------------------------- */

/* Units in the last place of the exact value (of its binade, or of the subnormal numbers) between it and what was
 * computed. exact is much more precise than float. */
double ulp_error_f32(float computed, double exact);
/* The same, in units of the last place of `scale`. */
double ulp_error_at_f32(float computed, double exact, double scale);

/* value + rest * (last place of value), -1/2 <= rest <= 1/2: a number of about twice the precision of double, of
 * any magnitude. */
typedef struct { double value, rest; } exact_f64;

double ulp_error_f64(double computed, exact_f64 exact);
double ulp_error_at_f64(double computed, exact_f64 exact, double scale);

double ulp_of_f32(double a);
double ulp_of_f64(double a);

/* The largest error so far and where it was. A NaN is larger than all. */
typedef struct { double error, at; } worst;

static inline void worst_add(worst *w, double error, double at)
{
    if (!(error <= w->error)) {
        w->error = error;
        w->at = at;
    }
}

/* ---- random numbers ------------------------------------------------------------------------------ */

/* SplitMix64 (Steele, Lea, Flood 2014). */
typedef struct { uint64_t state; } random_state;

static inline uint64_t random_bits(random_state *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* In [0, 1), a multiple of 2^-53. */
static inline double random_unit(random_state *r) { return (double)(random_bits(r) >> 11) * 0x1p-53; }
static inline size_t random_below(random_state *r, size_t n) { return (size_t)(random_bits(r) % n); }

/* Of random sign and mantissa, its exponent uniform from low to high. */
double random_wide(random_state *r, int low, int high);
/* About normal, with standard deviation 1. */
double random_normal(random_state *r);

/* ---- hashes -------------------------------------------------------------------------------------- */

/* FNV-1a of the bits, the lowest byte first on every machine; all NaN count as one. */
typedef struct { uint64_t value; } hash_state;

static inline void hash_init(hash_state *h) { h->value = UINT64_C(0xcbf29ce484222325); }

static inline void hash_bits(hash_state *h, uint64_t bits, int bytes)
{
    for (int i = 0; i < bytes; ++i) h->value = (h->value ^ (bits >> 8 * i & 0xff)) * UINT64_C(0x100000001b3);
}

static inline void hash_f32(hash_state *h, const float *a, size_t n)
{
    for (size_t i = 0; i < n; ++i) hash_bits(h, a[i] == a[i] ? bits_of_f32(a[i]) : UINT32_C(0x7fc00000), 4);
}

static inline void hash_f64(hash_state *h, const double *a, size_t n)
{
    for (size_t i = 0; i < n; ++i) hash_bits(h, a[i] == a[i] ? bits_of_f64(a[i]) : UINT64_C(0x7ff8) << 48, 8);
}

#endif
