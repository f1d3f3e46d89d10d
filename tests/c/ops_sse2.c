#include "build.h"
#if defined(BCEL_X86_64)
#include "simd/sse2.h"
#define VOCABULARY ops_sse2
#include "ops.inc.h"
#endif
