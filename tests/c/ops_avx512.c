#include "build.h"
#if defined(BCEL_AVX)
#include "simd/avx512.h"
#define VOCABULARY ops_avx512
#include "ops.inc.h"
#endif
