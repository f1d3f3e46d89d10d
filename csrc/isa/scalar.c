#include "../simd/scalar.h"
#define ISA scalar
#define BCEL_ISA_NAME "baseline"
#include "../isa.inc.h"
