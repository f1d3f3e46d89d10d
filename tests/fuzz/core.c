/* A fuzz target: any bytes become a call of the C library, which must end in the right status and in the same bits
 *   - on every instruction set as with the portable kernels, which are the specification;
 *   - for any strides, byte order, alignment and element type of the memory as for packed, native operands;
 *   - done in parts as done at once, or element by element;
 * and must write to its outputs alone. Memory is allocated to the byte, for a sanitizer to watch over.
 *
 * Built with -fsanitize=fuzzer, or with replay.c, which runs it on files. */
#include "bcelogits.h"
#include "convert.h"
#include "numbers.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- bytes into choices -------------------------------------------------------------------------- */

static const uint8_t *at, *end;
static random_state randomness;

static unsigned take_byte(void) { return at < end ? *at++ : 0; }
static size_t take(size_t n) { return take_byte() % n; }
static size_t take_wide(size_t n) { return n ? (take_byte() << 8 | take_byte()) % n : 0; }
static int rarely(void) { return take_byte() >= 0xf0; }

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ONE_OF(array) ((array)[take(COUNT(array))])

/* What the call in hand is, for the message of a failure. */
static char story[400];

#define REQUIRE(condition, ...)                                                    \
    do {                                                                           \
        if (!(condition)) {                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                          \
            fprintf(stderr, "\n%s\n", story);                                      \
            abort();                                                               \
        }                                                                          \
    } while (0)

/* ---- arrays -------------------------------------------------------------------------------------- */

enum { MOST_DIMS = 6, MOST_ELEMENTS = 10000, MOST_BYTES = 400000 };

/* An array somewhere in memory of its own, and what that memory held at first. */
typedef struct {
    unsigned char *memory, *pristine, *is_element;
    size_t bytes, start; /* start: of the element of index 0 */
    ptrdiff_t strides[BCEL_MAX_DIMS];
    int has_strides, ndim;
    const size_t *shape;
    bcel_dtype dtype;
    int swapped;
} array;

static size_t product(int ndim, const size_t *shape)
{
    size_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= shape[d];
    return n;
}

/* Offset in memory of the element of index i in C order. */
static size_t place(const array *a, size_t i)
{
    ptrdiff_t offset = (ptrdiff_t)a->start;
    for (int d = a->ndim - 1; d >= 0; --d) {
        offset += (ptrdiff_t)(i % a->shape[d]) * a->strides[d];
        i /= a->shape[d];
    }
    return (size_t)offset;
}

static void store(const array *a, size_t i, const void *element)
{
    size_t size = bcel_dtype_size(a->dtype);
    unsigned char bytes[8];
    memcpy(bytes, element, size);
    if (a->swapped) bcel_swap_bytes(bytes, size, 1);
    memcpy(a->memory + place(a, i), bytes, size);
}

/* From the memory as it is, or as it was at first. */
static void load(const array *a, const unsigned char *memory, size_t i, void *element)
{
    size_t size = bcel_dtype_size(a->dtype);
    memcpy(element, memory + place(a, i), size);
    if (a->swapped) bcel_swap_bytes(element, size, 1);
}

static void packed_strides(ptrdiff_t *strides, int ndim, const size_t *shape, size_t size)
{
    ptrdiff_t unit = (ptrdiff_t)size;
    for (int d = ndim - 1; d >= 0; --d) {
        strides[d] = unit;
        unit *= (ptrdiff_t)shape[d];
    }
}

static void allocate_memory(array *a, size_t bytes)
{
    a->bytes = bytes;
    a->memory = malloc(bytes ? bytes : 1);
    a->pristine = malloc(bytes ? bytes : 1);
    a->is_element = calloc(bytes ? bytes : 1, 1);
    REQUIRE(a->memory && a->pristine && a->is_element, "no memory");
    for (size_t i = 0; i < bytes; ++i) a->memory[i] = (unsigned char)random_bits(&randomness);
}

static void mark_elements(array *a)
{
    size_t n = product(a->ndim, a->shape), size = bcel_dtype_size(a->dtype);
    for (size_t i = 0; i < n; ++i) memset(a->is_element + place(a, i), 1, size);
    memcpy(a->pristine, a->memory, a->bytes);
}

static void make_array(array *a, bcel_dtype dtype, int ndim, const size_t *shape, int broadcasts)
{
    size_t size = bcel_dtype_size(dtype), n = product(ndim, shape);
    unsigned form = take_byte();
    memset(a, 0, sizeof *a);
    a->dtype = dtype;
    a->ndim = ndim;
    a->shape = shape;
    a->swapped = form >> 4 & 1;
    a->has_strides = form & 3;
    size_t shift = form >> 5, extent = n * size;
    packed_strides(a->strides, ndim, shape, size);
    a->start = shift;
    if (a->has_strides && n) {
        int order[MOST_DIMS];
        size_t unit = size;
        for (int d = 0; d < ndim; ++d) {
            size_t other = form & 4 ? take((size_t)d + 1) : (size_t)d;
            order[d] = order[other];
            order[other] = d;
        }
        extent = size;
        for (int k = ndim - 1; k >= 0; --k) {
            int d = order[k];
            unsigned step = form & 8 ? take_byte() : 0;
            if (broadcasts && (step & 3) == 1) {
                a->strides[d] = 0;
                continue;
            }
            size_t times = unit * shape[d] > MOST_BYTES / 16 ? 1 : 1 + (step >> 4) % 3;
            a->strides[d] = (ptrdiff_t)(unit * times);
            size_t reach = (shape[d] - 1) * unit * times;
            extent += reach;
            if (step & 4) {
                a->strides[d] = -a->strides[d];
                a->start += reach;
            }
            unit *= shape[d] * times;
        }
    }
    allocate_memory(a, n ? extent + shift : 0);
    if (!n) a->start = 0;
}

