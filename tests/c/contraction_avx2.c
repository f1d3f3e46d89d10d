#include "build.h"
#if defined(BCEL_AVX)
#include "simd/avx2.h"
#define VOCABULARY avx2
#include "contraction.inc.h"
#endif
