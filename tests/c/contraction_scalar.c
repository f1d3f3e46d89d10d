#include "simd/scalar.h"
#define VOCABULARY scalar
#include "contraction.inc.h"