static void free_array(array *a)
{
    free(a->memory);
    free(a->pristine);
    free(a->is_element);
    memset(a, 0, sizeof *a);
}

/* An array of the same values in packed memory, aligned, native; but what is broadcast stays so. Dimensions from the
 * last to the first if asked. */
static size_t turned(size_t i, int ndim, const size_t *shape)
{
    size_t stride = product(ndim, shape), to = 0; /* C order index of the reversed dimensions */
    size_t units[BCEL_MAX_DIMS], unit = 1;
    for (int d = 0; d < ndim; ++d) {
        units[d] = unit;
        unit *= shape[d];
    }
    for (int d = 0; d < ndim; ++d) {
        stride /= shape[d];
        to += i / stride * units[d];
        i %= stride;
    }
    return to;
}

static void pack_array(array *to, const array *from, const size_t *shape, int reversed)
{
    size_t size = bcel_dtype_size(from->dtype), n = product(from->ndim, from->shape), unit = size;
    memset(to, 0, sizeof *to);
    to->dtype = from->dtype;
    to->ndim = from->ndim;
    to->shape = shape;
    to->has_strides = 1;
    for (int d = to->ndim - 1; d >= 0; --d) {
        int source = reversed ? to->ndim - 1 - d : d;
        if (from->strides[source] == 0 && shape[d] != 1) continue;
        to->strides[d] = (ptrdiff_t)unit;
        unit *= shape[d];
    }
    allocate_memory(to, n ? unit : 0);
    for (size_t i = 0; i < n; ++i) {
        double element;
        load(from, from->pristine, i, &element);
        store(to, reversed ? turned(i, from->ndim, from->shape) : i, &element);
    }
    mark_elements(to);
}

/* ---- values -------------------------------------------------------------------------------------- */

static void store_number(const array *a, size_t i, double value)
{
    double element = 0;
    if (bcel_dtype_is_float(a->dtype)) {
        bcel_from_real(BCEL_DOUBLE, a->dtype, &element, &value, 1);
    } else {
        int64_t whole = value > -0x1p62 && value < 0x1p62 ? (int64_t)value : 0;
        memcpy(&element, &whole, 8); /* the low bytes are what a narrower type has of it, where bytes go upward */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        whole = (int64_t)((uint64_t)whole << (64 - 8 * bcel_dtype_size(a->dtype)));
        memcpy(&element, &whole, 8);
#endif
    }
    store(a, i, &element);
}

static const double odd_numbers[] = { 0,       -0.0,   1,      -1,       0.5,     2,         -100,     88.5,  -104, 17,
                                      -17,     1e4,    -709,   -745.5,   1e-40,   -1e-310,   5e-324,   3e38,  1e-30,
                                      1.7e308, -3e38,  60000,  1e30,     0x1p-20, 0x1p60,    0x1p-149, 1e-8 };

static double odd_number(void)
{
    size_t i = take(COUNT(odd_numbers) + 3);
    if (i < COUNT(odd_numbers)) return odd_numbers[i];
    return i == COUNT(odd_numbers) ? (double)NAN : i == COUNT(odd_numbers) + 1 ? (double)INFINITY : -(double)INFINITY;
}

typedef enum { LOGITS, TARGETS, WEIGHTS, FLAGS } role;

static double ordinary_number(role what)
{
    double u = random_unit(&randomness);
    return what == LOGITS ? 24 * u - 12 : what == WEIGHTS ? 0.25 + 2 * u : u;
}

static void fill_array(array *a, role what)
{
    size_t n = product(a->ndim, a->shape), size = bcel_dtype_size(a->dtype);
    unsigned kind = (unsigned)take(6);
    if (what == TARGETS && !bcel_dtype_is_float(a->dtype) && kind > 1) kind = 0;
    for (size_t i = 0; i < n; ++i) {
        double value = ordinary_number(what);
        uint64_t bits = random_bits(&randomness);
        switch (kind) {
        case 0: store_number(a, i, what == TARGETS || what == FLAGS ? (double)(value < 0.5) : value); break;
        case 1: store_number(a, i, what == TARGETS ? (double)(value < 0.3) : what == WEIGHTS ? 1 : 10 * value); break;
        case 2: store_number(a, i, what == LOGITS ? random_wide(&randomness, -150, 20) : value); break;
        case 3:
            if (what == TARGETS)
                store_number(a, i, value);
            else
                store_number(a, i, odd_numbers[bits % COUNT(odd_numbers)]);
            break;
        case 4:
            if (what == TARGETS)
                store_number(a, i, value < 0.1 ? 0 : value > 0.9 ? 1 : value);
            else
                store(a, i, &bits);
            break;
        case 5:
            for (size_t b = 0; b < size; ++b) ((unsigned char *)&bits)[b] = (unsigned char)take_byte();
            store(a, i, &bits);
            break;
        }
    }
    for (size_t odd = take_byte() & 3; n && odd; --odd) {
        size_t i = take_wide(n);
        store_number(a, i, odd_number());
    }
    mark_elements(a);
}

