#if defined(__x86_64__) || defined(_M_X64)
#include "simd/avx512.h"
#define VOCABULARY avx512
#include "contraction.inc.h"
#endif
