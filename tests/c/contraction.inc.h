/* The functions of contraction.h, for the vocabulary included before under the name VOCABULARY. */
#include "contraction.h"

#include "simd/names.inc.h"

BCEL_TARGET_BEGIN

#define DEFINE(name, P, T, V)                                                           \
    static void name(const T *a, const T *b, const T *c, T *const results[3])           \
    {                                                                                   \
        V x = P##_load(a), y = P##_load(b), z = P##_load(c);                            \
        P##_store(results[0], P##_add(P##_mul(x, y), z));                               \
        P##_store(results[1], P##_sub(P##_mul(x, y), z));                               \
        P##_store(results[2], P##_sub(z, P##_mul(x, y)));                               \
    }

DEFINE(single, f32, float, f32x16)
DEFINE(wide, f64, double, f64x8)

BCEL_TARGET_END

#define TEXT_(name) #name
#define TEXT(name) TEXT_(name)
const contraction BCEL_PASTE(contraction, VOCABULARY) = { TEXT(VOCABULARY), single, wide };