/* The number in an element of a target, exactly; NaN stays one. */
static long double exact_number(const array *a, size_t i)
{
    double element = 0;
    int64_t whole;
    uint64_t natural;
    load(a, a->pristine, i, &element);
    memcpy(&whole, &element, 8);
    memcpy(&natural, &element, 8);
    if (a->dtype == BCEL_INT64) return (long double)whole;
    if (a->dtype == BCEL_UINT64) return (long double)natural;
    return (long double)bcel_element(a->dtype, &element);
}

/* ---- calls --------------------------------------------------------------------------------------- */

typedef enum {
    MAP, MAP_BLOCKS, REDUCE, REDUCE_BLOCKS, VALUE_GRAD, VALUE_GRAD_BLOCKS, REDUCE_GRAD, SUM_GRAD, ACCUMULATE,
    ACCUMULATE_EACH, KINDS
} kind;

enum { OPERANDS = 6, INPUT = 0, TARGET, WEIGHT, POS_WEIGHT, WHERE, GRAD_OUTPUT };

typedef struct {
    kind what;
    int function, reduction, kept;
    double scale;
    int ndim;
    size_t shape[BCEL_MAX_DIMS];
    array operands[OPERANDS], outputs[2];
    int present[OPERANDS], output_count;
    int in_place; /* the operand whose memory outputs[0] has too, or -1 */
    bcel_call call;
    size_t cuts[2]; /* blocks where the work is split */
} problem;

static bcel_operand operand_of(const array *a)
{
    bcel_operand o = { a->memory + a->start, a->has_strides ? a->strides : NULL, a->dtype, a->swapped };
    return o;
}

static bcel_output output_of(const array *a)
{
    bcel_output o = { a->memory + a->start, a->has_strides ? a->strides : NULL, a->dtype, a->swapped };
    return o;
}

/* Ways to do it in parts. A derivative that is not summed, and that by the target, are for MAP_BLOCKS. */
static int has_parts(const problem *p)
{
    switch (p->what) {
    case MAP:
    case VALUE_GRAD: return 0;
    case SUM_GRAD: return p->kept != p->ndim;
    case REDUCE_GRAD: return p->kept ? 2 : 1;
    default: return 1;
    }
}

static void point_call(bcel_call *call, const problem *p)
{
    bcel_operand *all[OPERANDS] = { &call->input,      &call->target, &call->weight,
                                    &call->pos_weight, &call->where,  &call->grad_output };
    call->ndim = p->ndim;
    call->shape = p->shape;
    for (int i = 0; i < OPERANDS; ++i) {
        memset(all[i], 0, sizeof *all[i]);
        if (p->present[i]) *all[i] = operand_of(&p->operands[i]);
    }
}

static const array *output_array(const problem *p, int o)
{
    return o == 0 && p->in_place >= 0 ? &p->operands[p->in_place] : &p->outputs[o];
}

static void restore(const array *a)
{
    if (a->memory) memcpy(a->memory, a->pristine, a->bytes);
}

static void restore_all(const problem *p)
{
    for (int i = 0; i < OPERANDS; ++i) restore(&p->operands[i]);
    for (int i = 0; i < 2; ++i) restore(&p->outputs[i]);
}

/* The blocks in three parts, the last first. */
static size_t part_start(const problem *p, int part) { return part == 0 ? 0 : p->cuts[part - 1]; }
static size_t part_end(const problem *p, int part) { return part == 2 ? SIZE_MAX : p->cuts[part]; }

static bcel_status result_of(const bcel_accumulator *sum, const problem *p, const array *to, size_t i)
{
    double value = 0;
    bcel_output out = { &value, NULL, to->dtype, 0 };
    bcel_status status = bcel_accumulator_result(sum, (bcel_reduction)p->reduction, &out);
    if (status == BCEL_OK) store(to, i, &value);
    return status;
}

static bcel_status accumulate(const problem *p, const bcel_call *call, bcel_accumulator *sum, int in_parts)
{
    bcel_accumulator_init(sum);
    if (!in_parts) return bcel_accumulate(sum, call, 0, SIZE_MAX);
    for (int part = 2; part >= 0; --part) {
        bcel_accumulator one;
        bcel_accumulator_init(&one);
        bcel_status status = bcel_accumulate(&one, call, part_start(p, part), part_end(p, part));
        if (status != BCEL_OK) return status;
        bcel_accumulator_merge(sum, &one);
    }
    return BCEL_OK;
}

static bcel_status in_blocks(const problem *p, const bcel_call *call, const bcel_output *outputs)
{
    bcel_accumulator counted, sum;
    bcel_reduction reduction = (bcel_reduction)p->reduction;
    bcel_accumulator_init(&counted);
    bcel_accumulator_init(&sum);
    bcel_status status = BCEL_OK;
    for (int part = 2; part >= 0 && p->what == VALUE_GRAD_BLOCKS && status == BCEL_OK; --part)
        status = bcel_count_blocks(&counted, reduction, call, &outputs[0], part_start(p, part), part_end(p, part));
    for (int part = 2; part >= 0 && status == BCEL_OK; --part) {
        size_t first = part_start(p, part), last = part_end(p, part);
        if (p->what == MAP_BLOCKS)
            status = bcel_map_blocks((bcel_function)p->function, call, outputs, first, last);
        else if (p->what == REDUCE_BLOCKS)
            status = bcel_reduce_blocks(&sum, reduction, call, first, last);
        else
            status = bcel_value_and_grad_blocks(&sum, reduction, p->scale,
                                                reduction == BCEL_SUM && p->cuts[0] ? NULL : &counted, call, &outputs[0],
                                                first, last);
    }
    if (status != BCEL_OK || p->what == MAP_BLOCKS) return status;
    return bcel_accumulator_result(&sum, reduction, &outputs[p->what == VALUE_GRAD_BLOCKS]);
}

