/* What a kernel is given, and the tables of kernels: one for each instruction set. Private to the library. */
#ifndef BCEL_KERNELS_H
#define BCEL_KERNELS_H

#include "build.h"

#include "include/bcelogits.h"

#include <stddef.h>
#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#  define BCEL_INLINE static __forceinline
#  define BCEL_NOINLINE __declspec(noinline)
#else
#  define BCEL_INLINE static inline __attribute__((always_inline))
#  if defined(__clang__)
#    define BCEL_NOINLINE __attribute__((noinline))
#  else
#    define BCEL_NOINLINE __attribute__((noinline, noclone))
#  endif
#endif

/* For the buffers of kernels: the widest vector does not cross a line of cache. */
#if defined(_MSC_VER) && !defined(__clang__)
#  define BCEL_ALIGNED(declaration) __declspec(align(64)) declaration
#else
#  define BCEL_ALIGNED(declaration) __attribute__((aligned(64))) declaration
#endif

/* Asks for a line of memory that will be read: no access, whatever the address. */
#if defined(_MSC_VER) && !defined(__clang__)
#  define BCEL_PREFETCH(address) ((void)(address))
#else
#  define BCEL_PREFETCH(address) __builtin_prefetch(address)
#endif

/* Elements that go through a kernel at a time: small enough for the buffers of all operands to stay in the first
 * level of cache and on the stack, a divisor of BCEL_BLOCK and a multiple of every vector. */
#define BCEL_CHUNK 512

/* Room for the elements of one logical vector of floats. */
#define BCEL_LANES 16

/* hi + lo, with hi the nearest double to the sum. */
typedef struct bcel_pair { double hi, lo; } bcel_pair;

/* The lanes of a running sum: hi + lo, and, if anything was multiplied, log1p(product + product_lo) yet to be taken.
 * What could overflow a lane is added to `aside`, which is made when first needed. */
typedef struct bcel_lanes {
    double hi[BCEL_LANES];
    double lo[BCEL_LANES];
    double product[BCEL_LANES];
    double product_lo[BCEL_LANES];
    int multiplied;
    bcel_exact *aside;
    int aside_used;
} bcel_lanes;

/* term * 2^exponent, whatever its size. */
void bcel_lanes_set_aside(bcel_lanes *lanes, double term, int exponent);

/* w * f * g * t rounded once, but for their mantissas: without intermediate over- or underflow. A coefficient w * f * g
 * of 0 gives 0 whatever t is. */
double bcel_product(double w, double f, double g, double t);

/* What a kernel asks for meanwhile: elements of `size` bytes, as many as its own, that a later chunk reads. A size of 0
 * and any address in use ask for nothing new. */
typedef struct bcel_ahead { uintptr_t at; size_t size; } bcel_ahead;

/* n elements of every operand, all of the precision of the kernel. A step is 1, or 0 for an operand that points to
 * BCEL_LANES equal values. q is 1 - y if it is not to be computed, else NULL. Without weights q, w and p are not read. */
typedef struct bcel_chunk {
    size_t n;
    const void *x, *y, *q, *w, *p;
    int y_step, w_step, p_step;
    void *out[2];
    /* BCEL_TASK_SUM_GRAD multiplies the gradient by (factor + factor_lo) * before * after; for the others factor and
     * after are 1, and factor_lo is 0. before and after are powers of two: one is multiplied into the weights, so that
     * no step underflows where the result does not, the other into the result. before is 1 without weights. */
    double factor, factor_lo, before, after;
    double hess_floor;
    int check;
    int careful; /* some w or p, not 0, is so small or large, or the factor such, that only the careful loop will do */
    bcel_lanes *lanes;   /* always given */
    /* Given if p is one number and w is 1: a sum may put the losses of targets 1 here, for the caller to multiply by p,
     * if all targets are 0 or 1. */
    bcel_lanes *positives;
    bcel_ahead ahead[2];
} bcel_chunk;

/* Returns 0, or 1 if `check` is set and a target is not in [0, 1]. */
typedef int (*bcel_kernel)(const bcel_chunk *);

typedef enum bcel_precision { BCEL_SINGLE, BCEL_DOUBLE, BCEL_PRECISIONS } bcel_precision;

typedef enum bcel_task {
    BCEL_TASK_LOSS,        /* out[0] = loss */
    BCEL_TASK_SUM,         /* lanes += loss */
    BCEL_TASK_GRAD,        /* out[0] = gradient */
    BCEL_TASK_LOSS_GRAD,   /* out[0] = loss, out[1] = gradient */
    BCEL_TASK_SUM_GRAD,    /* lanes += loss, out[0] = factor * gradient */
    BCEL_TASK_GRAD_HESS,   /* out[0] = gradient, out[1] = hessian */
    BCEL_TASK_GRAD_TARGET, /* out[0] = derivative by the target; with weights alone */
    BCEL_TASKS
} bcel_task;

typedef struct bcel_kernels {
    const char *name;
    /* The last index: whether there are weights. */
    bcel_kernel run[BCEL_PRECISIONS][BCEL_TASKS][2];
    /* lanes += a * b, or += a if b is NULL, for n elements. */
    void (*sum_products[BCEL_PRECISIONS])(bcel_lanes *lanes, const void *a, const void *b, size_t n);
    /* The sum of a block's lanes, their logarithms taken, but for what was set aside. */
    bcel_pair (*lanes_value[BCEL_PRECISIONS])(const bcel_lanes *lanes);

    /* n packed elements, aligned, of any type to floats or doubles, and back to a floating type. Exact, or rounded
     * once, to nearest, ties to even. What is read and what is written must not overlap. */
    void (*to_real[BCEL_PRECISIONS])(void *to, bcel_dtype dtype, const void *from, size_t n);
    void (*from_real[BCEL_PRECISIONS])(bcel_dtype dtype, void *to, const void *from, size_t n);
    /* y = v (1 - a) + a / 2 and q = (1 - v) (1 - a) + a / 2, computed in double. Here and in clear_equal there is room
     * for n elements rounded up to a multiple of BCEL_LANES, and what is read there is set. */
    void (*smooth[BCEL_PRECISIONS])(void *y, void *q, double a, const double *values, size_t n);
    /* Whether every value is 0 or of a magnitude in [low, high). */
    int (*are_within[BCEL_PRECISIONS])(double low, double high, const void *values, size_t n);
    /* keep[i] = 0 where values[i] == value, which the precision can hold; keep[i] is 0 or 1. */
    void (*clear_equal[BCEL_PRECISIONS])(unsigned char *keep, const void *values, double value, size_t n);
} bcel_kernels;

#if defined(BCEL_X86_64)
extern const bcel_kernels bcel_kernels_avx512, bcel_kernels_avx2, bcel_kernels_sse2;
#elif defined(BCEL_AARCH64)
extern const bcel_kernels bcel_kernels_neon;
#endif
/* Portable C is the baseline where the processor has no other; on x86-64 it is there for tests that ask for it. */
#if !defined(BCEL_X86_64)
#  define BCEL_SCALAR_NAME "baseline"
#elif defined(BCEL_WITH_SCALAR)
#  define BCEL_SCALAR_NAME "scalar"
#endif
extern const bcel_kernels bcel_kernels_scalar;

#endif
