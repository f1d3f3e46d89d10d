#if defined(__x86_64__) || defined(_M_X64)
#include "../simd/sse2.h"
#define ISA sse2
#define BCEL_ISA_NAME "baseline"
#include "../isa.inc.h"
#endif