static size_t count_results(const problem *p)
{
    return p->kept >= 0 && p->kept <= p->ndim ? product(p->kept, p->shape) : 1;
}

/* What a gradient is divided by, and of that by weights of a weighted mean, its value. */
static bcel_status count(const problem *p, const bcel_call *call, bcel_accumulator *counted)
{
    bcel_reduction reduction = (bcel_reduction)p->reduction;
    bcel_status status = BCEL_OK;
    bcel_accumulator_init(counted);
    for (int part = 2; part >= 0 && status == BCEL_OK; --part) {
        size_t first = part_start(p, part), last = part_end(p, part);
        if (p->function == BCEL_GRAD_WEIGHT && reduction == BCEL_WEIGHTED_MEAN)
            status = bcel_reduce_blocks(counted, reduction, call, first, last);
        else
            status = bcel_count_blocks(counted, reduction, call, NULL, first, last);
    }
    return status;
}

/* Blocks of several results, each with an accumulator of its own. */
static bcel_status in_blocks_of_each(const problem *p, const bcel_call *call, const bcel_accumulator *counted)
{
    size_t n = count_results(p);
    bcel_reduction reduction = p->what == SUM_GRAD ? BCEL_SUM : (bcel_reduction)p->reduction;
    bcel_function function = (bcel_function)p->function;
    const array *to = output_array(p, 0);
    bcel_accumulator *sums = malloc((n + 1) * sizeof *sums);
    REQUIRE(sums, "no memory");
    for (size_t i = 0; i < n; ++i) bcel_accumulator_init(&sums[i]);
    bcel_status status = BCEL_OK;
    for (int part = 2; part >= 0 && status == BCEL_OK; --part) {
        size_t first = part_start(p, part), last = part_end(p, part);
        if (p->what == REDUCE)
            status = bcel_reduce_each_blocks(sums, reduction, p->kept, call, first, last);
        else if (p->what == ACCUMULATE_EACH)
            status = bcel_accumulate_each_blocks(sums, p->kept, call, first, last);
        else
            status = bcel_sum_grad_blocks(sums, function, p->kept, call, first, last);
    }
    for (size_t i = 0; i < n && status == BCEL_OK; ++i) {
        double value = 0;
        bcel_output out = { &value, NULL, to->dtype, 0 };
        if (p->what == REDUCE || p->what == ACCUMULATE_EACH)
            status = bcel_accumulator_result(&sums[i], reduction, &out);
        else
            status = bcel_reduce_grad_result(function, reduction, p->what == SUM_GRAD ? 1 : p->scale, counted, &sums[i],
                                             &out);
        if (status == BCEL_OK) store(to, i, &value);
    }
    free(sums);
    return status;
}

/* The values of one half of the first dimension, then those of the other. */
static bcel_status grad_in_halves(const problem *p, const bcel_call *call, const bcel_accumulator *counted)
{
    size_t shape[MOST_DIMS], half = p->shape[0] / 2;
    memcpy(shape, p->shape, sizeof shape);
    for (int second = 1; second >= 0; --second) {
        bcel_call part = *call;
        bcel_operand *all[OPERANDS] = { &part.input, &part.target, &part.weight, &part.pos_weight, &part.where, NULL };
        ptrdiff_t start = second ? (ptrdiff_t)half : 0;
        shape[0] = second ? p->shape[0] - half : half;
        part.shape = shape;
        for (int i = 0; i < GRAD_OUTPUT; ++i)
            if (p->present[i]) all[i]->data = (const char *)all[i]->data + start * p->operands[i].strides[0];
        bcel_output output = output_of(output_array(p, 0));
        output.data = (char *)output.data + start * output_array(p, 0)->strides[0];
        bcel_status status = bcel_reduce_grad_part((bcel_function)p->function, (bcel_reduction)p->reduction, p->scale,
                                                   counted, p->kept, &part, &output);
        if (status != BCEL_OK) return status;
    }
    return BCEL_OK;
}

static bcel_status grad_in_parts(const problem *p, const bcel_call *call, const bcel_output *output, int halves)
{
    bcel_accumulator counted;
    bcel_reduction reduction = (bcel_reduction)p->reduction;
    bcel_function function = (bcel_function)p->function;
    bcel_status status = count(p, call, &counted);
    if (status != BCEL_OK) return status;
    const bcel_accumulator *by = reduction == BCEL_SUM && p->cuts[0] ? NULL : &counted;
    if (halves) return grad_in_halves(p, call, by);
    if (p->kept != p->ndim || (function == BCEL_GRAD_WEIGHT && reduction == BCEL_WEIGHTED_MEAN)) {
        bcel_call without = *call; /* bcel_sum_grad_blocks would read it */
        memset(&without.grad_output, 0, sizeof without.grad_output);
        return in_blocks_of_each(p, &without, by);
    }
    for (int part = 2; part >= 0 && status == BCEL_OK; --part)
        status = bcel_reduce_grad_blocks(function, reduction, p->scale, by, call, output, part_start(p, part),
                                         part_end(p, part));
    return status;
}

