#include "build.h"
#if defined(BCEL_X86_64)
#include "simd/sse2.h"
#define VOCABULARY sse2
#include "contraction.inc.h"
#endif
