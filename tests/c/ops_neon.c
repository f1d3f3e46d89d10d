#include "build.h"
#if defined(BCEL_AARCH64)
#include "simd/neon.h"
#define VOCABULARY ops_neon
#include "ops.inc.h"
#endif
