/* The vocabulary's names without a precision (v_add, vmask, ...): they expand to those of PRECISION, which is
 * f32 or f64 where they are used. N(name) is a name of our own with the precision at its end. */
#ifndef BCEL_SIMD_NAMES
#define BCEL_SIMD_NAMES

#define BCEL_PASTE_(a, b) a##_##b
#define BCEL_PASTE(a, b) BCEL_PASTE_(a, b)

#define N(name) BCEL_PASTE(name, PRECISION)
#define V(name) BCEL_PASTE(PRECISION, name)

#define vmask V(mask)
#define v_load V(load)
#define v_store V(store)
#define v_set1 V(set1)
#define v_add V(add)
#define v_sub V(sub)
#define v_mul V(mul)
#define v_div V(div)
#define v_fma V(fma)
#define v_fnma V(fnma)
#define v_max V(max)
#define v_min V(min)
#define v_abs V(abs)
#define v_neg V(neg)
#define v_lt V(lt)
#define v_eq V(eq)
#define v_select V(select)
#define v_first V(first)
#define v_any V(any)
#define v_pow2 V(pow2)
#define v_track V(track)
#define v_exceeded V(exceeded)

#endif
