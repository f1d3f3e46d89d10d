/* Packed elements of any type to floats and doubles, and back. Included once, by isa.inc.h, for both precisions. */

#define CONVERTED 16 /* elements of a step: a vector of floats or two of doubles */

/* n < 16 elements, by copies whose lengths are constants. */
BCEL_INLINE void copy_few(void *to, const void *from, size_t size, size_t n)
{
    char *out = to;
    const char *at = from;
#define COPY_PART(part)                            \
    if (n & part) {                                \
        memcpy(out, at, part * size);              \
        out += part * size;                        \
        at += part * size;                         \
    }
    COPY_PART(8)
    COPY_PART(4)
    COPY_PART(2)
    COPY_PART(1)
}

/* Defines NAME(results, elements, n), which makes each 16 of type R from 16 of type T by STATEMENT, of `out` and `at`.
 * The last step overlaps the one before; fewer than 16 go through buffers, for nothing beyond them may be touched. */
#define CONVERSION(NAME, R, T, STATEMENT)                                                     \
    BCEL_INLINE void NAME##_step(R *out, const T *at)                                         \
    {                                                                                         \
        STATEMENT;                                                                            \
    }                                                                                         \
    static void NAME(void *results, const void *elements, size_t n)                           \
    {                                                                                         \
        R *to = results;                                                                      \
        const T *from = elements;                                                             \
        if (n < CONVERTED) {                                                                  \
            T few[CONVERTED] = { 0 };                                                         \
            R made[CONVERTED];                                                                \
            copy_few(few, from, sizeof(T), n);                                                \
            NAME##_step(made, few);                                                           \
            copy_few(to, made, sizeof(R), n);                                                 \
            return;                                                                           \
        }                                                                                     \
        for (size_t i = 0; i + CONVERTED <= n; i += CONVERTED) NAME##_step(to + i, from + i); \
        if (n % CONVERTED) NAME##_step(to + n - CONVERTED, from + n - CONVERTED);             \
    }

/* 16 doubles as floats or as what they are, 16 floats as doubles. */
BCEL_INLINE void store_reals_f32(float *out, f64x8 lo, f64x8 hi)
{
    f32_store(out, f32_narrow(lo, hi));
}

BCEL_INLINE void store_reals_f64(double *out, f64x8 lo, f64x8 hi)
{
    f64_store(out, lo);
    f64_store(out + 8, hi);
}

BCEL_INLINE void store_widened(double *out, f32x16 values)
{
    store_reals_f64(out, f32_widen_lo(values), f32_widen_hi(values));
}

/* ---- to reals -------------------------------------------------------------------------------------- */

/* Types of which every value is a float. Any byte but 0 is true. */
#define FOR_EACH_SHORT_TYPE(DO)                                         \
    DO(BCEL_FLOAT32, float32, float, f32_load(at))                      \
    DO(BCEL_FLOAT16, float16, uint16_t, f32_load_f16(at))               \
    DO(BCEL_BFLOAT16, bfloat16, uint16_t, f32_load_bf16(at))            \
    DO(BCEL_BOOL, truth, uint8_t, f32_min(f32_load_u8(at), f32_set1(1))) \
    DO(BCEL_INT8, int8, int8_t, f32_load_i8(at))                        \
    DO(BCEL_UINT8, uint8, uint8_t, f32_load_u8(at))                     \
    DO(BCEL_INT16, int16, int16_t, f32_load_i16(at))                    \
    DO(BCEL_UINT16, uint16, uint16_t, f32_load_u16(at))

/* Others of which every value is a double. */
#define FOR_EACH_LONG_TYPE(DO)                           \
    DO(BCEL_FLOAT64, float64, double, f64_load)          \
    DO(BCEL_INT32, int32, int32_t, f64_load_i32)         \
    DO(BCEL_UINT32, uint32, uint32_t, f64_load_u32)

