/* The functions of bcelogits.h on random calls: every element type, any strides and byte order, masks, label smoothing,
 * kept dimensions. Each result is compared with the formula in long double, and bit for bit with that of packed
 * operands. */
#include "calls.h"
#include "harness.h"
#include "numbers.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_DIMS = 5, MOST_ELEMENTS = 9000, OPERANDS = 6 };

static const double infinity = (double)INFINITY;

/* ---- elements ------------------------------------------------------------------------------------- */

static double half_value(unsigned bits, int mantissa_bits, int lowest_exponent)
{
    unsigned exponents = (1u << (15 - mantissa_bits)) - 1;
    unsigned exponent = bits >> mantissa_bits & exponents, mantissa = bits & ((1u << mantissa_bits) - 1);
    double magnitude = exponent == exponents ? (mantissa ? (double)NAN : infinity)
                       : exponent == 0
                           ? ldexp(mantissa, lowest_exponent - mantissa_bits)
                           : ldexp((double)(mantissa | 1u << mantissa_bits),
                                   lowest_exponent - mantissa_bits + (int)exponent - 1);
    return bits & 0x8000 ? -magnitude : magnitude;
}

/* The nearest by counting up: slow, simple, and not the library's way. */
static uint16_t half_of(double a, int mantissa_bits, int lowest_exponent)
{
    unsigned low = 0, high = ((1u << (15 - mantissa_bits)) - 1) << mantissa_bits, sign = signbit(a) ? 0x8000 : 0;
    a = fabs(a);
    while (low < high) {
        unsigned middle = (low + high + 1) / 2;
        if (half_value(middle, mantissa_bits, lowest_exponent) <= a)
            low = middle;
        else
            high = middle - 1;
    }
    return (uint16_t)(sign | low);
}

