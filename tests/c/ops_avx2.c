#include "build.h"
#if defined(BCEL_AVX)
#include "simd/avx2.h"
#define VOCABULARY ops_avx2
#include "ops.inc.h"
#endif
