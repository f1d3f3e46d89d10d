#if defined(__x86_64__) || defined(_M_X64)
#include "../simd/avx2.h"
#define ISA avx2
#define BCEL_ISA_NAME "avx2"
#include "../isa.inc.h"
#endif