static double read_element(const void *at, bcel_dtype dtype, int swapped)
{
    unsigned char bytes[8];
    size_t size = size_of_dtype(dtype);
    memcpy(bytes, at, size);
    for (size_t i = 0; swapped && i < size / 2; ++i) {
        unsigned char byte = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
#define READ(type) { type value; memcpy(&value, bytes, sizeof value); return (double)value; }
    switch (dtype) {
    case BCEL_FLOAT32: READ(float)
    case BCEL_FLOAT64: READ(double)
    case BCEL_FLOAT16: { uint16_t value; memcpy(&value, bytes, 2); return half_value(value, 10, -14); }
    case BCEL_BFLOAT16: { uint16_t value; memcpy(&value, bytes, 2); return half_value(value, 7, -126); }
    case BCEL_BOOL: return bytes[0] != 0;
    case BCEL_INT8: READ(int8_t)
    case BCEL_UINT8: READ(uint8_t)
    case BCEL_INT16: READ(int16_t)
    case BCEL_UINT16: READ(uint16_t)
    case BCEL_INT32: READ(int32_t)
    case BCEL_UINT32: READ(uint32_t)
    case BCEL_INT64: READ(int64_t)
    case BCEL_UINT64: READ(uint64_t)
    }
    return (double)NAN;
}

static void write_element(void *at, bcel_dtype dtype, int swapped, double a)
{
    unsigned char bytes[8];
    size_t size = size_of_dtype(dtype);
#define WRITE(type) { type value = (type)a; memcpy(bytes, &value, sizeof value); break; }
    switch (dtype) {
    case BCEL_FLOAT32: WRITE(float)
    case BCEL_FLOAT64: WRITE(double)
    case BCEL_FLOAT16: { uint16_t value = half_of(a, 10, -14); memcpy(bytes, &value, 2); break; }
    case BCEL_BFLOAT16: { uint16_t value = half_of(a, 7, -126); memcpy(bytes, &value, 2); break; }
    case BCEL_BOOL: bytes[0] = a != 0; break;
    case BCEL_INT8: WRITE(int8_t)
    case BCEL_UINT8: WRITE(uint8_t)
    case BCEL_INT16: WRITE(int16_t)
    case BCEL_UINT16: WRITE(uint16_t)
    case BCEL_INT32: WRITE(int32_t)
    case BCEL_UINT32: WRITE(uint32_t)
    case BCEL_INT64: WRITE(int64_t)
    case BCEL_UINT64: WRITE(uint64_t)
    }
    for (size_t i = 0; i < size; ++i) ((unsigned char *)at)[i] = bytes[swapped ? size - 1 - i : i];
}

static int is_float(bcel_dtype dtype) { return dtype <= BCEL_BFLOAT16; }

/* ---- random arrays --------------------------------------------------------------------------------- */

/* An array somewhere in its memory; data is its first element. Written or read by index. */
typedef struct {
    char *memory;
    size_t bytes;
    char *data;
    bcel_dtype dtype;
    int swapped, ndim, plain;
    size_t shape[MOST_DIMS];
    ptrdiff_t strides[MOST_DIMS];
} array;

typedef enum { PLAIN, C_ORDER, FORTRAN, SHUFFLED, SPARSE, BROADCAST, LAYOUTS } layout;

static array make_array(random_state *r, bcel_dtype dtype, int ndim, const size_t *shape, layout how)
{
    array a = { NULL, 0, NULL, dtype, how != PLAIN && random_below(r, 4) == 0, ndim, how == PLAIN, { 0 }, { 0 } };
    ptrdiff_t size = (ptrdiff_t)size_of_dtype(dtype), stride = size, low = 0, high = size;
    int order[MOST_DIMS];
    for (int d = 0; d < ndim; ++d) {
        a.shape[d] = shape[d];
        order[d] = how == FORTRAN ? d : ndim - 1 - d;
    }
    if (how == SHUFFLED || how == SPARSE)
        for (int i = ndim - 1; i > 0; --i) {
            size_t k = random_below(r, (size_t)i + 1);
            int d = order[i];
            order[i] = order[k];
            order[k] = d;
        }
    for (int i = 0; i < ndim; ++i) {
        int d = order[i];
        if (how == BROADCAST && random_below(r, 2)) continue;
        if (how == SPARSE) stride += (ptrdiff_t)random_below(r, 3) * (random_below(r, 2) ? size : 1);
        a.strides[d] = how >= SHUFFLED && how != BROADCAST && random_below(r, 3) == 0 ? -stride : stride;
        stride *= (ptrdiff_t)(shape[d] ? shape[d] : 1);
    }
    for (int d = 0; d < ndim; ++d) {
        ptrdiff_t reach = shape[d] ? a.strides[d] * (ptrdiff_t)(shape[d] - 1) : 0;
        if (reach < 0) low += reach; else high += reach;
    }
    size_t offset = 32 + (how == PLAIN || how == C_ORDER ? 0 : random_below(r, 16)); /* any alignment */
    a.bytes = offset + (size_t)(high - low) + 32;
    a.memory = allocate(a.bytes, 1);
    memset(a.memory, 0xa5, a.bytes);
    a.data = a.memory + offset - low;
    return a;
}

static char *element_at(const array *a, size_t index)
{
    char *at = a->data;
    for (int d = a->ndim - 1; d >= 0; --d) {
        at += (ptrdiff_t)(index % a->shape[d]) * a->strides[d];
        index /= a->shape[d];
    }
    return at;
}

static double value_at(const array *a, size_t index)
{
    return read_element(element_at(a, index), a->dtype, a->swapped);
}

static bcel_operand operand_of(const array *a)
{
    bcel_operand operand = { a->data, a->plain ? NULL : a->strides, a->dtype, a->swapped };
    return operand;
}

static bcel_output output_of(array *a)
{
    bcel_output result = { a->data, a->plain ? NULL : a->strides, a->dtype, a->swapped };
    return result;
}

/* The same elements, packed. */
static array packed_copy(const array *a)
{
    array copy = *a;
    size_t n = 1, size = size_of_dtype(a->dtype);
    for (int d = 0; d < a->ndim; ++d) n *= a->shape[d];
    copy.memory = copy.data = allocate(n + 1, size);
    copy.plain = 1;
    copy.swapped = 0;
    ptrdiff_t stride = (ptrdiff_t)size;
    for (int d = a->ndim - 1; d >= 0; --d) {
        copy.strides[d] = stride;
        stride *= (ptrdiff_t)a->shape[d];
    }
    for (size_t i = 0; i < n; ++i) {
        const char *from = element_at(a, i);
        for (size_t b = 0; b < size; ++b) copy.data[i * size + b] = from[a->swapped ? size - 1 - b : b];
    }
    return copy;
}

/* Bytes of an output's memory that belong to none of its elements are as they were. */
static int is_untouched_outside(const array *a, size_t n)
{
    unsigned char *is_element = allocate(a->bytes, 1);
    memset(is_element, 0, a->bytes);
    for (size_t i = 0; i < n; ++i)
        memset(is_element + (element_at(a, i) - a->memory), 1, size_of_dtype(a->dtype));
    int ok = 1;
    for (size_t i = 0; i < a->bytes; ++i) ok &= is_element[i] || (unsigned char)a->memory[i] == 0xa5;
    release(is_element);
    return ok;
}

/* ---- random calls ---------------------------------------------------------------------------------- */

typedef struct {
    bcel_call call, packed; /* the same, with packed operands */
    array operands[OPERANDS], copies[OPERANDS];
    int has[OPERANDS];
    size_t shape[MOST_DIMS], n;
} random_call;

enum { INPUT, TARGET, WEIGHT, POS_WEIGHT, WHERE, GRAD_OUTPUT };

static bcel_dtype random_dtype(random_state *r, int float_only)
{
    /* The two types computed in are the most frequent. */
    size_t k = random_below(r, float_only ? 8 : 20);
    if (k < 3) return BCEL_FLOAT32;
    if (k < 6) return BCEL_FLOAT64;
    return (bcel_dtype)(BCEL_FLOAT16 + (int)(k - 6) % (float_only ? 2 : 11));
}

static void fill_operand(random_state *r, array *a, int which, size_t n, int smooth_or_any)
{
    for (size_t i = 0; i < n; ++i) {
        double value = 0;
        if (which == INPUT)
            value = a->dtype == BCEL_BOOL                      ? (double)random_below(r, 2)
                    : a->dtype == BCEL_UINT8 || a->dtype == BCEL_UINT16 || a->dtype == BCEL_UINT32
                            || a->dtype == BCEL_UINT64         ? (double)random_below(r, 100)
                    : !is_float(a->dtype)                      ? (double)random_below(r, 120) - 60
                    : random_below(r, 40) == 0                 ? 40 * random_normal(r)
                                                               : 3 * random_normal(r);
        else if (which == TARGET)
            value = is_float(a->dtype) && smooth_or_any ? random_unit(r) : (double)random_below(r, 2);
        else if (which == WHERE)
            value = (double)random_below(r, 4);
        else if (!is_float(a->dtype))
            value = (double)random_below(r, a->dtype == BCEL_BOOL ? 2 : 5);
        else
            value = fabs(random_wide(r, -3, 2)) * (which == GRAD_OUTPUT || (which == WEIGHT && i % 5 == 0) ? -1 : 1);
        write_element(element_at(a, i), a->dtype, a->swapped, value);
    }
}

static void make_call(random_state *r, random_call *c, int for_reduction)
{
    static const size_t extents[] = { 1, 1, 2, 3, 5, 7, 16, 17, 40, 130 };
    int ndim = (int)random_below(r, MOST_DIMS + 1);
    size_t n = 1;
    for (int d = 0; d < ndim; ++d) {
        c->shape[d] = extents[random_below(r, COUNT(extents))];
        if (n * c->shape[d] > MOST_ELEMENTS) c->shape[d] = 1;
        n *= c->shape[d];
    }
    if (ndim && random_below(r, 10) == 0 && n < 10) n = n / c->shape[0] * 4500, c->shape[0] = 4500;
    if (ndim && random_below(r, 40) == 0) n = c->shape[random_below(r, (size_t)ndim)] = 0;
    c->n = n;
    bcel_call_init(&c->call);
    c->call.ndim = ndim;
    c->call.shape = c->shape;
    int plain = random_below(r, 5) == 0, fortran = random_below(r, 10) == 0;
    for (int k = 0; k < OPERANDS; ++k) {
        c->has[k] = k <= TARGET || random_below(r, 3) == 0;
        if (k == GRAD_OUTPUT && for_reduction) c->has[k] = 0;
        if (!c->has[k]) continue;
        layout how = plain ? PLAIN : fortran ? FORTRAN : (layout)random_below(r, k == INPUT ? BROADCAST : LAYOUTS);
        bcel_dtype dtype = k == WHERE ? BCEL_BOOL : random_dtype(r, 0);
        c->operands[k] = make_array(r, dtype, ndim, c->shape, how);
        fill_operand(r, &c->operands[k], k, n, (int)random_below(r, 2));
    }
    if (random_below(r, 5) == 0) c->call.label_smoothing = 0.125 * (double)random_below(r, 8) + 0.1;
    if (random_below(r, 8) == 0) c->call.flags |= BCEL_COMPUTE_FLOAT64;
    if (random_below(r, 3) == 0) c->call.hess_floor = 0.01;
    /* Elements that are left out hold what would spoil everything. */
    const array *target = &c->operands[TARGET];
    int ignores = (int)random_below(r, 4);
    if (ignores == 1 && is_float(target->dtype)) {
        c->call.flags |= BCEL_IGNORE_FLOAT;
        c->call.ignore_float = -7;
    } else if (ignores == 2 && target->dtype != BCEL_BOOL) {
        c->call.flags |= BCEL_IGNORE_INT;
        c->call.ignore_int = target->dtype == BCEL_UINT8 || target->dtype == BCEL_UINT16
                                     || target->dtype == BCEL_UINT32 || target->dtype == BCEL_UINT64 ? 99 : -100;
    }
    double ignored = c->call.flags & BCEL_IGNORE_FLOAT ? c->call.ignore_float : (double)c->call.ignore_int;
    if (c->call.flags & (BCEL_IGNORE_FLOAT | BCEL_IGNORE_INT))
        for (size_t i = 0; i < n; ++i)
            if (random_below(r, 4) == 0) write_element(element_at(target, i), target->dtype, target->swapped, ignored);
    for (size_t i = 0; i < n; ++i) {
        int counted = !c->has[WHERE] || value_at(&c->operands[WHERE], i) != 0;
        if (c->call.flags & (BCEL_IGNORE_FLOAT | BCEL_IGNORE_INT)) counted &= value_at(target, i) != ignored;
        const array *x = &c->operands[INPUT];
        if (!counted && (x->dtype == BCEL_FLOAT32 || x->dtype == BCEL_FLOAT64))
            write_element(element_at(x, i), x->dtype, x->swapped, i % 3 ? (double)NAN : infinity);
    }
    bcel_operand *to[OPERANDS] = { &c->call.input, &c->call.target, &c->call.weight,
                                   &c->call.pos_weight, &c->call.where, &c->call.grad_output };
    c->packed = c->call;
    bcel_operand *to_packed[OPERANDS] = { &c->packed.input, &c->packed.target, &c->packed.weight,
                                          &c->packed.pos_weight, &c->packed.where, &c->packed.grad_output };
    for (int k = 0; k < OPERANDS; ++k)
        if (c->has[k]) {
            c->copies[k] = packed_copy(&c->operands[k]);
            *to[k] = operand_of(&c->operands[k]);
            *to_packed[k] = operand_of(&c->copies[k]);
        }
}

static void clear_call(random_call *c)
{
    for (int k = 0; k < OPERANDS; ++k)
        if (c->has[k]) {
            release(c->operands[k].memory);
            release(c->copies[k].memory);
        }
}

static const char *describe(const random_call *c)
{
    static char text[300];
    int used = snprintf(text, sizeof text, "%d dims, %zu elements, smoothing %g, flags %x;", c->call.ndim, c->n,
                        c->call.label_smoothing, c->call.flags);
    static const char *const names[] = { "x", "y", "w", "p", "where", "g" };
    for (int k = 0; k < OPERANDS; ++k)
        if (c->has[k] && used < (int)sizeof text - 40)
            used += snprintf(text + used, sizeof text - (size_t)used, " %s %s%s%s", names[k],
                             name_of_dtype(c->operands[k].dtype), c->operands[k].swapped ? " swapped" : "",
                             c->operands[k].plain ? " plain" : "");
    return text;
}

/* ---- the formula ------------------------------------------------------------------------------------ */

static int is_single(const random_call *c)
{
    bcel_dtype dtype = c->operands[INPUT].dtype;
    return (dtype == BCEL_FLOAT32 || dtype == BCEL_FLOAT16 || dtype == BCEL_BFLOAT16)
           && !(c->call.flags & BCEL_COMPUTE_FLOAT64);
}

/* What an element gives: two terms whose sum is the result, and the unit its error is counted in. */
typedef struct { long double value, size; } exact_value;

typedef struct { long double x, y, q, w, p, g; int counted; } element;

static long double narrowed(const random_call *c, double a) { return is_single(c) ? (long double)(float)a : a; }

static element element_of(const random_call *c, size_t i)
{
    element e = { 0, 0, 0, 1, 1, 1, 1 };
    double y = value_at(&c->operands[TARGET], i), a = c->call.label_smoothing;
    e.x = value_at(&c->operands[INPUT], i);
    if (c->has[WHERE] && value_at(&c->operands[WHERE], i) == 0) e.counted = 0;
    if (c->call.flags & BCEL_IGNORE_FLOAT && y == c->call.ignore_float) e.counted = 0;
    if (c->call.flags & BCEL_IGNORE_INT && y == (double)c->call.ignore_int) e.counted = 0;
    e.y = narrowed(c, y * (1 - a) + a / 2);
    e.q = narrowed(c, (1 - y) * (1 - a) + a / 2);
    if (c->has[WEIGHT]) e.w = narrowed(c, value_at(&c->operands[WEIGHT], i));
    if (c->has[POS_WEIGHT]) e.p = narrowed(c, value_at(&c->operands[POS_WEIGHT], i));
    if (c->has[GRAD_OUTPUT]) e.g = narrowed(c, value_at(&c->operands[GRAD_OUTPUT], i));
    return e;
}

static exact_value exact_of(const random_call *c, bcel_function function, int result, const element *e)
{
    long double t = fabsl(e->x), exp_t = expl(-t), log1p_exp = log1pl(exp_t);
    long double sp = e->x > 0 ? t + log1p_exp : log1p_exp, sp_minus = e->x > 0 ? log1p_exp : t + log1p_exp;
    long double large = 1 / (1 + exp_t), small = exp_t / (1 + exp_t);
    long double s = e->x > 0 ? large : small, s_minus = e->x > 0 ? small : large;
    long double a = 0, b = 0;
    int derivative = result;
    switch (function) {
    case BCEL_SIGMOID: a = s; break;
    case BCEL_LOG_SIGMOID: a = -sp_minus; break;
    case BCEL_SOFTPLUS: a = sp; break;
    case BCEL_GRAD_TARGET:
        derivative = 1;
        a = e->w * e->p * sp_minus * (1 - (long double)c->call.label_smoothing);
        b = -e->w * sp * (1 - (long double)c->call.label_smoothing);
        break;
    case BCEL_GRAD_WEIGHT:
        derivative = 1;
        a = e->p * e->y * sp_minus;
        b = e->q * sp;
        break;
    case BCEL_GRAD_POS_WEIGHT:
        derivative = 1;
        a = e->w * e->y * sp_minus;
        break;
    default:
        if (function == BCEL_LOSS || (function == BCEL_LOSS_AND_GRAD && result == 0)) {
            a = e->w * e->p * e->y * sp_minus;
            b = e->w * e->q * sp;
        } else if (function == BCEL_GRAD_AND_HESS && result == 1) {
            long double slope = s * s_minus, low = narrowed(c, c->call.hess_floor);
            a = e->w * (e->q + e->p * e->y) * (slope < low ? low : slope);
        } else {
            derivative = 1;
            a = e->w * e->q * s;
            b = -e->w * e->p * e->y * s_minus;
        }
    }
    if (derivative) a *= e->g, b *= e->g;
    exact_value r = { a + b, fabsl(a) + fabsl(b) };
    if (!e->counted && function < BCEL_SIGMOID) r.value = r.size = 0;
    return r;
}

/* Within 6 units of the precision computed in and the rounding to the result's type. What overflows is left alone. */
static int is_close(double computed, exact_value exact, int single, bcel_dtype dtype)
{
    long double unit = single ? 0x1p-24L : 0x1p-53L, size = exact.size;
    long double last = dtype == BCEL_FLOAT16 ? 0x1p-11L : dtype == BCEL_BFLOAT16 ? 0x1p-8L
                       : dtype == BCEL_FLOAT32 ? 0x1p-24L : 0x1p-53L;
    long double least = dtype == BCEL_FLOAT16 ? 0x1p-24L : dtype == BCEL_FLOAT64 && !single ? 0x1p-1070L : 0x1p-132L;
    if (dtype == BCEL_FLOAT16 && size > 60000) return 1;
    return fabsl(computed - exact.value) <= size * (12 * unit + last) + least;
}

static const char *const function_names[] = { "loss", "gradient", "target gradient", "weight gradient",
                                              "pos_weight gradient", "loss and gradient", "gradient and hessian",
                                              "sigmoid", "log_sigmoid", "softplus" };

static void check_map(random_state *r)
{
    random_call c;
    make_call(r, &c, 0);
    for (int f = BCEL_LOSS; f <= BCEL_SOFTPLUS; ++f) {
        bcel_function function = (bcel_function)f;
        int results = function == BCEL_LOSS_AND_GRAD || function == BCEL_GRAD_AND_HESS ? 2 : 1;
        array to[2], to_packed[2];
        bcel_output outputs[2], packed_outputs[2];
        for (int o = 0; o < results; ++o) {
            bcel_dtype dtype = random_dtype(r, 1);
            to[o] = make_array(r, dtype, c.call.ndim, c.shape, (layout)random_below(r, BROADCAST));
            to_packed[o] = make_array(r, dtype, c.call.ndim, c.shape, PLAIN);
            outputs[o] = output_of(&to[o]);
            packed_outputs[o] = output_of(&to_packed[o]);
        }
        bcel_status status = bcel_map(function, &c.call, outputs);
        CHECK(status == BCEL_OK);
        CHECK(bcel_map(function, &c.packed, packed_outputs) == BCEL_OK);
        for (int o = 0; o < results && status == BCEL_OK; ++o) {
            for (size_t i = 0; i < c.n; ++i) {
                double computed = value_at(&to[o], i), packed_value = value_at(&to_packed[o], i);
                element e = element_of(&c, i);
                if (!same_f64(computed, packed_value)) {
                    test_fail("%s[%d] element %zu: %a, of packed operands %a; %s", function_names[f], o, i, computed,
                              packed_value, describe(&c));
                    break;
                }
                if (function >= BCEL_SIGMOID && !isfinite(e.x)) continue;
                exact_value exact = exact_of(&c, function, o, &e);
                if (!is_close(computed, exact, is_single(&c), to[o].dtype)) {
                    test_fail("%s[%d] element %zu to %s: %a, not %a; x=%a y=%a; %s", function_names[f], o, i,
                              name_of_dtype(to[o].dtype), computed, (double)exact.value, (double)e.x, (double)e.y,
                              describe(&c));
                    break;
                }
            }
            if (!is_untouched_outside(&to[o], c.n)) test_fail("%s wrote outside its output", function_names[f]);
        }
        for (int o = 0; o < results; ++o) {
            release(to[o].memory);
            release(to_packed[o].memory);
        }
    }
    clear_call(&c);
}

static void test_map(void)
{
    random_state r = { 41 };
    for (size_t i = sampled(400); i > 0; --i) check_map(&r);
}

/* ---- reductions -------------------------------------------------------------------------------------- */

typedef struct { long double loss, size, weight, sums[2], sizes[2]; size_t count; } exact_sums;

/* Over the elements of index `outer` of the kept dimensions: of the loss, and of the two derivatives of parameters. */
static exact_sums sums_of(const random_call *c, size_t outer, size_t inner)
{
    exact_sums s = { 0, 0, 0, { 0, 0 }, { 0, 0 }, 0 };
    for (size_t i = outer * inner; i < (outer + 1) * inner; ++i) {
        element e = element_of(c, i);
        if (!e.counted) continue;
        exact_value loss = exact_of(c, BCEL_LOSS, 0, &e);
        s.loss += loss.value;
        s.size += loss.size;
        s.weight += e.w;
        s.count += 1;
        for (int k = 0; k < 2; ++k) {
            exact_value v = exact_of(c, k ? BCEL_GRAD_POS_WEIGHT : BCEL_GRAD_WEIGHT, 0, &e);
            s.sums[k] += v.value;
            s.sizes[k] += v.size;
        }
    }
    return s;
}

static size_t product(const size_t *shape, int from, int to)
{
    size_t n = 1;
    for (int d = from; d < to; ++d) n *= shape[d];
    return n;
}

static long double divisor_of(bcel_reduction reduction, const random_call *c, const exact_sums *s)
{
    return reduction == BCEL_SUM ? 1 : reduction == BCEL_MEAN || !c->has[WEIGHT] ? (long double)s->count : s->weight;
}

static void check_value(const char *what, double computed, long double exact, long double size, const random_call *c,
                        bcel_dtype dtype)
{
    exact_value value = { exact, size };
    if (isnan(exact) ? computed == computed : !is_close(computed, value, is_single(c), dtype))
        test_fail("%s to %s: %a, not %a; %s", what, name_of_dtype(dtype), computed, (double)exact, describe(c));
}

/* Sums of weights may cancel: then a quotient by them is not compared. */
static int is_well_conditioned(bcel_reduction reduction, const random_call *c, const exact_sums *s)
{
    return reduction != BCEL_WEIGHTED_MEAN || !c->has[WEIGHT] || s->count == 0
           || fabsl(s->weight) > 0.01L * (long double)s->count;
}

static void check_reduce(random_state *r)
{
    random_call c;
    make_call(r, &c, 1);
    int kept = (int)random_below(r, (size_t)c.call.ndim + 1);
    size_t outer = product(c.shape, 0, kept), inner = product(c.shape, kept, c.call.ndim);
    exact_sums whole = sums_of(&c, 0, c.n);
    for (int k = BCEL_SUM; k <= BCEL_WEIGHTED_MEAN; ++k) {
        bcel_reduction reduction = (bcel_reduction)k;
        array to = make_array(r, random_dtype(r, 1), kept, c.shape, (layout)random_below(r, BROADCAST));
        array to_packed = make_array(r, to.dtype, kept, c.shape, PLAIN);
        bcel_output result = output_of(&to), packed_result = output_of(&to_packed);
        CHECK(bcel_reduce(reduction, kept, &c.call, &result) == BCEL_OK);
        CHECK(bcel_reduce(reduction, kept, &c.packed, &packed_result) == BCEL_OK);
        for (size_t i = 0; i < outer; ++i) {
            exact_sums s = sums_of(&c, i, inner);
            double computed = value_at(&to, i);
            long double by = divisor_of(reduction, &c, &s);
            if (!is_well_conditioned(reduction, &c, &s)) continue;
            check_value("reduction", computed, s.loss / by, fabsl(s.size / by), &c, to.dtype);
            /* Operands in Fortran order may be summed in another order. */
            if (kept > 0 && !same_f64(computed, value_at(&to_packed, i)))
                test_fail("reduction %d of row %zu: %a, of packed operands %a; %s", k, i, computed,
                          value_at(&to_packed, i), describe(&c));
        }
        CHECK(is_untouched_outside(&to, outer));
        release(to.memory);
        release(to_packed.memory);

        /* Value and gradient in one pass. */
        array value = make_array(r, random_dtype(r, 1), 0, c.shape, C_ORDER);
        array gradient = make_array(r, random_dtype(r, 1), c.call.ndim, c.shape, (layout)random_below(r, BROADCAST));
        bcel_output to_value = output_of(&value), to_gradient = output_of(&gradient);
        double scale = 1.25;
        CHECK(bcel_value_and_grad(reduction, scale, &c.call, &to_value, &to_gradient) == BCEL_OK);
        long double by = divisor_of(reduction, &c, &whole);
        if (is_well_conditioned(reduction, &c, &whole)) {
            check_value("value", value_at(&value, 0), whole.loss / by, fabsl(whole.size / by), &c, value.dtype);
            for (size_t i = 0; i < c.n; ++i) {
                element e = element_of(&c, i);
                exact_value exact = exact_of(&c, BCEL_GRAD, 0, &e);
                exact.value *= scale / by;
                exact.size *= fabsl(scale / by);
                if (!e.counted) exact.value = exact.size = 0;
                check_value("gradient", value_at(&gradient, i), exact.value, exact.size, &c, gradient.dtype);
            }
        }
        CHECK(is_untouched_outside(&gradient, c.n));
        release(value.memory);
        release(gradient.memory);
    }
    /* Gradients of weight and pos_weight, summed over what is not kept. */
    for (int k = 0; k < 2; ++k) {
        bcel_function function = k ? BCEL_GRAD_POS_WEIGHT : BCEL_GRAD_WEIGHT;
        for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN + 1; ++reduction) {
            array to = make_array(r, random_dtype(r, 1), kept, c.shape, (layout)random_below(r, BROADCAST));
            bcel_output result = output_of(&to);
            int plain = reduction > BCEL_WEIGHTED_MEAN; /* bcel_sum_grad */
            bcel_reduction how = plain ? BCEL_SUM : (bcel_reduction)reduction;
            bcel_status status = plain ? bcel_sum_grad(function, kept, &c.call, &result)
                                       : bcel_reduce_grad(function, how, 1, kept, &c.call, &result);
            CHECK(status == BCEL_OK);
            long double by = divisor_of(how, &c, &whole);
            for (size_t i = 0; i < outer && is_well_conditioned(how, &c, &whole); ++i) {
                exact_sums s = sums_of(&c, i, inner);
                long double exact = s.sums[k] / by, size = fabsl(s.sizes[k] / by);
                if (how == BCEL_WEIGHTED_MEAN && !k) {
                    long double taken = (long double)s.count * (whole.loss / by) / by;
                    exact -= taken;
                    size += fabsl((long double)s.count * (whole.size / by) / by);
                }
                if (s.count == 0) exact = size = whole.count || plain || how == BCEL_SUM ? 0 : (long double)NAN;
                if (isnan(exact)) continue;
                check_value(k ? "pos_weight gradient" : "weight gradient", value_at(&to, i), exact, size, &c, to.dtype);
            }
            CHECK(is_untouched_outside(&to, outer));
            release(to.memory);
        }
    }
    clear_call(&c);
}

