#include "../build.h"
#if defined(BCEL_AVX)
#include "../simd/avx512.h"
#define ISA avx512
#define BCEL_ISA_NAME "avx512"
#include "../isa.inc.h"
#endif
