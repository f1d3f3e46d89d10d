#include "cpu.h"

#if defined(__x86_64__) || defined(_M_X64)

#if defined(_MSC_VER) && !defined(__clang__)
#  include <intrin.h>
static void cpuid(unsigned leaf, unsigned subleaf, unsigned out[4])
{
    int r[4];
    __cpuidex(r, (int)leaf, (int)subleaf);
    for (int i = 0; i < 4; ++i) out[i] = (unsigned)r[i];
}

static unsigned enabled_registers(void)
{
    return (unsigned)_xgetbv(0);
}
#else
#  include <cpuid.h>
static void cpuid(unsigned leaf, unsigned subleaf, unsigned out[4])
{
    __cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
}

static unsigned enabled_registers(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}
#endif

/* Bit positions as in Intel's Software Developer's Manual, volume 2, CPUID, and volume 1, 13.3 for XCR0. */
unsigned bcel_cpu_features(void)
{
    enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX = 1 << 28, F16C = 1 << 29 }; /* leaf 1, ecx */
    enum { AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17 };            /* leaf 7, ebx */
    const unsigned avx512bw = 1u << 30, avx512vl = 1u << 31;
    enum { XMM = 1 << 1, YMM = 1 << 2, OPMASK = 1 << 5, ZMM_LOW = 1 << 6, ZMM_HIGH = 1 << 7 };
    unsigned r[4], features = 0;
    cpuid(0, 0, r);
    if (r[0] < 7) return 0;
    cpuid(1, 0, r);
    const unsigned base = FMA | OSXSAVE | AVX | F16C;
    if ((r[2] & base) != base) return 0;
    unsigned registers = enabled_registers();
    cpuid(7, 0, r);
    const unsigned ymm = XMM | YMM, zmm = ymm | OPMASK | ZMM_LOW | ZMM_HIGH;
    if ((registers & ymm) == ymm && (r[1] & AVX2)) features |= BCEL_CPU_AVX2_FMA;
    const unsigned avx512 = AVX512F | AVX512DQ | avx512bw | avx512vl;
    if (features && (registers & zmm) == zmm && (r[1] & avx512) == avx512) features |= BCEL_CPU_AVX512;
    return features;
}

#elif defined(__aarch64__) || defined(_M_ARM64)

unsigned bcel_cpu_features(void)
{
    return BCEL_CPU_NEON;
}

#else

unsigned bcel_cpu_features(void)
{
    return 0;
}

#endif