static void test_reduce(void)
{
    random_state r = { 43 };
    for (size_t i = sampled(250); i > 0; --i) check_reduce(&r);
}

/* ---- work in parts ------------------------------------------------------------------------------------ */

enum { MOST_PARTS = 4 };

/* Cuts of the blocks, in random order: parts of every size, some of them empty or beyond the end. */
typedef struct { size_t first, last; } part;

static int random_parts(random_state *r, size_t n, part *parts)
{
    size_t blocks = n / BCEL_BLOCK + (n % BCEL_BLOCK != 0), at = 0;
    int count = 0;
    while (at < blocks) {
        size_t next = at + random_below(r, 3);
        parts[count].first = at;
        parts[count++].last = next;
        at = next;
        if (count == MOST_PARTS - 1) break;
    }
    parts[count].first = at;
    parts[count++].last = random_below(r, 2) ? SIZE_MAX : blocks > at ? blocks : at + 7;
    for (int i = count - 1; i > 0; --i) {
        size_t k = random_below(r, (size_t)i + 1);
        part swapped = parts[i];
        parts[i] = parts[k];
        parts[k] = swapped;
    }
    return count;
}

static void merge_all(bcel_accumulator *accumulators)
{
    for (int k = MOST_PARTS - 1; k > 0; --k) bcel_accumulator_merge(&accumulators[0], &accumulators[k]);
}

