/* What a build must not change, and what it holds: compilers told to compute otherwise than IEEE 754 has it are refused,
 * contraction is off, and the instruction sets are named. Whatever has arithmetic includes it before any other header:
 * pragmas count from where they stand. Private to the library. */
#ifndef BCEL_BUILD_H
#define BCEL_BUILD_H

#include <float.h>

/* ---- refused --------------------------------------------------------------------------------------- */

/* -ffast-math, -Ofast and their parts. clang tells of -ffinite-math-only, but of no other part that comes alone. */
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(_M_FP_FAST) \
    || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#  error "bcelogits must not be built with -ffast-math, -Ofast, /fp:fast or parts of them: results would be wrong. \
After such flags of yours, -fno-fast-math (/fp:precise) undoes them for the files of bcelogits."
#endif

/* The x87 keeps more bits than float and double have, and rounds twice. */
#if (defined(__i386__) && !defined(__SSE2_MATH__)) || (defined(_M_IX86) && _M_IX86_FP < 2)
#  error "bcelogits must not be built for the x87: on 32-bit x86 give its files -msse2 -mfpmath=sse (/arch:SSE2)."
/* 16 and 32 speak of types that are not used here. */
#elif defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 && FLT_EVAL_METHOD != 32
#  error "bcelogits must be built where float and double are computed in their own precision: FLT_EVAL_METHOD is not 0."
#endif

#if FLT_RADIX != 2 || FLT_MANT_DIG != 24 || FLT_MAX_EXP != 128 || DBL_MANT_DIG != 53 || DBL_MAX_EXP != 1024
#  error "bcelogits must be built where float and double are binary32 and binary64 of IEEE 754."
#endif

/* Negative under -fsingle-precision-constant, which no macro tells of. */
typedef char bcel_constants_of_type_double_are_doubles[sizeof 1.0 == sizeof(double) ? 1 : -1];

/* ---- contraction ----------------------------------------------------------------------------------- */

/* An addition of a product stays two operations, whatever the command line says of it. Not so under clang's
 * -ffp-contract=fast, which heeds no pragma and shows in no macro: tests/c/test_contraction.c sees it. */
#if defined(__clang__)
#  pragma STDC FP_CONTRACT OFF
#elif defined(_MSC_VER)
#  pragma fp_contract(off)
#elif defined(__GNUC__)
#  pragma GCC optimize("fp-contract=off")
#endif

/* ---- instruction sets ------------------------------------------------------------------------------ */

/* Portable C alone on ARM64EC, which calls itself x86-64: its code must work beside emulated one, which has no AVX. */
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(_M_ARM64EC) && !defined(__arm64ec__)
#  define BCEL_X86_64
#elif (defined(__aarch64__) || defined(_M_ARM64)) && !defined(_M_ARM64EC) && !defined(__arm64ec__)
#  define BCEL_AARCH64
#endif

/* gcc for Windows aligns the stack to 16 bytes, and moves ymm and zmm registers to it and back as if to 32 and 64 (its bug
 * 54412), unless a distribution has mended it: programs crash. There the baseline is all. clang for Windows is right. */
#if defined(BCEL_X86_64) && !((defined(_WIN32) || defined(__CYGWIN__)) && defined(__GNUC__) && !defined(__clang__))
#  define BCEL_AVX
#endif

#endif
