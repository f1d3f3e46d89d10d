#include "cpu.h"

#include "build.h"

/* Leading digits of a text. */
static const char *read_number(const char *text, int *number)
{
    for (*number = 0; *text >= '0' && *text <= '9' && *number < 10000; ++text) *number = 10 * *number + (*text - '0');
    return text;
}

int bcel_darwin_keeps_avx512(const char *release)
{
    int major, minor = 0;
    const char *rest = read_number(release, &major);
    if (*rest == '.') read_number(rest + 1, &minor);
    return major > 21 || (major == 21 && minor >= 3);
}

#if defined(BCEL_X86_64)

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

#if defined(__APPLE__)
#  include <sys/sysctl.h>
static int system_keeps_avx512(void)
{
    char release[64] = "";
    size_t size = sizeof release - 1; /* the last stays 0 */
    return sysctlbyname("kern.osrelease", release, &size, NULL, 0) == 0 && bcel_darwin_keeps_avx512(release);
}
#else
static int system_keeps_avx512(void)
{
    return 1;
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
    if (features && (registers & zmm) == zmm && (r[1] & avx512) == avx512 && system_keeps_avx512())
        features |= BCEL_CPU_AVX512;
    return features;
}

#elif defined(BCEL_AARCH64)

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
