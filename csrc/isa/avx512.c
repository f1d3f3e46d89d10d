#if defined(__x86_64__) || defined(_M_X64)
#include "../simd/avx512.h"
#define ISA avx512
#define BCEL_ISA_NAME "avx512"
#include "../isa.inc.h"
#endif