/* in_parts: the first or second way of has_parts; otherwise all at once. */
static bcel_status perform(const problem *p, const bcel_call *call, int in_parts)
{
    bcel_output outputs[2] = { { 0 } };
    bcel_reduction reduction = (bcel_reduction)p->reduction;
    bcel_function function = (bcel_function)p->function;
    for (int o = 0; o < p->output_count; ++o) outputs[o] = output_of(output_array(p, o));
    kind what = p->what;
    if (in_parts && (what == MAP_BLOCKS || what == REDUCE_BLOCKS || what == VALUE_GRAD_BLOCKS))
        return in_blocks(p, call, outputs);
    if (in_parts && (what == REDUCE || what == ACCUMULATE_EACH || (what == SUM_GRAD && has_parts(p))))
        return in_blocks_of_each(p, call, NULL);
    if (in_parts && what == REDUCE_GRAD) return grad_in_parts(p, call, outputs, in_parts == 2);
    switch (what) {
    case MAP:
    case MAP_BLOCKS: return bcel_map(function, call, outputs);
    case REDUCE:
    case REDUCE_BLOCKS: return bcel_reduce(reduction, p->kept, call, &outputs[0]);
    case VALUE_GRAD:
    case VALUE_GRAD_BLOCKS: return bcel_value_and_grad(reduction, p->scale, call, &outputs[1], &outputs[0]);
    case REDUCE_GRAD: return bcel_reduce_grad(function, reduction, p->scale, p->kept, call, &outputs[0]);
    case SUM_GRAD: return bcel_sum_grad(function, p->kept, call, &outputs[0]);
    case ACCUMULATE: {
        bcel_accumulator sum;
        bcel_status status = accumulate(p, call, &sum, in_parts);
        return status == BCEL_OK ? result_of(&sum, p, output_array(p, 0), 0) : status;
    }
    case ACCUMULATE_EACH: {
        size_t n = count_results(p);
        bcel_accumulator *sums = malloc((n + 1) * sizeof *sums);
        REQUIRE(sums, "no memory");
        for (size_t i = 0; i < n; ++i) bcel_accumulator_init(&sums[i]);
        bcel_status status = bcel_accumulate_each(sums, p->kept, call);
        for (size_t i = 0; i < n && status == BCEL_OK; ++i) status = result_of(&sums[i], p, output_array(p, 0), i);
        free(sums);
        return status;
    }
    default: abort();
    }
}

/* ---- what must hold ------------------------------------------------------------------------------ */

static int same_element(bcel_dtype dtype, const void *a, const void *b)
{
    size_t size = bcel_dtype_size(dtype);
    double p = bcel_element(dtype, a), q = bcel_element(dtype, b);
    return memcmp(a, b, size) == 0 || (p != p && q != q);
}

/* Nothing was written but elements of outputs; and those neither if `untouched`. */
static void check_writes(const problem *p, int untouched)
{
    for (int i = 0; i < OPERANDS + 2; ++i) {
        const array *a = i < OPERANDS ? &p->operands[i] : &p->outputs[i - OPERANDS];
        int writable = !untouched && (i == p->in_place || (i >= OPERANDS && i - OPERANDS < p->output_count));
        for (size_t b = 0; b < a->bytes; ++b)
            REQUIRE(a->memory[b] == a->pristine[b] || (writable && a->is_element[b]),
                    "byte %zu of array %d was written", b, i);
    }
}

/* The results of two runs; those of the second have their dimensions reversed if asked. */
static void check_same(const problem *p, const array *const *left, const array *const *right, int reversed,
                       const char *what)
{
    for (int o = 0; o < p->output_count; ++o) {
        size_t n = product(left[o]->ndim, left[o]->shape);
        for (size_t i = 0; i < n; ++i) {
            double a = 0, b = 0;
            load(left[o], left[o]->memory, i, &a);
            load(right[o], right[o]->memory, reversed ? turned(i, left[o]->ndim, left[o]->shape) : i, &b);
            REQUIRE(same_element(left[o]->dtype, &a, &b), "%s: output %d differs at %zu of %zu: %a and %a", what, o, i, n,
                    bcel_element(left[o]->dtype, &a), bcel_element(left[o]->dtype, &b));
        }
    }
}

static int counts(const problem *p, size_t i)
{
    if (p->present[WHERE]) {
        unsigned char keep;
        load(&p->operands[WHERE], p->operands[WHERE].pristine, i, &keep);
        if (!keep) return 0;
    }
    long double y = exact_number(&p->operands[TARGET], i);
    if ((p->call.flags & BCEL_IGNORE_FLOAT) && y == (long double)p->call.ignore_float) return 0;
    if ((p->call.flags & BCEL_IGNORE_INT) && y == (long double)p->call.ignore_int) return 0;
    return 1;
}

/* Index of the first counted target that is no probability, or SIZE_MAX. */
static size_t first_bad_target(const problem *p)
{
    size_t n = product(p->ndim, p->shape);
    for (size_t i = 0; i < n; ++i) {
        long double y = exact_number(&p->operands[TARGET], i);
        if (!(y >= 0 && y <= 1) && counts(p, i)) return i;
    }
    return SIZE_MAX;
}