#define DEFINE_SHORT(constant, name, type, values)                          \
    CONVERSION(name##_to_f32, float, type, f32_store(out, values))          \
    CONVERSION(name##_to_f64, double, type, store_widened(out, values))
#define DEFINE_LONG(constant, name, type, load)                                             \
    CONVERSION(name##_to_f32, float, type, store_reals_f32(out, load(at), load(at + 8)))    \
    CONVERSION(name##_to_f64, double, type, store_reals_f64(out, load(at), load(at + 8)))

FOR_EACH_SHORT_TYPE(DEFINE_SHORT)
FOR_EACH_LONG_TYPE(DEFINE_LONG)
/* By way of doubles they would be rounded twice. */
CONVERSION(any_int64_to_f32, float, int64_t, f32_store(out, f32_load_i64(at)))
CONVERSION(any_uint64_to_f32, float, uint64_t, f32_store(out, f32_load_u64(at)))
CONVERSION(any_int64_to_f64, double, int64_t, store_reals_f64(out, f64_load_i64(at), f64_load_i64(at + 8)))
CONVERSION(any_uint64_to_f64, double, uint64_t, store_reals_f64(out, f64_load_u64(at), f64_load_u64(at + 8)))

/* Targets are in [0, 2^31), where 32 bits do, which every processor converts at once; if a value is not, all are
 * converted again. Plain C, of which compilers make vectors. */
#define DEFINE_INT64(NAME, R, T)                                                  \
    static void NAME(R *restrict to, const T *restrict from, size_t n)            \
    {                                                                             \
        uint64_t bits = 0;                                                        \
        for (size_t i = 0; i < n; ++i) {                                          \
            T element; /* a copy: the caller's may be long long */                \
            memcpy(&element, from + i, sizeof element);                           \
            bits |= (uint64_t)element;                                            \
            to[i] = (R)(int32_t)element;                                          \
        }                                                                         \
        if (bits > INT32_MAX) any_##NAME(to, from, n);                            \
    }

DEFINE_INT64(int64_to_f32, float, int64_t)
DEFINE_INT64(uint64_to_f32, float, uint64_t)
DEFINE_INT64(int64_to_f64, double, int64_t)
DEFINE_INT64(uint64_to_f64, double, uint64_t)

#define TO_F32_CASE(constant, name, type, load) \
    case constant: name##_to_f32(to, from, n); return;
#define TO_F64_CASE(constant, name, type, load) \
    case constant: name##_to_f64(to, from, n); return;

static void to_real_f32(void *to, bcel_dtype dtype, const void *from, size_t n)
{
    switch (dtype) {
        FOR_EACH_SHORT_TYPE(TO_F32_CASE)
        FOR_EACH_LONG_TYPE(TO_F32_CASE)
        TO_F32_CASE(BCEL_INT64, int64, , )
        TO_F32_CASE(BCEL_UINT64, uint64, , )
    }
}

static void to_real_f64(void *to, bcel_dtype dtype, const void *from, size_t n)
{
    switch (dtype) {
        FOR_EACH_SHORT_TYPE(TO_F64_CASE)
        FOR_EACH_LONG_TYPE(TO_F64_CASE)
        TO_F64_CASE(BCEL_INT64, int64, , )
        TO_F64_CASE(BCEL_UINT64, uint64, , )
    }
}

/* ---- from reals ------------------------------------------------------------------------------------ */

/* Floats rounded to odd, so that their rounding to 16 bits is the only one that counts. */
BCEL_INLINE f32x16 load_odd(const double *at)
{
    float lanes[CONVERTED];
    for (int i = 0; i < CONVERTED; ++i) lanes[i] = bcel_odd_float(at[i]);
    return f32_load(lanes);
}

CONVERSION(f32_to_float16, uint16_t, float, f32_store_f16(out, f32_load(at)))
CONVERSION(f32_to_bfloat16, uint16_t, float, f32_store_bf16(out, f32_load(at)))
CONVERSION(f64_to_float16, uint16_t, double, f32_store_f16(out, load_odd(at)))
CONVERSION(f64_to_bfloat16, uint16_t, double, f32_store_bf16(out, load_odd(at)))

static void from_real_f32(bcel_dtype dtype, void *to, const void *from, size_t n)
{
    switch ((int)dtype) {
    case BCEL_FLOAT32: float32_to_f32(to, from, n); return;
    case BCEL_FLOAT64: float32_to_f64(to, from, n); return;
    case BCEL_FLOAT16: f32_to_float16(to, from, n); return;
    case BCEL_BFLOAT16: f32_to_bfloat16(to, from, n); return;
    }
}

static void from_real_f64(bcel_dtype dtype, void *to, const void *from, size_t n)
{
    switch ((int)dtype) {
    case BCEL_FLOAT32: float64_to_f32(to, from, n); return;
    case BCEL_FLOAT64: float64_to_f64(to, from, n); return;
    case BCEL_FLOAT16: f64_to_float16(to, from, n); return;
    case BCEL_BFLOAT16: f64_to_bfloat16(to, from, n); return;
    }
}
