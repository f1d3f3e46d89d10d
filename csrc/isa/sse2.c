#include "../build.h"
#if defined(BCEL_X86_64)
#include "../simd/sse2.h"
#define ISA sse2
#define BCEL_ISA_NAME "baseline"
#include "../isa.inc.h"
#endif