static size_t first_negative(const array *a)
{
    size_t n = product(a->ndim, a->shape);
    for (size_t i = 0; i < n; ++i)
        if (!(exact_number(a, i) >= 0)) return i;
    return SIZE_MAX;
}

static int reads_target(const problem *p)
{
    return !((p->what == MAP || p->what == MAP_BLOCKS) && p->function >= BCEL_SIGMOID);
}

/* Every operand is contiguous with the first dimension fastest, or one element for all: sums then follow memory. */
static int is_summed_in_memory_order(const problem *p)
{
    if (p->what == MAP || p->what == MAP_BLOCKS || (p->kept && p->what != REDUCE_GRAD)) return 0;
    for (int i = 0; i < OPERANDS; ++i) {
        const array *a = &p->operands[i];
        if (!p->present[i] || (i == GRAD_OUTPUT && p->what == REDUCE_GRAD)) continue;
        int contiguous = 1, constant = 1;
        ptrdiff_t expected = (ptrdiff_t)bcel_dtype_size(a->dtype);
        for (int d = 0; d < p->ndim; ++d) {
            if (p->shape[d] == 1) continue;
            constant &= a->strides[d] == 0;
            contiguous &= a->strides[d] == expected;
            expected *= (ptrdiff_t)p->shape[d];
        }
        if (!contiguous && !constant) return 0;
    }
    int writes_all = p->what == VALUE_GRAD || p->what == VALUE_GRAD_BLOCKS;
    return !writes_all || output_array(p, 0)->has_strides;
}

/* A copy of the problem with packed operands and outputs; returns whether sums have the same order there. */
static int pack_problem(problem *to, const problem *from)
{
    int reversed = is_summed_in_memory_order(from);
    if (reversed && from->kept) return 0; /* the divisor follows memory, the sums do not */
    *to = *from;
    to->in_place = -1;
    for (int d = 0; reversed && d < from->ndim; ++d) to->shape[d] = from->shape[from->ndim - 1 - d];
    for (int i = 0; i < OPERANDS; ++i) {
        memset(&to->operands[i], 0, sizeof to->operands[i]);
        if (from->present[i]) pack_array(&to->operands[i], &from->operands[i], to->shape, reversed);
    }
    for (int o = 0; o < 2; ++o) {
        const array *old = output_array(from, o);
        memset(&to->outputs[o], 0, sizeof to->outputs[o]);
        if (o < from->output_count) {
            array like = *old;
            for (int d = 0; d < like.ndim; ++d) like.strides[d] = 1; /* nothing is broadcast */
            to->outputs[o] = like;
            to->outputs[o].shape = old->ndim == from->ndim ? to->shape : old->shape;
            to->outputs[o].swapped = 0;
            to->outputs[o].has_strides = 1;
            to->outputs[o].start = 0;
            size_t size = bcel_dtype_size(like.dtype);
            packed_strides(to->outputs[o].strides, like.ndim, to->outputs[o].shape, size);
            allocate_memory(&to->outputs[o], product(like.ndim, like.shape) * size);
            mark_elements(&to->outputs[o]);
        }
    }
    point_call(&to->call, to);
    return 1;
}

static void free_problem(problem *p)
{
    for (int i = 0; i < OPERANDS; ++i) free_array(&p->operands[i]);
    for (int i = 0; i < 2; ++i) free_array(&p->outputs[i]);
}

/* Every element as a call of its own. Its neighbours may decide about the sign of a zero that a weight of -0 gives. */
static void check_singly(const problem *p, const array *const *results)
{
    size_t n = product(p->ndim, p->shape);
    for (size_t i = 0; i < n; ++i) {
        bcel_call one = p->call;
        double elements[OPERANDS] = { 0 }, values[2] = { 0 };
        bcel_operand *all[OPERANDS] = { &one.input,      &one.target, &one.weight,
                                        &one.pos_weight, &one.where,  &one.grad_output };
        one.ndim = 0;
        for (int k = 0; k < OPERANDS; ++k) {
            if (!p->present[k]) continue;
            load(&p->operands[k], p->operands[k].pristine, i, &elements[k]);
            bcel_operand o = { &elements[k], NULL, p->operands[k].dtype, 0 };
            *all[k] = o;
        }
        bcel_output outputs[2] = { { 0 } };
        for (int o = 0; o < p->output_count; ++o) {
            bcel_output single = { &values[o], NULL, results[o]->dtype, 0 };
            outputs[o] = single;
        }
        bcel_status status = bcel_map((bcel_function)p->function, &one, outputs);
        REQUIRE(status == BCEL_OK, "element %zu alone: %s", i, bcel_status_text(status));
        for (int o = 0; o < p->output_count; ++o) {
            double whole = 0;
            load(results[o], results[o]->memory, i, &whole);
            REQUIRE(same_element(results[o]->dtype, &whole, &values[o])
                        || (bcel_element(results[o]->dtype, &whole) == 0
                            && bcel_element(results[o]->dtype, &values[o]) == 0),
                    "output %d: element %zu is %a, alone %a", o, i,
                    bcel_element(results[o]->dtype, &whole), bcel_element(results[o]->dtype, &values[o]));
        }
    }
}