static void check_same(const char *what, array *whole, array *parts, const random_call *c)
{
    if (memcmp(whole->memory, parts->memory, whole->bytes) != 0) {
        for (size_t i = 0; i < c->n; ++i)
            if (memcmp(element_at(whole, i), element_at(parts, i), size_of_dtype(whole->dtype)) != 0) {
                test_fail("%s, element %zu: %a, in parts %a; %s", what, i, value_at(whole, i), value_at(parts, i),
                          describe(c));
                return;
            }
        test_fail("%s in parts wrote outside its output; %s", what, describe(c));
    }
}

/* The same place in memory of its own. */
static array twin_of(const array *a)
{
    array twin = *a;
    twin.memory = allocate(a->bytes, 1);
    memcpy(twin.memory, a->memory, a->bytes);
    twin.data = twin.memory + (a->data - a->memory);
    return twin;
}

static void check_map_blocks(random_state *r, const random_call *c)
{
    for (int f = BCEL_LOSS; f <= BCEL_SOFTPLUS; ++f) {
        bcel_function function = (bcel_function)f;
        array to[2], to_parts[2];
        bcel_output outputs[2], part_outputs[2];
        for (int o = 0; o < 2; ++o) {
            to[o] = make_array(r, random_dtype(r, 1), c->call.ndim, c->shape, (layout)random_below(r, BROADCAST));
            to_parts[o] = twin_of(&to[o]);
            outputs[o] = output_of(&to[o]);
            part_outputs[o] = output_of(&to_parts[o]);
        }
        part parts[MOST_PARTS];
        int count = random_parts(r, c->n, parts);
        CHECK(bcel_map(function, &c->call, outputs) == BCEL_OK);
        for (int k = 0; k < count; ++k)
            CHECK(bcel_map_blocks(function, &c->call, part_outputs, parts[k].first, parts[k].last) == BCEL_OK);
        for (int o = 0; o < 2; ++o) {
            check_same(function_names[f], &to[o], &to_parts[o], c);
            release(to[o].memory);
            release(to_parts[o].memory);
        }
    }
}

static void check_reduce_blocks(random_state *r, const random_call *c, bcel_reduction reduction)
{
    bcel_accumulator sums[MOST_PARTS], all[MOST_PARTS], counted[MOST_PARTS], values[MOST_PARTS];
    for (int k = 0; k < MOST_PARTS; ++k) {
        bcel_accumulator_init(&sums[k]);
        bcel_accumulator_init(&all[k]);
        bcel_accumulator_init(&counted[k]);
        bcel_accumulator_init(&values[k]);
    }
    array whole = make_array(r, random_dtype(r, 1), 0, c->shape, PLAIN), of_parts = twin_of(&whole);
    array grad = make_array(r, random_dtype(r, 1), c->call.ndim, c->shape, (layout)random_below(r, BROADCAST));
    array grad_parts = twin_of(&grad);
    bcel_output to_whole = output_of(&whole), to_parts = output_of(&of_parts);
    bcel_output to_grad = output_of(&grad), to_grad_parts = output_of(&grad_parts);
    part parts[MOST_PARTS];
    int count = random_parts(r, c->n, parts);

    CHECK(bcel_reduce(reduction, 0, &c->call, &to_whole) == BCEL_OK);
    for (int k = 0; k < count; ++k) {
        bcel_accumulator *of_one = &sums[random_below(r, MOST_PARTS)];
        CHECK(bcel_reduce_blocks(of_one, reduction, &c->call, parts[k].first, parts[k].last) == BCEL_OK);
        CHECK(bcel_accumulate(&all[k], &c->call, parts[k].first, parts[k].last) == BCEL_OK);
    }
    merge_all(sums);
    merge_all(all);
    CHECK(bcel_accumulator_result(&sums[0], reduction, &to_parts) == BCEL_OK);
    check_same("reduction", &whole, &of_parts, c);
    CHECK(bcel_accumulator_result(&all[0], reduction, &to_parts) == BCEL_OK);
    check_same("stream", &whole, &of_parts, c);

    double scale = -1.25;
    CHECK(bcel_value_and_grad(reduction, scale, &c->call, &to_whole, &to_grad) == BCEL_OK);
    for (int k = 0; k < count; ++k)
        CHECK(bcel_count_blocks(&counted[k], reduction, &c->call, &to_grad_parts, parts[k].first, parts[k].last)
              == BCEL_OK);
    merge_all(counted);
    for (int k = 0; k < count; ++k)
        CHECK(bcel_value_and_grad_blocks(&values[k], reduction, scale, reduction == BCEL_SUM ? NULL : &counted[0],
                                         &c->call, &to_grad_parts, parts[k].first, parts[k].last)
              == BCEL_OK);
    merge_all(values);
    CHECK(bcel_accumulator_result(&values[0], reduction, &to_parts) == BCEL_OK);
    check_same("value", &whole, &of_parts, c);
    check_same("gradient", &grad, &grad_parts, c);
    release(whole.memory);
    release(of_parts.memory);
    release(grad.memory);
    release(grad_parts.memory);
}

