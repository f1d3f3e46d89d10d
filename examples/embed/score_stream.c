/* Scores a stream of pairs of a logit and a label from standard input, in constant memory.
 *
 *     score_stream [--f32 | --f64] [--batch N] [--every N] < pairs
 *
 * Pairs are lines of text, "logit label", computed in double; with --f32 or --f64 they are two floats or doubles each, in
 * the byte order of the machine. Prints the mean loss so far after about every N pairs (a million) and at the end, then
 * percentiles of the time of a call, each on one batch (of 4096 pairs). If that is a multiple of 4096, the loss has the bits
 * of the mean of all pairs at once. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime */
#include <bcelogits.h>

#include "latency.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_BATCH = 16 * BCEL_BLOCK, MAX_LINE = 256 };

typedef struct {
    int text;
    bcel_dtype dtype;
    size_t batch;
    uint64_t every;
} options;

/* Logits and labels by turns, as they come. */
static union { double doubles[2 * MAX_BATCH]; float floats[2 * MAX_BATCH]; } pairs;

/* Pairs are counted from 1. */
static void fail(uint64_t before, const char *what)
{
    fprintf(stderr, "score_stream: pair %" PRIu64 ": %s\n", before + 1, what);
    exit(1);
}

static void usage(void)
{
    fprintf(stderr, "usage: score_stream [--f32 | --f64] [--batch 1..%d] [--every N] < pairs\n", MAX_BATCH);
    exit(2);
}

static uint64_t positive(const char *text, uint64_t most)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = text ? strtoull(text, &end, 10) : 0;
    if (!text || *end || *text == '-' || errno || value < 1 || value > most) usage();
    return value;
}

static options parse(char **argv)
{
    options o = { 1, BCEL_FLOAT64, BCEL_BLOCK, 1000000 };
    while (*++argv) {
        if (strcmp(*argv, "--f32") == 0 || strcmp(*argv, "--f64") == 0) {
            o.text = 0;
            o.dtype = (*argv)[3] == '3' ? BCEL_FLOAT32 : BCEL_FLOAT64;
        } else if (strcmp(*argv, "--batch") == 0) {
            o.batch = (size_t)positive(*++argv, MAX_BATCH);
        } else if (strcmp(*argv, "--every") == 0) {
            o.every = positive(*++argv, UINT64_MAX);
        } else {
            usage();
        }
        if (!*argv) break;
    }
    return o;
}

/* Up to n pairs, after those `before`; fewer at the end of the stream alone. */
static size_t read_text(uint64_t before, size_t n)
{
    char line[MAX_LINE];
    size_t i = 0;
    for (; i < n && fgets(line, sizeof line, stdin); ++i) {
        char *label, *end;
        if (!strchr(line, '\n') && !feof(stdin)) fail(before + i, "the line is too long");
        pairs.doubles[2 * i] = strtod(line, &label);
        pairs.doubles[2 * i + 1] = strtod(label, &end);
        if (label == line || end == label || end[strspn(end, " \t\r\n")])
            fail(before + i, "the line is not a logit and a label");
    }
    if (ferror(stdin)) fail(before + i, strerror(errno));
    return i;
}

static size_t read_binary(uint64_t before, size_t n, size_t size)
{
    size_t bytes = fread(&pairs, 1, n * size, stdin);
    if (ferror(stdin)) fail(before + bytes / size, strerror(errno));
    if (bytes % size) fail(before + bytes / size, "the stream ends in the middle of it");
    return bytes / size;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void print_loss(const bcel_accumulator *total, bcel_dtype dtype)
{
    if (total->count == 0) {
        printf("0 pairs\n");
        return;
    }
    float single = 0;
    double mean = 0;
    bcel_output output = { dtype == BCEL_FLOAT32 ? (void *)&single : (void *)&mean, NULL, dtype, 0 };
    bcel_accumulator_result(total, BCEL_MEAN, &output);
    if (dtype == BCEL_FLOAT32)
        printf("%" PRIu64 " pairs: loss %.9g\n", total->count, (double)single);
    else
        printf("%" PRIu64 " pairs: loss %.17g\n", total->count, mean);
}

int main(int argc, char **argv)
{
    (void)argc;
    const options o = parse(argv);
    const size_t value_size = o.dtype == BCEL_FLOAT32 ? sizeof(float) : sizeof(double);
    const ptrdiff_t stride = (ptrdiff_t)(2 * value_size);
    size_t n;

    /* Every second value is a logit, the others are labels: a stride says so, and nothing is copied apart. */
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 1;
    call.shape = &n;
    call.input = (bcel_operand){ &pairs, &stride, o.dtype, 0 };
    call.target = (bcel_operand){ (const char *)&pairs + value_size, &stride, o.dtype, 0 };

    static latency times;
    bcel_accumulator total;
    bcel_accumulator_init(&total);
    uint64_t done = 0, printed = 0;
    while ((n = o.text ? read_text(done, o.batch) : read_binary(done, o.batch, 2 * value_size)) > 0) {
        uint64_t start = now();
        bcel_status status = bcel_accumulate(&total, &call, 0, SIZE_MAX);
        latency_add(&times, now() - start);
        if (status == BCEL_TARGET_OUT_OF_RANGE) fail(done + bcel_find_bad_target(&call), bcel_status_text(status));
        if (status != BCEL_OK) fail(done, bcel_status_text(status));
        done += n;
        if (done / o.every > printed / o.every) {
            print_loss(&total, o.dtype);
            printed = done;
        }
    }
    if (done == 0 || printed < done) print_loss(&total, o.dtype);
    latency_print(&times, (unsigned long)o.batch);
    return 0;
}
