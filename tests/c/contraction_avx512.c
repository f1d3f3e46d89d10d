#include "build.h"
#if defined(BCEL_AVX)
#include "simd/avx512.h"
#define VOCABULARY avx512
#include "contraction.inc.h"
#endif
