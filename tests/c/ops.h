/* The operations of the vector vocabulary (csrc/simd/README.md), each as a function of arrays that hold one logical
 * vector: 16 floats or 8 doubles. ops_NAME.c makes a table of them from one vocabulary. */
#ifndef OPS_H
#define OPS_H

enum { OPS_BYTES = 64 };

/* What the operands may be. */
typedef enum {
    OPERANDS_ANY,      /* any bits */
    OPERANDS_NUMBERS,  /* no NaN */
    OPERANDS_EXPONENTS /* 1.5 * 2^(mantissa bits) + n, n in the range of exponents */
} operands;

/* What must agree. */
typedef enum {
    RESULT_BITS,   /* every bit */
    RESULT_VALUE,  /* every bit, or both are NaN */
    RESULT_NUMBER, /* the same, but for the sign of a zero */
    RESULT_DOUBLES /* as RESULT_VALUE, 8 doubles whatever the operands are */
} result;

/* OP(name, operands, result, value of the vectors A, B and C). The number of lanes to select is taken from the bits
 * of C, single values from the first lane of B. */
#define OPS(OP)                                                                               \
    OP(load_store, OPERANDS_ANY, RESULT_BITS, A)                                              \
    OP(set1, OPERANDS_ANY, RESULT_BITS, v_set1(*b))                                           \
    OP(add, OPERANDS_ANY, RESULT_VALUE, v_add(A, B))                                          \
    OP(sub, OPERANDS_ANY, RESULT_VALUE, v_sub(A, B))                                          \
    OP(mul, OPERANDS_ANY, RESULT_VALUE, v_mul(A, B))                                          \
    OP(div, OPERANDS_ANY, RESULT_VALUE, v_div(A, B))                                          \
    OP(fma, OPERANDS_ANY, RESULT_VALUE, v_fma(A, B, C))                                       \
    OP(fnma, OPERANDS_ANY, RESULT_VALUE, v_fnma(A, B, C))                                     \
    OP(max, OPERANDS_NUMBERS, RESULT_NUMBER, v_max(A, B))                                     \
    OP(min, OPERANDS_NUMBERS, RESULT_NUMBER, v_min(A, B))                                     \
    OP(abs, OPERANDS_ANY, RESULT_BITS, v_abs(A))                                              \
    OP(neg, OPERANDS_ANY, RESULT_BITS, v_neg(A))                                              \
    OP(lt, OPERANDS_ANY, RESULT_BITS, v_select(v_lt(A, B), v_set1(1), v_set1(0)))             \
    OP(eq, OPERANDS_ANY, RESULT_BITS, v_select(v_eq(A, B), v_set1(1), v_set1(0)))             \
    OP(select, OPERANDS_ANY, RESULT_BITS, v_select(v_lt(A, B), B, C))                         \
    OP(first, OPERANDS_ANY, RESULT_BITS, v_select(v_first(N(lanes_at)(c)), A, B))             \
    OP(any, OPERANDS_ANY, RESULT_BITS, v_set1((real)v_any(v_lt(A, B))))                       \
    OP(any_of_first, OPERANDS_ANY, RESULT_BITS, v_set1((real)v_any(v_first(N(lanes_at)(c))))) \
    OP(pow2, OPERANDS_EXPONENTS, RESULT_BITS, v_pow2(A))                                      \
    OP(umax, OPERANDS_ANY, RESULT_BITS, v_umax(A, B))                                         \
    OP(uany, OPERANDS_ANY, RESULT_BITS, v_set1((real)v_uany(A, N(bits_at)(b))))

/* For floats alone. */
#define OPS_WIDEN(OP)                                                                         \
    OP(widen_lo, OPERANDS_ANY, RESULT_DOUBLES, f32_widen_lo(A))                               \
    OP(widen_hi, OPERANDS_ANY, RESULT_DOUBLES, f32_widen_hi(A))

enum {
#define OPS_ENUMERATE(name, operands, result, value) OPS_##name,
    OPS(OPS_ENUMERATE) OPS_COMMON,
    OPS_BEFORE_WIDEN = OPS_COMMON - 1,
    OPS_WIDEN(OPS_ENUMERATE) OPS_COUNT
#undef OPS_ENUMERATE
};

/* Any of the arrays may be aligned to an element alone. */
typedef void (*operation)(const void *a, const void *b, const void *c, void *out);

typedef struct {
    operation f32[OPS_COUNT], f64[OPS_COMMON];
} vocabulary;

extern const vocabulary ops_scalar, ops_sse2, ops_avx2, ops_avx512, ops_neon;

#endif
