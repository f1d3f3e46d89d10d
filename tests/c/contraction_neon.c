#include "build.h"
#if defined(BCEL_AARCH64)
#include "simd/neon.h"
#define VOCABULARY neon
#include "contraction.inc.h"
#endif
