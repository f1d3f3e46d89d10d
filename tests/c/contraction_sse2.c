#if defined(__x86_64__) || defined(_M_X64)
#include "simd/sse2.h"
#define VOCABULARY sse2
#include "contraction.inc.h"
#endif