/* One value of an array, as an output of its own. */
static bcel_output output_at(array *a, size_t i)
{
    bcel_output one = output_of(a);
    one.data = element_at(a, i);
    one.strides = NULL;
    return one;
}

/* The call with the indices first <= i < last of its first dimension, and outputs moved along. */
static bcel_call slice_of(const bcel_call *call, size_t *shape, size_t first, size_t last, int kept,
                          bcel_output *output)
{
    bcel_call slice = *call;
    bcel_operand *operands[] = { &slice.input, &slice.target, &slice.weight, &slice.pos_weight, &slice.where,
                                 &slice.grad_output };
    memcpy(shape, call->shape, (size_t)call->ndim * sizeof *shape);
    shape[0] = last - first;
    slice.shape = shape;
    ptrdiff_t inner = (ptrdiff_t)product(shape, 1, call->ndim); /* where there are no strides */
    for (int i = 0; i < OPERANDS; ++i) {
        bcel_operand *o = operands[i];
        if (!o->data) continue;
        ptrdiff_t step = o->strides ? o->strides[0] : inner * (ptrdiff_t)size_of_dtype(o->dtype);
        o->data = (const char *)o->data + (ptrdiff_t)first * step;
    }
    inner = (ptrdiff_t)(product(shape, 1, kept) * size_of_dtype(output->dtype));
    output->data = (char *)output->data + (ptrdiff_t)first * (output->strides ? output->strides[0] : inner);
    return slice;
}

typedef enum { REDUCED, ACCUMULATED, DIFFERENTIATED } each_kind;

/* Adds the blocks of every index of the kept dimensions, in parts. */
static void add_each(random_state *r, const random_call *c, int kept, each_kind kind, int choice,
                     bcel_accumulator *sums)
{
    part parts[MOST_PARTS];
    size_t outer = product(c->shape, 0, kept);
    int count = random_parts(r, product(c->shape, kept, c->call.ndim), parts);
    for (size_t i = 0; i < outer; ++i) bcel_accumulator_init(&sums[i]);
    for (int k = 0; k < count; ++k) {
        size_t first = parts[k].first, last = parts[k].last;
        bcel_status status =
            kind == REDUCED       ? bcel_reduce_each_blocks(sums, (bcel_reduction)choice, kept, &c->call, first, last)
            : kind == ACCUMULATED ? bcel_accumulate_each_blocks(sums, kept, &c->call, first, last)
                                  : bcel_sum_grad_blocks(sums, (bcel_function)choice, kept, &c->call, first, last);
        CHECK(status == BCEL_OK);
    }
}

static void check_each_blocks(random_state *r, const random_call *c, bcel_reduction reduction)
{
    int kept = (int)random_below(r, (size_t)c->call.ndim + 1);
    size_t outer = product(c->shape, 0, kept);
    bcel_accumulator *sums = malloc((outer + 1) * sizeof *sums);
    array whole = make_array(r, random_dtype(r, 1), kept, c->shape, (layout)random_below(r, BROADCAST));
    array of_parts = twin_of(&whole);
    bcel_output to_whole = output_of(&whole);
    CHECK(sums && bcel_reduce(reduction, kept, &c->call, &to_whole) == BCEL_OK);
    for (int kind = REDUCED; kind <= ACCUMULATED; ++kind) {
        add_each(r, c, kept, (each_kind)kind, reduction, sums);
        for (size_t i = 0; i < outer; ++i) {
            bcel_output one = output_at(&of_parts, i);
            CHECK(bcel_accumulator_result(&sums[i], reduction, &one) == BCEL_OK);
        }
        check_same("each reduction", &whole, &of_parts, c);
    }
    release(whole.memory);
    release(of_parts.memory);
    free(sums);
}

/* reduction: BCEL_WEIGHTED_MEAN + 1 for the sums of bcel_sum_grad. */
static void check_grad_parts(random_state *r, const random_call *c, bcel_function function, int reduction)
{
    int plain = reduction > BCEL_WEIGHTED_MEAN, most = c->call.ndim;
    bcel_reduction how = plain ? BCEL_SUM : (bcel_reduction)reduction;
    int has_value = how == BCEL_WEIGHTED_MEAN && function == BCEL_GRAD_WEIGHT;
    int kept = function == BCEL_GRAD_TARGET ? most : (int)random_below(r, (size_t)most + 1);
    double scale = plain ? 1 : -1.25;
    size_t outer = product(c->shape, 0, kept);
    bcel_accumulator counted, *sums = malloc((outer + 1) * sizeof *sums);
    const bcel_accumulator *given = how == BCEL_SUM ? NULL : &counted;
    array whole = make_array(r, random_dtype(r, 1), kept, c->shape, (layout)random_below(r, BROADCAST));
    array of_parts = twin_of(&whole), blank = twin_of(&whole);
    bcel_output to_whole = output_of(&whole), to_parts = output_of(&of_parts);
    part parts[MOST_PARTS];
    int count = random_parts(r, c->n, parts);

    CHECK((plain ? bcel_sum_grad(function, kept, &c->call, &to_whole)
                 : bcel_reduce_grad(function, how, scale, kept, &c->call, &to_whole)) == BCEL_OK);
    bcel_accumulator_init(&counted);
    for (int k = 0; k < count; ++k)
        CHECK((has_value ? bcel_reduce_blocks(&counted, how, &c->call, parts[k].first, parts[k].last)
                         : bcel_count_blocks(&counted, how, &c->call, NULL, parts[k].first, parts[k].last))
              == BCEL_OK);

    if (!plain && kept > 0) {
        size_t shape[MOST_DIMS], middle = random_below(r, c->shape[0] + 1), edges[] = { 0, middle, c->shape[0] };
        for (int i = 1; i >= 0; --i) {
            bcel_output to = to_parts;
            bcel_call slice = slice_of(&c->call, shape, edges[i], edges[i + 1], kept, &to);
            CHECK(bcel_reduce_grad_part(function, how, scale, given, kept, &slice, &to) == BCEL_OK);
        }
        check_same("gradient of some", &whole, &of_parts, c);
    }
    memcpy(of_parts.memory, blank.memory, blank.bytes);
    if (!plain && kept == most && !has_value) {
        for (int k = 0; k < count; ++k)
            CHECK(bcel_reduce_grad_blocks(function, how, scale, given, &c->call, &to_parts, parts[k].first,
                                          parts[k].last) == BCEL_OK);
        check_same("gradient of blocks", &whole, &of_parts, c);
    }
    memcpy(of_parts.memory, blank.memory, blank.bytes);
    /* Elementwise the factor is rounded before it is multiplied, and beside grad_output the sum is another. */
    if ((kept < most || has_value) && (plain || !c->call.grad_output.data)) {
        add_each(r, c, kept, DIFFERENTIATED, function, sums);
        for (size_t i = 0; i < outer; ++i) {
            bcel_output one = output_at(&of_parts, i);
            CHECK(bcel_reduce_grad_result(function, how, scale, given, &sums[i], &one) == BCEL_OK);
        }
        check_same("gradient of summed blocks", &whole, &of_parts, c);
    }
    release(whole.memory);
    release(of_parts.memory);
    release(blank.memory);
    free(sums);
}

static void test_each_blocks(void)
{
    static const bcel_function functions[] = { BCEL_GRAD_TARGET, BCEL_GRAD_WEIGHT, BCEL_GRAD_POS_WEIGHT };
    random_state r = { 59 };
    for (size_t i = sampled(400); i > 0; --i) {
        random_call c;
        make_call(&r, &c, 0);
        for (int k = BCEL_SUM; k <= BCEL_WEIGHTED_MEAN; ++k) check_each_blocks(&r, &c, (bcel_reduction)k);
        for (int f = 0; f < 3; ++f)
            for (int k = BCEL_SUM; k <= BCEL_WEIGHTED_MEAN + 1; ++k) check_grad_parts(&r, &c, functions[f], k);
        clear_call(&c);
    }
}

/* Columns that lie side by side, in parts, of one dtype and without weights: the way of memory line by line. */
static void test_columns_in_blocks(void)
{
    enum { ROWS = 2 * BCEL_BLOCK + 77, COLUMNS = 11 };
    float *x = malloc(sizeof *x * ROWS * COLUMNS), *y = malloc(sizeof *y * ROWS * COLUMNS);
    float whole[COLUMNS], parts[COLUMNS];
    random_state r = { 61 };
    CHECK(x && y);
    for (size_t i = 0; i < (size_t)ROWS * COLUMNS; ++i) {
        x[i] = (float)(8 * random_unit(&r) - 4);
        y[i] = (float)random_below(&r, 2);
    }
    size_t shape[2] = { COLUMNS, ROWS };
    ptrdiff_t strides[2] = { sizeof *x, COLUMNS * sizeof *x };
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 2;
    call.shape = shape;
    call.input = (bcel_operand){ x, strides, BCEL_FLOAT32, 0 };
    call.target = (bcel_operand){ y, strides, BCEL_FLOAT32, 0 };
    bcel_output to = { whole, NULL, BCEL_FLOAT32, 0 };
    CHECK(bcel_reduce(BCEL_MEAN, 1, &call, &to) == BCEL_OK);
    bcel_accumulator sums[COLUMNS];
    for (int c = 0; c < COLUMNS; ++c) bcel_accumulator_init(&sums[c]);
    CHECK(bcel_reduce_each_blocks(sums, BCEL_MEAN, 1, &call, 1, SIZE_MAX) == BCEL_OK);
    CHECK(bcel_reduce_each_blocks(sums, BCEL_MEAN, 1, &call, 0, 1) == BCEL_OK);
    for (int c = 0; c < COLUMNS; ++c) {
        bcel_output one = { &parts[c], NULL, BCEL_FLOAT32, 0 };
        CHECK(sums[c].count == ROWS && bcel_accumulator_result(&sums[c], BCEL_MEAN, &one) == BCEL_OK);
    }
    CHECK(memcmp(whole, parts, sizeof whole) == 0);
    y[COLUMNS * (size_t)BCEL_BLOCK] = 2;
    CHECK(bcel_reduce_each_blocks(sums, BCEL_MEAN, 1, &call, 0, 1) == BCEL_OK);
    CHECK(bcel_reduce_each_blocks(sums, BCEL_MEAN, 1, &call, 1, 2) == BCEL_TARGET_OUT_OF_RANGE);
    free(x);
    free(y);
}

