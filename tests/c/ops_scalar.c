#include "simd/scalar.h"
#define VOCABULARY ops_scalar
#include "ops.inc.h"
