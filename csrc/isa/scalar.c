#include "../kernels.h"
#if defined(BCEL_SCALAR_NAME)
#include "../simd/scalar.h"
#define ISA scalar
#define BCEL_ISA_NAME BCEL_SCALAR_NAME
#include "../isa.inc.h"
#endif