static void test_blocks(void)
{
    random_state r = { 47 };
    for (size_t i = sampled(250); i > 0; --i) {
        random_call c;
        make_call(&r, &c, 0);
        check_map_blocks(&r, &c);
        for (int k = BCEL_SUM; k <= BCEL_WEIGHTED_MEAN; ++k) check_reduce_blocks(&r, &c, (bcel_reduction)k);
        clear_call(&c);
    }
}

/* Sums of single precision tell in double in which order they were made. */
static void test_blocks_of_fortran_order(void)
{
    enum { ROWS = 127, COLUMNS = 71, N = ROWS * COLUMNS };
    static const size_t shape[2] = { ROWS, COLUMNS };
    static const ptrdiff_t strides[2] = { sizeof(float), ROWS * sizeof(float) };
    static float x[N], y[N], w[N], grad[2][N];
    random_state r = { 48 };
    for (int i = 0; i < N; ++i) {
        x[i] = (float)random_normal(&r);
        y[i] = (float)random_below(&r, 2);
        w[i] = (float)random_unit(&r);
    }
    for (int k = BCEL_SUM; k <= BCEL_WEIGHTED_MEAN; ++k)
        for (int fortran = 0; fortran < 2; ++fortran) {
            bcel_reduction reduction = (bcel_reduction)k;
            bcel_call call = call_of(shape, packed(x, BCEL_FLOAT32), packed(y, BCEL_FLOAT32));
            call.ndim = 2;
            if (k == BCEL_WEIGHTED_MEAN) call.weight = packed(w, BCEL_FLOAT32);
            call.input.strides = call.target.strides = call.weight.strides = strides;
            double value, in_parts;
            bcel_output to = output(&value, BCEL_FLOAT64), to_parts = output(&in_parts, BCEL_FLOAT64);
            bcel_output gradient = output(grad[0], BCEL_FLOAT32), gradient_parts = output(grad[1], BCEL_FLOAT32);
            if (fortran) gradient.strides = gradient_parts.strides = strides;
            bcel_accumulator sum, stream, counted, values;
            bcel_accumulator_init(&sum);
            bcel_accumulator_init(&stream);
            bcel_accumulator_init(&counted);
            bcel_accumulator_init(&values);
            CHECK(bcel_reduce(reduction, 0, &call, &to) == BCEL_OK);
            for (size_t i = 3; i-- > 0; ) {
                CHECK(bcel_reduce_blocks(&sum, reduction, &call, i, i + 1) == BCEL_OK);
                CHECK(bcel_accumulate(&stream, &call, i, i + 1) == BCEL_OK);
                CHECK(bcel_count_blocks(&counted, reduction, &call, &gradient_parts, i, i + 1) == BCEL_OK);
            }
            CHECK(bcel_accumulator_result(&sum, reduction, &to_parts) == BCEL_OK);
            CHECK(same_f64(value, in_parts));
            CHECK(bcel_accumulator_result(&stream, reduction, &to_parts) == BCEL_OK);
            CHECK(same_f64(value, in_parts));
            CHECK(bcel_value_and_grad(reduction, 1, &call, &to, &gradient) == BCEL_OK);
            for (size_t i = 0; i < 3; ++i)
                CHECK(bcel_value_and_grad_blocks(&values, reduction, 1, &counted, &call, &gradient_parts, i, i + 1)
                      == BCEL_OK);
            CHECK(bcel_accumulator_result(&values, reduction, &to_parts) == BCEL_OK);
            CHECK(same_f64(value, in_parts));
            CHECK(memcmp(grad[0], grad[1], sizeof grad[0]) == 0);
        }
}

