#include "dispatch.h"

#include "cpu.h"

#include <string.h>

static const bcel_isa isas[] = {
#if defined(BCEL_AVX)
#  if defined(BCEL_IMMINTRIN_HEADER) /* emulated: see simd/avx512.h */
    { &bcel_kernels_avx512, BCEL_CPU_AVX2_FMA },
#  else
    { &bcel_kernels_avx512, BCEL_CPU_AVX512 },
#  endif
    { &bcel_kernels_avx2, BCEL_CPU_AVX2_FMA },
#endif
#if defined(BCEL_X86_64)
    { &bcel_kernels_sse2, 0 },
#elif defined(BCEL_AARCH64)
    { &bcel_kernels_neon, BCEL_CPU_NEON },
#endif
#if defined(BCEL_SCALAR_NAME)
    { &bcel_kernels_scalar, 0 },
#endif
};

enum { ISAS = sizeof isas / sizeof isas[0] };

/* The only state of the library: chosen once, then read. Two threads that choose at once choose the same. */
static const bcel_kernels *active;

#if defined(_MSC_VER) && !defined(__clang__)
#  define LOAD(p) (*(const bcel_kernels *const volatile *)(p))
#  define STORE(p, value) (*(const bcel_kernels *volatile *)(p) = (value))
#else
#  define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#  define STORE(p, value) __atomic_store_n(p, value, __ATOMIC_RELEASE)
#endif

const bcel_isa *bcel_isa_at(int i)
{
    return i >= 0 && i < ISAS ? &isas[i] : NULL;
}

const bcel_kernels *bcel_best_kernels(unsigned features)
{
    int i = 0;
    while ((isas[i].needs & features) != isas[i].needs) ++i;
    return isas[i].kernels;
}

const bcel_kernels *bcel_active_kernels(void)
{
    const bcel_kernels *kernels = LOAD(&active);
    if (!kernels) {
        kernels = bcel_best_kernels(bcel_cpu_features());
        STORE(&active, kernels);
    }
    return kernels;
}

static const bcel_isa *find(const char *name)
{
    for (int i = 0; name && i < ISAS; ++i)
        if (strcmp(isas[i].kernels->name, name) == 0) return &isas[i];
    return NULL;
}

const char *bcel_active_isa(void)
{
    return bcel_active_kernels()->name;
}

const char *bcel_isa_name(int i)
{
    const bcel_isa *isa = bcel_isa_at(i);
    return isa ? isa->kernels->name : NULL;
}

int bcel_isa_supported(const char *name)
{
    const bcel_isa *isa = find(name);
    return isa && (isa->needs & bcel_cpu_features()) == isa->needs;
}

bcel_status bcel_select_isa(const char *name)
{
    const bcel_isa *isa = find(name);
    if (!isa) return BCEL_UNKNOWN_ISA;
    if ((isa->needs & bcel_cpu_features()) != isa->needs) return BCEL_UNSUPPORTED_ISA;
    STORE(&active, isa->kernels);
    return BCEL_OK;
}
