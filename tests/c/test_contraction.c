/* Fails when the build has fused what it should not: -ffp-contract=off was lost, or something like -ffast-math came in.
 * csrc/build.h turns it off, but not under clang's -ffp-contract=fast. See it fail: make fused */
#include "contraction.h"
#include "build.h"
#include "calls.h"
#include "harness.h"
#include "inputs.h"

#include <string.h>

static void check_vocabulary(const contraction *of)
{
    random_state r = { 12 };
    for (int round = 0; round < 1000; ++round) {
        float a[16], b[16], c[16], single[3][16];
        double d[8], e[8], f[8], wide[3][8];
        float *const to_single[3] = { single[0], single[1], single[2] };
        double *const to_wide[3] = { wide[0], wide[1], wide[2] };
        for (int i = 0; i < 16; ++i) {
            a[i] = (float)random_wide(&r, -3, 3);
            b[i] = (float)random_wide(&r, -3, 3);
            volatile float product = a[i] * b[i];
            c[i] = i % 2 ? -product : product; /* one fused gives what the product lost, not 0 */
        }
        for (int i = 0; i < 8; ++i) {
            d[i] = random_wide(&r, -3, 3);
            e[i] = random_wide(&r, -3, 3);
            volatile double product = d[i] * e[i];
            f[i] = i % 2 ? -product : product;
        }
        of->single(a, b, c, to_single);
        of->wide(d, e, f, to_wide);
        for (int i = 0; i < 16; ++i) {
            float p = i % 2 ? -c[i] : c[i];
            volatile float sum = p + c[i], difference = p - c[i];
            if (single[0][i] != sum || single[1][i] != difference || single[2][i] != -difference)
                test_fail("%s: %a * %a and %a: %a, %a, %a", of->name, (double)a[i], (double)b[i], (double)c[i],
                          (double)single[0][i], (double)single[1][i], (double)single[2][i]);
        }
        for (int i = 0; i < 8; ++i) {
            double p = i % 2 ? -f[i] : f[i];
            volatile double sum = p + f[i], difference = p - f[i];
            if (wide[0][i] != sum || wide[1][i] != difference || wide[2][i] != -difference)
                test_fail("%s: %a * %a and %a: %a, %a, %a", of->name, d[i], e[i], f[i], wide[0][i], wide[1][i],
                          wide[2][i]);
        }
    }
}

static void test_vocabulary(void)
{
    const contraction *of = NULL;
    const char *isa = bcel_active_isa();
#if defined(BCEL_AVX)
    if (strcmp(isa, "avx512") == 0) of = &contraction_avx512;
    if (strcmp(isa, "avx2") == 0) of = &contraction_avx2;
#endif
#if defined(BCEL_X86_64)
    if (strcmp(isa, "baseline") == 0) of = &contraction_sse2;
#elif defined(BCEL_AARCH64)
    if (strcmp(isa, "neon") == 0) of = &contraction_neon;
#else
    (void)isa;
#endif
    check_vocabulary(of ? of : &contraction_scalar);
}

/* The library itself. A chunk with a far logit takes another way through the kernel, whose selections stand between
 * what could be fused: near logits must have the same bits on both ways. */
#define DEFINE_CHECK(name, real, dtype, suffix, far_logit, same)                                             \
    static void name(void)                                                                                   \
    {                                                                                                        \
        size_t n = 5120;                                                                                     \
        random_state r = { 4 };                                                                              \
        real *x = allocate(n, sizeof *x), *y = allocate(n, sizeof *y), *w = allocate(n, sizeof *w);          \
        real *p = allocate(n, sizeof *p);                                                                    \
        real *alone = allocate(2 * n, sizeof *x), *together = allocate(2 * n, sizeof *x);                    \
        for (size_t i = 0; i < n; ++i) x[i] = (real)(6 * random_normal(&r));                                 \
        soft_targets_##suffix(&r, y, n);                                                                     \
        weights_##suffix(&r, w, n, -5, 5);                                                                   \
        weights_##suffix(&r, p, n, -5, 5);                                                                   \
        for (int weighted = 0; weighted < 4; ++weighted)                                                     \
            for (int function = BCEL_LOSS; function <= BCEL_GRAD_AND_HESS; ++function) {                     \
                int two = function >= BCEL_LOSS_AND_GRAD;                                                    \
                bcel_output results[2] = { output(alone, dtype), output(alone + n, dtype) };                 \
                bcel_output others[2] = { output(together, dtype), output(together + n, dtype) };            \
                bcel_call call = call_of(&n, packed(x, dtype), packed(y, dtype));                            \
                if (weighted & 1) call.weight = packed(w, dtype);                                            \
                if (weighted & 2) call.pos_weight = packed(p, dtype);                                        \
                CHECK(bcel_map((bcel_function)function, &call, results) == BCEL_OK);                         \
                for (size_t i = 100; i < n; i += 256) x[i] = far_logit;                                      \
                CHECK(bcel_map((bcel_function)function, &call, others) == BCEL_OK);                          \
                for (size_t i = 0; i < n; ++i) {                                                             \
                    if (x[i] == far_logit) {                                                                 \
                        x[i] = (real)(i % 97) / 16;                                                          \
                        continue;                                                                            \
                    }                                                                                        \
                    for (size_t k = i; k <= i + (two ? n : 0); k += n)                                       \
                        if (!same(alone[k], together[k]))                                                    \
                            test_fail("function %d, weights %d at x=%a y=%a: %a, beside a far logit %a",     \
                                      function, weighted, (double)x[i], (double)y[i], (double)alone[k],      \
                                      (double)together[k]);                                                  \
                }                                                                                            \
            }                                                                                                \
        release(x), release(y), release(w), release(p), release(alone), release(together);                   \
    }

DEFINE_CHECK(test_library_f32, float, BCEL_FLOAT32, f32, -85.0f, same_f32)
DEFINE_CHECK(test_library_f64, double, BCEL_FLOAT64, f64, -700.0, same_f64)

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "vocabulary", test_vocabulary, 1 },
        { "near logits beside far ones, float32", test_library_f32, 1 },
        { "near logits beside far ones, float64", test_library_f64, 1 },
    };
    return run_tests("contraction", tests, COUNT(tests), argc, argv);
}