/* ---- bytes into calls ---------------------------------------------------------------------------- */

static const bcel_dtype floats[] = { BCEL_FLOAT32, BCEL_FLOAT64, BCEL_FLOAT16, BCEL_BFLOAT16 };

static bcel_dtype take_dtype(void)
{
    unsigned i = take_byte();
    return i < 128 ? floats[i % 4] : (bcel_dtype)(1 + i % 13);
}

static void make_shape(problem *p)
{
    static const size_t extents[] = { 4096, 4097, 4095, 512, 513, 511, 8200, 1025, 128, 257 };
    p->ndim = (int)take(MOST_DIMS + 1);
    size_t n = 1; /* of the most results, which have no extent of 0 */
    for (int d = 0; d < p->ndim; ++d) {
        unsigned byte = take_byte();
        size_t extent = byte < 40 ? byte : byte < 220 ? byte % 6 : byte < 236 ? ONE_OF(extents) : byte % 2;
        if (extent > MOST_ELEMENTS / n) extent = byte % 3;
        p->shape[d] = extent;
        if (extent) n *= extent;
    }
}

static void make_operands(problem *p)
{
    static const role roles[OPERANDS] = { LOGITS, TARGETS, WEIGHTS, WEIGHTS, FLAGS, WEIGHTS };
    unsigned present = take_byte();
    bcel_dtype first = take_dtype();
    for (int i = 0; i < OPERANDS; ++i) {
        p->present[i] = i <= TARGET || (present >> i & 1);
        if (!p->present[i]) continue;
        bcel_dtype dtype = i == INPUT || (present & 1) ? first : take_dtype();
        if (i == WHERE) dtype = BCEL_BOOL;
        make_array(&p->operands[i], dtype, p->ndim, p->shape, 1);
        fill_array(&p->operands[i], roles[i]);
    }
}

static int is_without_repetition(const array *a)
{
    for (int d = 0; d < a->ndim; ++d)
        if (a->strides[d] == 0 && a->shape[d] > 1) return 0;
    return 1;
}

static void make_outputs(problem *p)
{
    int two = (p->what == MAP || p->what == MAP_BLOCKS)
              && (p->function == BCEL_LOSS_AND_GRAD || p->function == BCEL_GRAD_AND_HESS);
    int value_too = p->what == VALUE_GRAD || p->what == VALUE_GRAD_BLOCKS;
    int whole = value_too || p->what == MAP || p->what == MAP_BLOCKS;
    bcel_dtype dtype = take(2) ? ONE_OF(floats) : p->operands[INPUT].dtype;
    if (!bcel_dtype_is_float(dtype)) dtype = BCEL_FLOAT64;
    p->output_count = two || value_too ? 2 : 1;
    p->in_place = -1;
    for (int o = 0; o < p->output_count; ++o)
        make_array(&p->outputs[o], dtype, o == 1 && value_too ? 0 : whole ? p->ndim : p->kept, p->shape, 0);
    for (int o = 0; o < p->output_count; ++o) mark_elements(&p->outputs[o]);
    int place_of = (int)take(16);
    /* Whatever runs the same blocks twice must not find its own results there. */
    int once = p->what == MAP || p->what == MAP_BLOCKS;
    if (once && place_of < 4 && p->present[place_of] && bcel_dtype_is_float(p->operands[place_of].dtype)
        && is_without_repetition(&p->operands[place_of]))
        p->in_place = place_of;
}

static void make_problem(problem *p)
{
    static const double smoothings[] = { 0, 0, 0, 0.1, 0.5, 1 }, floors[] = { 0, 0, 1e-16, 0.5, 1e-310 };
    static const double scales[] = { 1, 1, 0.5, -2, 0, 1e300, 1e-300, 3 };
    static const double ignored[] = { 0, 1, 0.5, -100, 255 };
    static const int64_t ignored_integers[] = { 0, 1, -100, 255, INT64_MIN };
    static const int parameters[] = { BCEL_GRAD_TARGET, BCEL_GRAD_WEIGHT, BCEL_GRAD_POS_WEIGHT };
    memset(p, 0, sizeof *p);
    p->what = (kind)take(KINDS);
    p->function = (int)take(10);
    p->reduction = (int)take(3);
    make_shape(p);
    if (p->what == REDUCE || p->what == REDUCE_GRAD || p->what == SUM_GRAD || p->what == ACCUMULATE_EACH)
        p->kept = (int)take((size_t)p->ndim + 1);
    if (p->what == REDUCE_GRAD || p->what == SUM_GRAD) {
        p->function = ONE_OF(parameters);
        if (p->function == BCEL_GRAD_TARGET) p->kept = p->ndim;
    }
    bcel_call_init(&p->call);
    p->call.flags = (unsigned)take(16);
    p->call.label_smoothing = ONE_OF(smoothings);
    p->call.hess_floor = ONE_OF(floors);
    p->call.ignore_float = ONE_OF(ignored);
    p->call.ignore_int = ONE_OF(ignored_integers);
    p->scale = ONE_OF(scales);
    make_operands(p);
    make_outputs(p);
    p->cuts[0] = take(4);
    p->cuts[1] = p->cuts[0] + take(3);
    point_call(&p->call, p);
    int used = snprintf(story, sizeof story, "kind %d, function %d, reduction %d, kept %d, flags %u, in place %d, shape (",
                        p->what, p->function, p->reduction, p->kept, p->call.flags, p->in_place);
    for (int d = 0; d < p->ndim; ++d)
        used += snprintf(story + used, sizeof story - (size_t)used, "%zu,", p->shape[d]);
    used += snprintf(story + used, sizeof story - (size_t)used, "), dtypes");
    for (int i = 0; i < OPERANDS; ++i)
        used += snprintf(story + used, sizeof story - (size_t)used, " %d", p->present[i] ? p->operands[i].dtype : 0);
    snprintf(story + used, sizeof story - (size_t)used, " into %d", output_array(p, 0)->dtype);
}

