#if defined(__x86_64__) || defined(_M_X64)
#include "simd/avx2.h"
#define VOCABULARY avx2
#include "contraction.inc.h"
#endif
