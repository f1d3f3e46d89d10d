#include "inputs.h"

static const double half_ln2 = 0x1.62e42fefa39efp-2;

enum { NEIGHBOURS = 3 };

/* Adds a number, its neighbours and their opposites. */
#define DEFINE_ADD(name, real, bits_type, bits_of, of_bits, infinity_bits)                \
    static void name(real *x, size_t room, size_t *n, real centre)                        \
    {                                                                                     \
        bits_type bits = bits_of(centre);                                                 \
        for (int d = -NEIGHBOURS; d <= NEIGHBOURS; ++d) {                                 \
            if (d < 0 && bits < (bits_type)-d) continue;                                  \
            bits_type near = (bits_type)(bits + (bits_type)d);                            \
            if (near >= infinity_bits) continue;                                          \
            if (*n + 2 <= room) {                                                         \
                x[*n] = of_bits(near);                                                    \
                x[*n + 1] = -x[*n];                                                       \
            }                                                                             \
            *n += 2;                                                                      \
        }                                                                                 \
    }

DEFINE_ADD(add_f32, float, uint32_t, bits_of_f32, f32_of_bits, UINT32_C(0x7f800000))
DEFINE_ADD(add_f64, double, uint64_t, bits_of_f64, f64_of_bits, UINT64_C(0x7ff) << 52)

size_t special_logits_f32(float *x, size_t room)
{
    size_t n = 0;
    add_f32(x, room, &n, 0);
    add_f32(x, room, &n, f32_of_bits(0x7f7fffff));
    for (int e = -149; e <= 127; ++e) add_f32(x, room, &n, (float)ldexp(1.0, e));
    for (int k = 1; k <= 400; ++k) add_f32(x, room, &n, (float)(k * half_ln2));
    for (int k = 10; k <= 210; k += 10) add_f32(x, room, &n, (float)k);
    return n;
}

size_t special_logits_f64(double *x, size_t room)
{
    size_t n = 0;
    add_f64(x, room, &n, 0);
    add_f64(x, room, &n, f64_of_bits(UINT64_C(0x7fefffffffffffff)));
    for (int e = -1074; e <= 1023; e += e > -70 && e < 14 ? 1 : 37) add_f64(x, room, &n, ldexp(1.0, e));
    for (int k = 1; k <= 2200; k += k < 200 || k > 1980 ? 1 : 7) add_f64(x, room, &n, k * half_ln2);
    for (int k = 10; k <= 1510; k += 20) add_f64(x, room, &n, k);
    return n;
}

static double random_logit(random_state *r, size_t kind, double reach, int low)
{
    if (kind == 1) return (2 * random_unit(r) - 1) * reach;
    if (kind == 2) return random_wide(r, low, 7);
    return 3 * random_normal(r);
}

void random_logits_f32(random_state *r, float *x, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        uint32_t any = (uint32_t)random_bits(r);
        if ((any & 0x7f800000) == 0x7f800000) any ^= 0x40000000;
        x[i] = i % 4 == 0 ? f32_of_bits(any) : (float)random_logit(r, i % 4, 110, -30);
    }
}

void random_logits_f64(random_state *r, double *x, size_t n)
{
    for (size_t i = 0; i < n; ++i) {
        uint64_t any = random_bits(r);
        if ((any >> 52 & 0x7ff) == 0x7ff) any ^= UINT64_C(1) << 62;
        x[i] = i % 4 == 0 ? f64_of_bits(any) : random_logit(r, i % 4, 760, -60);
    }
}

/* Swaps near logits to the front. */
#define DEFINE_LOGITS(name, real, special_logits, random_logits, near_max)          \
    size_t name(random_state *r, real *x, size_t n)                                 \
    {                                                                               \
        size_t special = special_logits(x, n), near = 0;                            \
        if (special < n) random_logits(r, x + special, n - special);                \
        for (size_t i = 0; i < n; ++i)                                              \
            if (x[i] >= -near_max && x[i] <= near_max) {                            \
                real first = x[near];                                               \
                x[near++] = x[i];                                                   \
                x[i] = first;                                                       \
            }                                                                       \
        return near;                                                                \
    }

DEFINE_LOGITS(logits_f32, float, special_logits_f32, random_logits_f32, 80.0f)
DEFINE_LOGITS(logits_f64, double, special_logits_f64, random_logits_f64, 690.0)

/* Exact in both precisions but for the uniform ones. */
static double soft_target(random_state *r, size_t i, int bits)
{
    static const double edges[] = { 0, 1, 0.5, 0.25, 0.75 };
    if (i % 8 == 0) return edges[random_below(r, 5)];
    if (i % 8 == 1) return fabs(random_wide(r, -20, -1));
    if (i % 8 == 2) return 1 - ldexp((double)(1 + random_below(r, 16)), -bits);
    return random_unit(r);
}

void soft_targets_f32(random_state *r, float *y, size_t n)
{
    for (size_t i = 0; i < n; ++i) y[i] = (float)soft_target(r, i, 24);
}

void soft_targets_f64(random_state *r, double *y, size_t n)
{
    for (size_t i = 0; i < n; ++i) y[i] = soft_target(r, i, 53);
}

void weights_f32(random_state *r, float *w, size_t n, int low, int high)
{
    for (size_t i = 0; i < n; ++i) w[i] = (float)fabs(random_wide(r, low, high - 1));
}

void weights_f64(random_state *r, double *w, size_t n, int low, int high)
{
    for (size_t i = 0; i < n; ++i) w[i] = fabs(random_wide(r, low, high - 1));
}
