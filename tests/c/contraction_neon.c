#if defined(__aarch64__) || defined(_M_ARM64)
#include "simd/neon.h"
#define VOCABULARY neon
#include "contraction.inc.h"
#endif