/* Each block alone answers for its own targets, and the first bad one is the same whoever met one. */
static void test_bad_targets_of_blocks(void)
{
    enum { N = 5 * BCEL_BLOCK / 2 };
    size_t n = N;
    static float x[N], y[N], results[2 * N];
    y[BCEL_BLOCK] = 2;
    y[2 * BCEL_BLOCK + 5] = -1;
    bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), packed(y, BCEL_FLOAT32));
    bcel_output outputs[2] = { output(results, BCEL_FLOAT32), output(results + n, BCEL_FLOAT32) };
    for (size_t block = 0; block < 3; ++block) {
        bcel_status expected = block ? BCEL_TARGET_OUT_OF_RANGE : BCEL_OK;
        bcel_accumulator a, before;
        bcel_accumulator_init(&a);
        CHECK(bcel_reduce_blocks(&a, BCEL_MEAN, &call, 0, 1) == BCEL_OK);
        before = a;
        CHECK(bcel_map_blocks(BCEL_LOSS, &call, outputs, block, block + 1) == expected);
        CHECK(bcel_map_blocks(BCEL_SIGMOID, &call, outputs, block, block + 1) == BCEL_OK);
        CHECK(bcel_reduce_blocks(&a, BCEL_MEAN, &call, block, block + 1) == expected);
        CHECK(bcel_value_and_grad_blocks(&a, BCEL_MEAN, 1, &before, &call, outputs, block, block + 1) == expected);
        if (block) CHECK(memcmp(&a, &before, sizeof a) == 0);
    }
    CHECK(bcel_find_bad_target(&call) == BCEL_BLOCK);
    bcel_accumulator a;
    bcel_accumulator_init(&a);
    call.flags = 0;
    CHECK(bcel_value_and_grad_blocks(&a, BCEL_MEAN, 1, NULL, &call, outputs, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_value_and_grad_blocks(&a, BCEL_SUM, 1, NULL, &call, outputs, 0, 1) == BCEL_OK);
    call.input.data = NULL;
    CHECK(bcel_map_blocks(BCEL_LOSS, &call, outputs, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_blocks(&a, BCEL_SUM, &call, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_count_blocks(&a, BCEL_MEAN, &call, outputs, 0, 1) == BCEL_INVALID_ARGUMENT);
}

/* ---- results over operands ---------------------------------------------------------------------------- */

/* Logits, targets, or weights. Targets of -0 make a kernel read its operands again once it has written results. */
static char *random_operand(random_state *r, int k, bcel_dtype dtype, size_t n)
{
    size_t size = size_of_dtype(dtype);
    char *operand = allocate(n, size);
    for (size_t i = 0; i < n; ++i) {
        double logit = 20 * random_normal(r), target = random_below(r, 50) ? random_unit(r) : -0.0;
        write_element(operand + i * size, dtype, 0, k == 0 ? logit : k == 1 ? target : 1 + random_unit(r));
    }
    return operand;
}

static void test_in_place(void)
{
    enum { N = 1500 };
    random_state r = { 45 };
    size_t n = N;
    for (int single = 0; single < 2; ++single)
        for (int which = 0; which < 4; ++which)
            for (int f = BCEL_LOSS; f <= BCEL_SOFTPLUS; ++f) {
                bcel_dtype dtype = single ? BCEL_FLOAT32 : BCEL_FLOAT64;
                size_t size = size_of_dtype(dtype);
                char *operands[4], *expected = allocate(2 * n, size), *second = allocate(n, size);
                for (int k = 0; k < 4; ++k) operands[k] = random_operand(&r, k, dtype, n);
                bcel_call call = call_of(&n, packed(operands[0], dtype), packed(operands[1], dtype));
                call.weight = packed(operands[2], dtype);
                call.grad_output = packed(operands[3], dtype);
                bcel_output apart[2] = { output(expected, dtype), output(expected + n * size, dtype) };
                bcel_output over[2] = { output(operands[which], dtype), output(second, dtype) };
                if (f % 2) { /* the second result over the operand */
                    over[0].data = second;
                    over[1].data = operands[which];
                }
                if (f != BCEL_LOSS_AND_GRAD && f != BCEL_GRAD_AND_HESS) over[0].data = operands[which];
                CHECK(bcel_map((bcel_function)f, &call, apart) == BCEL_OK);
                CHECK(bcel_map((bcel_function)f, &call, over) == BCEL_OK);
                CHECK(memcmp(expected, over[0].data, n * size) == 0);
                if (f == BCEL_LOSS_AND_GRAD || f == BCEL_GRAD_AND_HESS)
                    CHECK(memcmp(expected + n * size, over[1].data, n * size) == 0);
                for (int k = 0; k < 4; ++k) release(operands[k]);
                release(expected);
                release(second);
            }
}

static void test_gradient_in_place(void)
{
    enum { N = 2 * BCEL_BLOCK + 77 };
    random_state r = { 46 };
    size_t n = N;
    for (int single = 0; single < 2; ++single)
        for (int which = 0; which < 3; ++which)
            for (int reduction = BCEL_SUM; reduction <= BCEL_WEIGHTED_MEAN; ++reduction) {
                bcel_dtype dtype = single ? BCEL_FLOAT32 : BCEL_FLOAT64;
                size_t size = size_of_dtype(dtype);
                char *operands[3], *expected = allocate(n, size);
                double values[2];
                for (int k = 0; k < 3; ++k) operands[k] = random_operand(&r, k, dtype, n);
                bcel_call call = call_of(&n, packed(operands[0], dtype), packed(operands[1], dtype));
                call.weight = packed(operands[2], dtype);
                bcel_output value[2] = { output(&values[0], BCEL_FLOAT64), output(&values[1], BCEL_FLOAT64) };
                bcel_output apart = output(expected, dtype), over = output(operands[which], dtype);
                CHECK(bcel_value_and_grad((bcel_reduction)reduction, 1, &call, &value[0], &apart) == BCEL_OK);
                CHECK(bcel_value_and_grad((bcel_reduction)reduction, 1, &call, &value[1], &over) == BCEL_OK);
                CHECK(values[0] == values[1]);
                CHECK(memcmp(expected, operands[which], n * size) == 0);
                for (int k = 0; k < 3; ++k) release(operands[k]);
                release(expected);
            }
}

/* ---- bad calls ----------------------------------------------------------------------------------------- */

static void test_bad_targets(void)
{
    enum { N = 5000 };
    size_t n = N;
    static float x[N];
    static float results[2 * N];
    static unsigned char where[N];
    static const double bad_values[] = { -1, 2, 1.0000001, -1e-30, 1e300, -0x1p-1074 };
    random_state r = { 46 };
    for (int dtype = BCEL_FLOAT32; dtype <= BCEL_UINT64; ++dtype) {
        if (dtype == BCEL_BOOL) continue;
        size_t size = size_of_dtype((bcel_dtype)dtype);
        char *y = allocate(n, size);
        int is_unsigned = dtype > BCEL_BOOL && (dtype - BCEL_INT8) % 2;
        for (size_t b = 0; b < COUNT(bad_values) + 3; ++b) {
            for (size_t i = 0; i < n; ++i) {
                write_element(y + i * size, (bcel_dtype)dtype, 0, (double)random_below(&r, 2));
                where[i] = 1;
            }
            size_t at = random_below(&r, n);
            double bad = b < COUNT(bad_values) ? bad_values[b] : b == COUNT(bad_values) ? (double)NAN : infinity;
            if (b == COUNT(bad_values) + 2) bad = -infinity;
            if (dtype > BCEL_BFLOAT16) bad = is_unsigned ? 3 : b % 2 ? 2 : -1;
            write_element(y + at * size, (bcel_dtype)dtype, 0, bad);
            if (isnan(bad) && dtype == BCEL_FLOAT16) memcpy(y + at * size, &(uint16_t){ 0x7e00 }, 2);
            if (isnan(bad) && dtype == BCEL_BFLOAT16) memcpy(y + at * size, &(uint16_t){ 0x7fc0 }, 2);
            double stored = read_element(y + at * size, (bcel_dtype)dtype, 0);
            int is_bad = !(stored >= 0 && stored <= 1);
            bcel_status expected = is_bad ? BCEL_TARGET_OUT_OF_RANGE : BCEL_OK;
            bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), packed(y, (bcel_dtype)dtype));
            bcel_output outputs[2] = { output(results, BCEL_FLOAT32), output(results + n, BCEL_FLOAT32) };
            double value;
            bcel_output to_value = output(&value, BCEL_FLOAT64);
            for (int variant = 0; variant < 4; ++variant) {
                call.weight = packed(x, BCEL_FLOAT32);
                if (!(variant & 1)) call.weight.data = NULL;
                call.label_smoothing = variant & 2 ? 0.1 : 0;
                for (int f = BCEL_LOSS; f <= BCEL_GRAD_AND_HESS; ++f)
                    if (f != BCEL_GRAD_TARGET) CHECK(bcel_map((bcel_function)f, &call, outputs) == expected);
                CHECK(bcel_map(BCEL_SIGMOID, &call, outputs) == BCEL_OK);
                CHECK(bcel_reduce(BCEL_MEAN, 0, &call, &to_value) == expected);
                CHECK(bcel_value_and_grad(BCEL_MEAN, 1, &call, &to_value, outputs) == expected);
                bcel_accumulator a, b4;
                bcel_accumulator_init(&a);
                b4 = a;
                CHECK(bcel_accumulate(&a, &call, 0, 2) == expected);
                if (is_bad) CHECK(memcmp(&a, &b4, sizeof a) == 0);
            }
            CHECK(bcel_find_bad_target(&call) == (is_bad ? at : SIZE_MAX));
            call.flags = 0;
            CHECK(bcel_map(BCEL_LOSS, &call, outputs) == BCEL_OK);
            call.flags = BCEL_CHECK;
            where[at] = 0;
            call.where = packed(where, BCEL_BOOL);
            CHECK(bcel_map(BCEL_LOSS, &call, outputs) == BCEL_OK);
            CHECK(bcel_find_bad_target(&call) == SIZE_MAX);
        }
        release(y);
    }
    /* Zeros of both signs are in range. */
    static const double minus_zero = -0.0;
    bcel_call call = call_of(&n, packed(x, BCEL_FLOAT32), constant(&minus_zero, BCEL_FLOAT64));
    bcel_output to = output(results, BCEL_FLOAT32);
    CHECK(bcel_map(BCEL_LOSS, &call, &to) == BCEL_OK);
    static const float minus_zero_single = -0.0f;
    call.target = constant(&minus_zero_single, BCEL_FLOAT32);
    CHECK(bcel_map(BCEL_LOSS, &call, &to) == BCEL_OK);
}

static void test_find_negative(void)
{
    enum { N = 3000 };
    static double p[N];
    size_t n = N;
    bcel_operand operand = packed(p, BCEL_FLOAT64);
    CHECK(bcel_find_negative(1, &n, &operand) == SIZE_MAX);
    p[5] = -0.0;
    CHECK(bcel_find_negative(1, &n, &operand) == SIZE_MAX);
    p[2999] = -0x1p-1074;
    CHECK(bcel_find_negative(1, &n, &operand) == 2999);
    p[700] = (double)NAN;
    CHECK(bcel_find_negative(1, &n, &operand) == 700);
    p[0] = -infinity;
    CHECK(bcel_find_negative(1, &n, &operand) == 0);
    ptrdiff_t backwards = -8;
    operand.data = p + N - 1;
    operand.strides = &backwards;
    CHECK(bcel_find_negative(1, &n, &operand) == 0);
    p[2999] = infinity;
    CHECK(bcel_find_negative(1, &n, &operand) == N - 1 - 700);
}

