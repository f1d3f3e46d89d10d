#include "../build.h"
#if defined(BCEL_AVX)
#include "../simd/avx2.h"
#define ISA avx2
#define BCEL_ISA_NAME "avx2"
#include "../isa.inc.h"
#endif
