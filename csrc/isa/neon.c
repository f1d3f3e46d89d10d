#include "../build.h"
#if defined(BCEL_AARCH64)
#include "../simd/neon.h"
#define ISA neon
#define BCEL_ISA_NAME "neon"
#include "../isa.inc.h"
#endif