static void test_invalid_arguments(void)
{
    size_t shape[BCEL_MAX_DIMS + 1];
    static double x[4], y[4], results[8];
    for (int d = 0; d <= BCEL_MAX_DIMS; ++d) shape[d] = 1;
    shape[0] = 4;
    bcel_output outputs[2] = { output(results, BCEL_FLOAT64), output(results + 4, BCEL_FLOAT64) };
    const bcel_call good = call_of(shape, packed(x, BCEL_FLOAT64), packed(y, BCEL_FLOAT64));
    CHECK(bcel_map(BCEL_LOSS, &good, outputs) == BCEL_OK);
#define EXPECT_INVALID(change)                                                                    \
    {                                                                                             \
        bcel_call call = good;                                                                    \
        change;                                                                                   \
        CHECK(bcel_map(BCEL_LOSS, &call, outputs) == BCEL_INVALID_ARGUMENT);                      \
        CHECK(bcel_reduce(BCEL_MEAN, 0, &call, outputs) == BCEL_INVALID_ARGUMENT);                \
        CHECK(bcel_value_and_grad(BCEL_MEAN, 1, &call, outputs, outputs + 1) == BCEL_INVALID_ARGUMENT); \
    }
    EXPECT_INVALID(call.input.data = NULL)
    EXPECT_INVALID(call.target.data = NULL)
    EXPECT_INVALID(call.shape = NULL)
    EXPECT_INVALID(call.ndim = -1)
    EXPECT_INVALID(call.ndim = BCEL_MAX_DIMS + 1)
    EXPECT_INVALID(call.input.dtype = (bcel_dtype)0)
    EXPECT_INVALID(call.target.dtype = (bcel_dtype)14)
    EXPECT_INVALID(call.weight = packed(x, (bcel_dtype)99))
    EXPECT_INVALID(call.where = packed(x, BCEL_UINT8))
    EXPECT_INVALID(call.label_smoothing = -0.1)
    EXPECT_INVALID(call.label_smoothing = 1.1)
    EXPECT_INVALID(call.label_smoothing = (double)NAN)
    EXPECT_INVALID(call.hess_floor = (double)NAN)
    bcel_output bad = output(results, BCEL_INT32), missing = output(NULL, BCEL_FLOAT64);
    CHECK(bcel_map(BCEL_LOSS, &good, &bad) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_map(BCEL_LOSS, &good, &missing) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_map((bcel_function)77, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce(BCEL_SUM, -1, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce(BCEL_SUM, 2, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce(BCEL_SUM, 0, &good, &bad) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce(BCEL_SUM, 0, &good, &missing) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_value_and_grad(BCEL_SUM, 1, &good, &missing, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_value_and_grad(BCEL_SUM, 1, &good, outputs, &bad) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad(BCEL_LOSS, BCEL_SUM, 1, 0, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad(BCEL_GRAD_TARGET, BCEL_SUM, 1, 0, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_sum_grad(BCEL_GRAD_TARGET, 0, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_sum_grad(BCEL_SIGMOID, 0, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad(BCEL_GRAD_WEIGHT, BCEL_SUM, 1, 2, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad(BCEL_GRAD_WEIGHT, BCEL_SUM, 1, -1, &good, outputs) == BCEL_INVALID_ARGUMENT);
    bcel_accumulator a;
    bcel_accumulator_init(&a);
    bcel_reduction unknown = (bcel_reduction)3;
    CHECK(bcel_reduce(unknown, 0, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce(unknown, 1, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_value_and_grad(unknown, 1, &good, outputs, outputs + 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad(BCEL_GRAD_WEIGHT, unknown, 1, 1, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_each_blocks(&a, unknown, 0, &good, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_each_blocks(&a, BCEL_SUM, 2, &good, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_accumulate_each_blocks(&a, -1, &good, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_sum_grad_blocks(&a, BCEL_GRAD_TARGET, 0, &good, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad_blocks(BCEL_GRAD, BCEL_SUM, 1, &a, &good, outputs, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad_blocks(BCEL_GRAD_WEIGHT, BCEL_WEIGHTED_MEAN, 1, &a, &good, outputs, 0, 1)
          == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad_part(BCEL_GRAD_TARGET, BCEL_SUM, 1, &a, 0, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad_part(BCEL_GRAD_WEIGHT, BCEL_MEAN, 1, NULL, 1, &good, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_grad_result(BCEL_GRAD_WEIGHT, unknown, 1, &a, &a, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_reduce_blocks(&a, unknown, &good, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_count_blocks(&a, unknown, &good, outputs, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_value_and_grad_blocks(&a, unknown, 1, &a, &good, outputs, 0, 1) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_accumulator_result(&a, unknown, outputs) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_accumulator_result(&a, BCEL_SUM, &bad) == BCEL_INVALID_ARGUMENT);
    CHECK(bcel_accumulator_result(&a, BCEL_SUM, &missing) == BCEL_INVALID_ARGUMENT);
    /* The most dimensions there can be, and no element at all. */
    bcel_call call = good;
    call.ndim = BCEL_MAX_DIMS;
    CHECK(bcel_map(BCEL_LOSS, &call, outputs) == BCEL_OK);
    shape[3] = 0;
    call.input.data = call.target.data = NULL;
    CHECK(bcel_map(BCEL_LOSS, &call, &missing) == BCEL_OK);
    CHECK(bcel_reduce(BCEL_SUM, 0, &call, outputs) == BCEL_OK);
    CHECK(results[0] == 0);
    /* A function of the logit alone asks for no target. */
    call = good;
    call.target.data = NULL;
    CHECK(bcel_map(BCEL_SIGMOID, &call, outputs) == BCEL_OK);
    CHECK(results[0] == 0.5);
}

/* Shapes whose product overflows have too many elements, unless they have none. */
static void test_enormous_shapes(void)
{
    size_t huge = SIZE_MAX / 2 + 1, shape[4] = { 2, huge, 1, 1 };
    double x = 0, y = 0, result = 7;
    bcel_call call = call_of(shape, constant(&x, BCEL_FLOAT64), constant(&y, BCEL_FLOAT64));
    bcel_output out = output(&result, BCEL_FLOAT64);
    for (int ndim = 2; ndim <= 3; ++ndim) {
        call.ndim = ndim;
        CHECK(bcel_map(BCEL_LOSS, &call, &out) == BCEL_INVALID_ARGUMENT);
        for (int kept = 0; kept <= ndim; ++kept)
            if (kept != 1) CHECK(bcel_reduce(BCEL_MEAN, kept, &call, &out) == BCEL_INVALID_ARGUMENT);
        CHECK(bcel_find_bad_target(&call) == SIZE_MAX);
        CHECK(bcel_find_negative(ndim, shape, &call.input) == SIZE_MAX);
    }
    CHECK(result == 7);
    call.ndim = 4;
    shape[3] = 0;
    CHECK(bcel_map(BCEL_LOSS, &call, &out) == BCEL_OK);
    call.input.strides = call.target.strides = NULL;
    CHECK(bcel_reduce(BCEL_SUM, 0, &call, &out) == BCEL_OK);
    CHECK(result == 0);
}

/* The last elements that a size_t can number: what is added to an index must not wrap around. A test that did would not
 * end. */
static void test_last_blocks(void)
{
    if (SIZE_MAX < UINT64_MAX) return;
    size_t half = (size_t)1 << (sizeof(size_t) * 4), shape[2] = { half - 1, half + 1 }, last = SIZE_MAX / BCEL_BLOCK;
    float x = 0, y = 0;
    double result = 7;
    const ptrdiff_t strides[2] = { 0, 0 };
    bcel_call call = call_of(shape, constant(&x, BCEL_FLOAT32), constant(&y, BCEL_FLOAT32));
    bcel_output out = output(&result, BCEL_FLOAT64);
    bcel_accumulator a;
    call.ndim = 2;
    call.input.strides = call.target.strides = strides;
    for (int where = 0; where < 2; ++where) {
        unsigned char all = 1;
        if (where) {
            call.where.data = &all;
            call.where.strides = strides;
            call.where.dtype = BCEL_BOOL;
        }
        bcel_accumulator_init(&a);
        CHECK(bcel_reduce_blocks(&a, BCEL_MEAN, &call, last, SIZE_MAX) == BCEL_OK);
        CHECK(a.count == BCEL_BLOCK - 1);
        CHECK(bcel_accumulator_result(&a, BCEL_MEAN, &out) == BCEL_OK);
        CHECK(fabs(result - 0.69314718055994531) < 1e-7);
        bcel_accumulator_init(&a);
        CHECK(bcel_accumulate(&a, &call, last, SIZE_MAX) == BCEL_OK);
        CHECK(a.count == BCEL_BLOCK - 1);
        bcel_accumulator_init(&a);
        CHECK(bcel_count_blocks(&a, BCEL_WEIGHTED_MEAN, &call, NULL, last, SIZE_MAX) == BCEL_OK);
        CHECK(a.count == BCEL_BLOCK - 1);
        bcel_accumulator_init(&a);
        CHECK(bcel_reduce_each_blocks(&a, BCEL_SUM, 0, &call, last, SIZE_MAX) == BCEL_OK);
        CHECK(a.count == BCEL_BLOCK - 1);
    }
}

/* The stride of an extent of 1 leads nowhere, and may be any number, also one whose opposite is none. */
static void test_smallest_stride(void)
{
    size_t shape[3] = { 1, 1, 2 };
    const float x[2] = { 0, 1 }, y[2] = { 0, 1 };
    float result[2], mean;
    const ptrdiff_t strides[3] = { PTRDIFF_MIN, 4, 4 };
    bcel_output out = output(result, BCEL_FLOAT32), value = output(&mean, BCEL_FLOAT32);
    bcel_call call = call_of(shape, packed(x, BCEL_FLOAT32), packed(y, BCEL_FLOAT32));
    call.ndim = 3;
    call.input.strides = call.target.strides = out.strides = strides;
    CHECK(bcel_map(BCEL_LOSS, &call, &out) == BCEL_OK);
    CHECK(result[0] == 0x1.62e43p-1f && result[1] == 0x1.40c7acp-2f);
    CHECK(bcel_value_and_grad(BCEL_MEAN, 1, &call, &value, &out) == BCEL_OK);
    CHECK(result[0] == 0.25f);
    for (int kept = 0; kept < 3; ++kept)
        CHECK(bcel_reduce(BCEL_SUM, kept, &call, &value) == BCEL_OK);
    CHECK(bcel_find_negative(3, shape, &call.input) == SIZE_MAX);
    CHECK(bcel_find_bad_target(&call) == SIZE_MAX);
}

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "single elements of random calls", test_map, 1 },
        { "reductions of random calls", test_reduce, 1 },
        { "work in parts", test_blocks, 1 },
        { "results in parts", test_each_blocks, 1 },
        { "columns in parts", test_columns_in_blocks, 1 },
        { "work in parts of Fortran order", test_blocks_of_fortran_order, 1 },
        { "targets out of range in parts", test_bad_targets_of_blocks, 1 },
        { "results over operands", test_in_place, 1 },
        { "gradients over operands", test_gradient_in_place, 1 },
        { "targets out of range", test_bad_targets, 1 },
        { "the first negative value", test_find_negative, 0 },
        { "invalid arguments", test_invalid_arguments, 1 },
        { "enormous shapes", test_enormous_shapes, 0 },
        { "the last blocks of all", test_last_blocks, 1 },
        { "the smallest of strides", test_smallest_stride, 1 },
    };
    return run_tests("api", tests, COUNT(tests), argc, argv);
}
