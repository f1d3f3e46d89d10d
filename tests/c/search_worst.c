/* Looks for the float64 logits with the largest errors and keeps them in a file: random and structured starts in every
 * range of exponents, then a climb from each promising one. Errors are first estimated with long double, where
 * that is wider than double, and those kept are confirmed with MPFR.
 *
 *     search_worst FILE SECONDS [SEED]
 *
 * The file's own entries take part, so that a search never forgets. */
#include "harness.h"
#include "inputs.h"
#include "reference.h"
#include "worst_file.h"

#include <float.h>
#include <stdlib.h>
#include <time.h>

#if !defined(HAVE_MPFR) || LDBL_MANT_DIG < 64

int main(void)
{
    fprintf(stderr, "the search needs MPFR and a long double wider than double\n");
    return 2;
}

#else

/* Losses with y = 1, gradients and softplus are these at the opposite logit, bit for bit (test_identity). */
static const logit_function searched[] = { LOSS_0, GRADIENT_0, HESSIAN };

/* Ranges of |x|: what dominates the error changes from one to the next. */
static const double ranges[][2] = {
    { 0x1p-60, 0x1p-26 }, { 0x1p-26, 0x1p-10 }, { 0x1p-10, 0.1 }, { 0.1, 0.34 }, { 0.34, 0.7 }, { 0.7, 1.4 },
    { 1.4, 2.8 }, { 2.8, 5.5 }, { 5.5, 11 }, { 11, 22 }, { 22, 37 }, { 37, 100 }, { 100, 400 }, { 400, 690 },
    { 690, 708 }, { 708, 746 },
};

enum { KEPT = 6, BATCH = 4096, SIDES = 2 };

typedef struct {
    worst_entry best[KEPT];
    int count;
} cell;

static cell cells[COUNT(searched)][COUNT(ranges)][SIDES];

static double quick_error(logit_function function, double x, double computed)
{
    long double t = fabsl((long double)x), e = expl(-t), exact;
    int positive = x > 0;
    if (function == LOSS_0)
        exact = positive ? t + log1pl(e) : log1pl(e);
    else if (function == GRADIENT_0)
        exact = positive ? 1 / (1 + e) : e / (1 + e);
    else
        exact = e / ((1 + e) * (1 + e));
    double rounded = (double)exact;
    long double unit = (long double)ulp_of_f64(rounded);
    return (double)(fabsl((long double)computed - exact) / unit);
}

static void offer(cell *c, logit_function function, double x, double computed)
{
    worst_entry entry = { function, x, exact_of_f64(function, x), 0 };
    entry.error = ulp_error_f64(computed, entry.exact);
    int i;
    for (i = 0; i < c->count; ++i)
        if (c->best[i].x == x) return;
    if (c->count == KEPT && entry.error <= c->best[KEPT - 1].error) return;
    i = c->count < KEPT ? c->count++ : KEPT - 1;
    for (; i > 0 && c->best[i - 1].error < entry.error; --i) c->best[i] = c->best[i - 1];
    c->best[i] = entry;
}

static double in_range(random_state *r, const double *range)
{
    double low = log2(range[0]), high = log2(range[1]);
    return exp2(low + (high - low) * random_unit(r));
}

/* Anywhere in the range, or near what is worst so far: its neighbours, and logits with almost its reduced argument. */
static double propose(random_state *r, const cell *c, const double *range)
{
    const double ln2 = 0x1.62e42fefa39efp-1;
    size_t way = random_below(r, 4);
    if (way == 0 || c->count == 0) return in_range(r, range);
    double x = fabs(c->best[random_below(r, (size_t)c->count)].x);
    if (way == 1) {
        x += (double)((int)random_below(r, 65) - 32) * ln2;
        x += random_wide(r, -50, -8);
    } else {
        uint64_t reach = way == 2 ? 1024 : UINT64_C(1) << (10 + random_below(r, 36));
        x = f64_of_bits(bits_of_f64(x) + random_bits(r) % (2 * reach) - reach);
    }
    return x >= range[0] && x <= range[1] ? x : in_range(r, range);
}

static void search(cell *c, logit_function function, const double *range, int negative, random_state *r)
{
    static double x[BATCH], computed[BATCH];
    for (size_t i = 0; i < BATCH; ++i) {
        double t = propose(r, c, range);
        x[i] = negative ? -t : t;
    }
    compute(function, BCEL_FLOAT64, x, computed, BATCH);
    for (size_t i = 0; i < BATCH; ++i) {
        double bar = c->count < KEPT ? 0 : c->best[KEPT - 1].error;
        if (quick_error(function, x[i], computed[i]) > bar - 0.01) offer(c, function, x[i], computed[i]);
    }
}

static cell *cell_of(logit_function function, double x)
{
    for (size_t f = 0; f < COUNT(searched); ++f)
        for (size_t k = 0; k < COUNT(ranges); ++k)
            if (searched[f] == function && fabs(x) >= ranges[k][0] && fabs(x) <= ranges[k][1])
                return &cells[f][k][x < 0];
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: search_worst FILE SECONDS [SEED]\n");
        return 2;
    }
    time_t end = time(NULL) + atoi(argv[2]);
    random_state r = { argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL) };
    FILE *file = fopen(argv[1], "r");
    if (file) {
        fclose(file);
        size_t count;
        worst_entry *known = worst_file_read(argv[1], &count);
        for (size_t i = 0; i < count; ++i) {
            double computed;
            cell *c = cell_of(known[i].function, known[i].x);
            compute(known[i].function, BCEL_FLOAT64, &known[i].x, &computed, 1);
            if (c) offer(c, known[i].function, known[i].x, computed);
        }
        free(known);
    }
    unsigned long long tried = 0;
    while (time(NULL) < end)
        for (size_t f = 0; f < COUNT(searched); ++f)
            for (size_t k = 0; k < COUNT(ranges); ++k)
                for (int side = 0; side < SIDES; ++side) {
                    search(&cells[f][k][side], searched[f], ranges[k], side, &r);
                    tried += BATCH;
                }
    worst_entry all[COUNT(searched) * COUNT(ranges) * SIDES * KEPT];
    size_t count = 0;
    for (size_t f = 0; f < COUNT(searched); ++f) {
        worst_entry top = { searched[f], 0, { 0, 0 }, 0 };
        for (size_t k = 0; k < COUNT(ranges); ++k)
            for (int side = 0; side < SIDES; ++side)
                for (int i = 0; i < cells[f][k][side].count; ++i) {
                    const worst_entry *e = &cells[f][k][side].best[i];
                    if (e->error > top.error) top = *e;
                    all[count++] = *e;
                }
        printf("%s: %.4f ULP at %a\n", name_of_function(searched[f]), top.error, top.x);
    }
    file = fopen(argv[1], "w");
    if (!file) {
        fprintf(stderr, "cannot write %s\n", argv[1]);
        return 2;
    }
    worst_file_write(file, all, count);
    printf("%llu logits tried on %s, %zu kept\n", tried, bcel_active_isa(), count);
    return fclose(file) != 0;
}

#endif
