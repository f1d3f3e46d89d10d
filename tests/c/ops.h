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
    OP(track, OPERANDS_ANY, RESULT_BITS, N(track_all)(A, B, N(limit_at)(c)))                   \
    OP(track_one, OPERANDS_ANY, RESULT_BITS, N(track_all)(v_set1(0), A, N(limit_at)(b)))

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

/* Conversions between element types, of one logical vector of floats or doubles, or two of doubles. OP(name, type read,
 * how many, type written, how many, statement of what is read and written). */
#define CONVERSIONS(OP)                                                                          \
    OP(load_f16, u16, 16, f32, 16, f32_store(to, f32_load_f16(from)))                            \
    OP(load_bf16, u16, 16, f32, 16, f32_store(to, f32_load_bf16(from)))                          \
    OP(load_i8, i8, 16, f32, 16, f32_store(to, f32_load_i8(from)))                               \
    OP(load_u8, u8, 16, f32, 16, f32_store(to, f32_load_u8(from)))                               \
    OP(load_i16, i16, 16, f32, 16, f32_store(to, f32_load_i16(from)))                            \
    OP(load_u16, u16, 16, f32, 16, f32_store(to, f32_load_u16(from)))                            \
    OP(load_i64_single, i64, 16, f32, 16, f32_store(to, f32_load_i64(from)))                     \
    OP(load_u64_single, u64, 16, f32, 16, f32_store(to, f32_load_u64(from)))                     \
    OP(load_i32, i32, 8, f64, 8, f64_store(to, f64_load_i32(from)))                              \
    OP(load_u32, u32, 8, f64, 8, f64_store(to, f64_load_u32(from)))                              \
    OP(load_i64, i64, 8, f64, 8, f64_store(to, f64_load_i64(from)))                              \
    OP(load_u64, u64, 8, f64, 8, f64_store(to, f64_load_u64(from)))                              \
    OP(narrow, f64, 16, f32, 16, f32_store(to, f32_narrow(f64_load(from), f64_load(from + 8))))  \
    OP(store_f16, f32, 16, u16, 16, f32_store_f16(to, f32_load(from)))                           \
    OP(store_bf16, f32, 16, u16, 16, f32_store_bf16(to, f32_load(from)))                         \
    OP(store_u8, u8, 16, u8, 16, f32_store_u8(to, f32_load_u8(from)))

typedef enum { OPS_i8, OPS_u8, OPS_i16, OPS_u16, OPS_i32, OPS_u32, OPS_i64, OPS_u64, OPS_f32, OPS_f64 } ops_element;

enum {
#define OPS_ENUMERATE(name, read, reads, written, writes, statement) OPS_CONVERSION_##name,
    CONVERSIONS(OPS_ENUMERATE) OPS_CONVERSIONS
#undef OPS_ENUMERATE
};

/* Any of the arrays may be aligned to an element alone. */
typedef void (*operation)(const void *a, const void *b, const void *c, void *out);

typedef void (*conversion)(const void *from, void *to);

typedef struct {
    operation f32[OPS_COUNT], f64[OPS_COMMON];
    conversion conversions[OPS_CONVERSIONS];
} vocabulary;

extern const vocabulary ops_scalar, ops_sse2, ops_avx2, ops_avx512, ops_neon;

/* In ops_conversions.c: the specification against its hash; a vocabulary against it on every value of 16 bits at most
 * and on special ones, and on random ones. */
void check_conversion_specification(void);
void check_conversions(const vocabulary *with, int rounds);

#endif
