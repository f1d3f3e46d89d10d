/* The kernels in use. Private to the library. */
#ifndef BCEL_DISPATCH_H
#define BCEL_DISPATCH_H

#include "kernels.h"

/* An instruction set: its kernels and the features (cpu.h) a processor must have. */
typedef struct bcel_isa {
    const bcel_kernels *kernels;
    unsigned needs;
} bcel_isa;

/* Best first; ends with the baseline, which needs nothing. */
const bcel_isa *bcel_isa_at(int i);

/* The first that a processor with these features can run. */
const bcel_kernels *bcel_best_kernels(unsigned features);

const bcel_kernels *bcel_active_kernels(void);

#endif
