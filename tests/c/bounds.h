/* Every bound on an error that the tests enforce, in one table; docs/numerics.md quotes it.
 *
 * BOUND(function, targets, float32, float64): the largest error, in units in the last place of the exact value, for
 * every finite logit. "hard" targets are 0 or 1, without weights; "soft" are all others; "weighted" stands for a
 * weight, a pos_weight or both, whatever the targets are. float16 and bfloat16 need no row: they are the float32 result
 * rounded once, exactly.
 *
 * A value that is a difference (the gradient of a soft target, the derivative with respect to the target) is held to
 * its bound relative to the larger of the two terms: no formula of rounded terms can do better. The contract promises
 * nothing of a weighted hessian; multiplied by grad_output it is rounded once more than a loss. Sums and means are held
 * to theirs at every length, for the exact sum of exact losses. */
#ifndef BOUNDS_H
#define BOUNDS_H

#define BOUNDS(BOUND)                              \
    BOUND("loss", "hard", 1.0, 1.0)                \
    BOUND("loss", "soft", 3.0, 3.0)                \
    BOUND("loss", "weighted", 3.0, 3.0)            \
    BOUND("gradient", "hard", 1.0, 1.0)            \
    BOUND("gradient", "soft", 3.0, 3.0)            \
    BOUND("gradient", "weighted", 3.0, 3.0)        \
    BOUND("hessian", "hard", 1.0, 1.0)             \
    BOUND("hessian", "soft", 3.0, 3.0)             \
    BOUND("hessian", "weighted", 4.0, 4.0)         \
    BOUND("sigmoid", "hard", 1.0, 1.0)             \
    BOUND("log_sigmoid", "hard", 1.0, 1.0)         \
    BOUND("softplus", "hard", 1.0, 1.0)            \
    BOUND("target gradient", "weighted", 3.0, 3.0) \
    BOUND("weight gradient", "weighted", 3.0, 3.0) \
    BOUND("pos_weight gradient", "weighted", 3.0, 3.0) \
    BOUND("sum", "hard", 1.0, 1.0)                 \
    BOUND("sum", "soft", 3.0, 3.0)                 \
    BOUND("sum", "weighted", 3.0, 3.0)             \
    BOUND("mean", "hard", 1.0, 1.0)                \
    BOUND("mean", "soft", 3.0, 3.0)                \
    BOUND("mean", "weighted", 3.0, 3.0)            \
    BOUND("weighted mean", "weighted", 3.0, 3.0)

typedef struct {
    const char *function, *targets;
    double float32, float64;
} bound;

/* The row of a function; the process ends where there is none. */
const bound *bound_of(const char *function, const char *targets);

#endif