/* Spoils one thing. Returns whether the call must be refused; whatever else it does, it must not crash. */
static int spoil(problem *p)
{
    size_t n = product(p->ndim, p->shape);
    bcel_dtype no_dtype = (bcel_dtype)(take(2) ? 0 : 14 + take_byte());
    int reduces = p->what == REDUCE || p->what == REDUCE_GRAD || p->what == SUM_GRAD || p->what == ACCUMULATE_EACH;
    switch (take(12)) {
    case 0: p->call.ndim = take(2) ? -1 : BCEL_MAX_DIMS + 1; return 1;
    case 1: p->call.shape = NULL; return p->ndim > 0;
    case 2: p->call.input.data = NULL; return n > 0;
    case 3: p->call.target.data = NULL; return n > 0 && reads_target(p);
    case 4: p->call.input.dtype = no_dtype; return 1;
    case 5: p->call.target.dtype = no_dtype; return reads_target(p);
    case 6: p->call.weight = p->call.input; p->call.weight.dtype = no_dtype; return 1;
    case 7: p->call.where = p->call.input; p->call.where.dtype = BCEL_INT8; return 1;
    case 8: p->call.label_smoothing = take(2) ? (double)NAN : 1.5; return 1;
    case 9:
        if (!reduces) return 0;
        p->call.flags &= ~(unsigned)BCEL_CHECK; /* in parts, a call before it may meet a bad target */
        p->kept = take(2) ? -1 : p->ndim + 1;
        return 1;
    case 10: /* more elements than can be counted */
        p->shape[BCEL_MAX_DIMS - 1] = p->shape[BCEL_MAX_DIMS - 2] = SIZE_MAX / 2;
        p->call.shape = &p->shape[BCEL_MAX_DIMS - 2];
        p->call.ndim = 2;
        p->kept = 0;
        return 1;
    default:
        if (p->what == MAP || p->what == MAP_BLOCKS)
            p->function = 10 + (int)take(20);
        else if (p->what == REDUCE_GRAD || p->what == SUM_GRAD)
            p->function = BCEL_LOSS;
        else
            p->reduction = 3 + (int)take(20);
        return 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    problem p, packed;
    const char *isa;
    at = data;
    end = data + size;
    bcel_select_isa("scalar");
    randomness.state = take_byte();
    make_problem(&p);
    if (rarely()) {
        int refused = spoil(&p);
        if (refused) {
            bcel_status status = perform(&p, &p.call, 1);
            REQUIRE(status == BCEL_INVALID_ARGUMENT, "an invalid call: %s", bcel_status_text(status));
            check_writes(&p, 1);
        }
        free_problem(&p);
        return 0;
    }

    size_t bad = first_bad_target(&p);
    REQUIRE(bcel_find_bad_target(&p.call) == bad, "first bad target: %zu", bad);
    for (int i = 0; i < OPERANDS; ++i) {
        if (!p.present[i]) continue;
        bcel_operand o = operand_of(&p.operands[i]);
        size_t negative = first_negative(&p.operands[i]);
        REQUIRE(bcel_find_negative(p.ndim, p.shape, &o) == negative, "first negative of operand %d: %zu", i, negative);
    }
    bcel_status expected = bad != SIZE_MAX && (p.call.flags & BCEL_CHECK) && reads_target(&p) ? BCEL_TARGET_OUT_OF_RANGE
                                                                                          : BCEL_OK;
    int comparable = pack_problem(&packed, &p);
    int reversed = is_summed_in_memory_order(&p);
    const array *specified[2] = { NULL, NULL }, *results[2];
    for (int o = 0; o < 2; ++o) results[o] = output_array(&p, o);
    if (comparable) {
        for (int o = 0; o < 2; ++o) specified[o] = &packed.outputs[o];
        bcel_status status = perform(&packed, &packed.call, 0);
        REQUIRE(status == expected, "packed: %s", bcel_status_text(status));
        check_writes(&packed, 0);
    }
    for (int i = 0; (isa = bcel_isa_name(i)) != NULL; ++i) {
        if (bcel_select_isa(isa) != BCEL_OK) continue;
        for (int in_parts = 0; in_parts <= has_parts(&p); ++in_parts) {
            restore_all(&p);
            bcel_status status = perform(&p, &p.call, in_parts);
            REQUIRE(status == expected, "%s: %s", isa, bcel_status_text(status));
            check_writes(&p, 0);
            if (status == BCEL_OK && comparable) check_same(&p, results, specified, reversed, isa);
        }
    }
    if (expected == BCEL_OK && p.what == MAP) {
        bcel_select_isa("scalar");
        check_singly(&p, results);
    }
    if (comparable) free_problem(&packed);
    free_problem(&p);
    return 0;
}
