/* What the processor and the operating system allow. Private to the library. */
#ifndef BCEL_CPU_H
#define BCEL_CPU_H

enum {
    BCEL_CPU_AVX2_FMA = 1, /* AVX2, FMA and F16C, ymm registers saved by the system */
    BCEL_CPU_AVX512 = 2,   /* AVX-512 F, DQ, BW and VL, zmm registers saved by the system */
    BCEL_CPU_NEON = 4      /* AArch64 */
};

unsigned bcel_cpu_features(void);

#endif
