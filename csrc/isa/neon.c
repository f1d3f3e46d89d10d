#if defined(__aarch64__) || defined(_M_ARM64)
#include "../simd/neon.h"
#define ISA neon
#define BCEL_ISA_NAME "neon"
#include "../isa.inc.h"
#endif
