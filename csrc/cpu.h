/* What the processor and the operating system allow. Private to the library. */
#ifndef BCEL_CPU_H
#define BCEL_CPU_H

enum {
    BCEL_CPU_AVX2_FMA = 1, /* AVX2, FMA and F16C, ymm registers saved by the system */
    BCEL_CPU_AVX512 = 2,   /* AVX-512 F, DQ, BW and VL, zmm registers saved by the system */
    BCEL_CPU_NEON = 4      /* AArch64 */
};

unsigned bcel_cpu_features(void);

/* Whether the kernel of macOS of this release ("21.3.0") restores all of AVX-512's registers when a thread goes on: before
 * 21.3, macOS 12.2, masks could be lost. */
int bcel_darwin_keeps_avx512(const char *release);

#endif
