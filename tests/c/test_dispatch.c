/* The choice of an instruction set: the ladder under faked processors, names forced, unknown and unsupported. */
#include "harness.h"
#include "build.h"
#include "cpu.h"
#include "dispatch.h"

#include <string.h>

static int is_built_in(const char *name)
{
    for (int i = 0; bcel_isa_name(i); ++i)
        if (strcmp(bcel_isa_name(i), name) == 0) return 1;
    return 0;
}

static void test_list(void)
{
    int count = 0;
    while (bcel_isa_name(count)) ++count;
    CHECK(count > 0);
    CHECK(bcel_isa_name(-1) == NULL);
    CHECK(bcel_isa_name(count + 100) == NULL);
    CHECK(is_built_in("baseline"));
    CHECK(bcel_isa_at(count - 1)->needs == 0);
    for (int i = 0; i < count; ++i) {
        test_note("%s", bcel_isa_name(i));
        CHECK(strcmp(bcel_isa_at(i)->kernels->name, bcel_isa_name(i)) == 0);
        for (int k = 0; k < i; ++k) CHECK(strcmp(bcel_isa_name(i), bcel_isa_name(k)) != 0);
        for (int precision = 0; precision < BCEL_PRECISIONS; ++precision) {
            CHECK(bcel_isa_at(i)->kernels->sum_products[precision] != NULL);
            for (int task = 0; task < BCEL_TASKS; ++task)
                CHECK(bcel_isa_at(i)->kernels->run[precision][task][1] != NULL);
        }
    }
#if defined(BCEL_AVX)
    CHECK(is_built_in("avx2") && is_built_in("avx512"));
#else
    CHECK(!is_built_in("avx2") && !is_built_in("avx512"));
#endif
}

/* Of every processor that could be, the first set whose needs are all met: never one with more. */
static void test_faked_processors(void)
{
    const unsigned all = BCEL_CPU_AVX2_FMA | BCEL_CPU_AVX512 | BCEL_CPU_NEON;
    for (unsigned features = 0; features <= all; ++features) {
        const bcel_kernels *best = bcel_best_kernels(features);
        int chosen = 0;
        while (bcel_isa_at(chosen) && bcel_isa_at(chosen)->kernels != best) ++chosen;
        CHECK(bcel_isa_at(chosen) != NULL);
        for (int i = 0; i <= chosen; ++i) {
            unsigned needs = bcel_isa_at(i)->needs;
            CHECK((i == chosen) == ((needs & features) == needs));
        }
    }
    CHECK(strcmp(bcel_best_kernels(0)->name, "baseline") == 0);
#if defined(BCEL_AVX)
#  if defined(BCEL_IMMINTRIN_HEADER) /* emulated: for every processor with AVX2 */
    CHECK(strcmp(bcel_best_kernels(BCEL_CPU_AVX2_FMA)->name, "avx512") == 0);
#  else
    CHECK(strcmp(bcel_best_kernels(BCEL_CPU_AVX2_FMA)->name, "avx2") == 0);
#  endif
    CHECK(strcmp(bcel_best_kernels(BCEL_CPU_AVX512)->name, "avx2") != 0);
    if (is_built_in("avx512")) CHECK(strcmp(bcel_best_kernels(BCEL_CPU_AVX2_FMA | BCEL_CPU_AVX512)->name, "avx512") == 0);
#endif
}

static void test_releases_of_macos(void)
{
    const char *kept[] = { "21.3.0", "21.6.0", "21.10", "22.0.0", "25.1.0", "100.0.0" };
    const char *lost[] = { "21.2.0", "21.0.0", "20.6.0", "9.8.0", "21", "", "unknown", "-22.0.0", ".22", "2a.9" };
    for (size_t i = 0; i < COUNT(kept); ++i) CHECK(bcel_darwin_keeps_avx512(kept[i]));
    for (size_t i = 0; i < COUNT(lost); ++i) CHECK(!bcel_darwin_keeps_avx512(lost[i]));
}

static void test_first_choice(void)
{
    unsigned features = bcel_cpu_features();
    CHECK(strcmp(bcel_active_isa(), bcel_best_kernels(features)->name) == 0);
    for (int i = 0; bcel_isa_name(i); ++i) {
        unsigned needs = bcel_isa_at(i)->needs;
        CHECK(bcel_isa_supported(bcel_isa_name(i)) == ((needs & features) == needs));
    }
    test_note("%s", bcel_active_isa());
}

static void test_forced_names(void)
{
    const char *first = bcel_active_isa();
    const char *unknown[] = { "", "AVX2", "avx", "avx2 ", "baselin", "sse9", NULL };
    for (int i = 0; bcel_isa_name(i); ++i) {
        const char *name = bcel_isa_name(i), *before = bcel_active_isa();
        char copy[32];
        strcpy(copy, name); /* by content, not by address */
        if (bcel_isa_supported(copy)) {
            CHECK(bcel_select_isa(copy) == BCEL_OK);
            CHECK(strcmp(bcel_active_isa(), name) == 0);
            CHECK(bcel_active_kernels() == bcel_isa_at(i)->kernels);
        } else {
            CHECK(bcel_select_isa(copy) == BCEL_UNSUPPORTED_ISA);
            CHECK(strcmp(bcel_active_isa(), before) == 0);
        }
    }
    CHECK(bcel_select_isa(first) == BCEL_OK);
    for (size_t i = 0; i < COUNT(unknown); ++i) {
        CHECK(bcel_select_isa(unknown[i]) == BCEL_UNKNOWN_ISA);
        CHECK(!bcel_isa_supported(unknown[i]));
        CHECK(strcmp(bcel_active_isa(), first) == 0);
    }
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "first choice", test_first_choice, 0 },
        { "list of instruction sets", test_list, 0 },
        { "faked processors", test_faked_processors, 0 },
        { "releases of macOS", test_releases_of_macos, 0 },
        { "forced, unknown and unsupported names", test_forced_names, 0 },
    };
    return run_tests("dispatch", tests, COUNT(tests), argc, argv);
}
