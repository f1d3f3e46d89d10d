#if defined(__x86_64__) || defined(_M_X64)
#include "simd/sse2.h"
#define VOCABULARY ops_sse2
#include "ops.inc.h"
#endif
