/* What an embedder does in C: prints the bits of a few results, one a line. */
#include <bcelogits.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { N = 2 * BCEL_BLOCK + 1000 };

static float x[N], y[N], loss[N], grad[N];

/* Logits of [-16, 16) and every third target 1, exact in float and the same everywhere. */
static void fill(void)
{
    uint32_t state = 1;
    for (int i = 0; i < N; ++i) {
        state = state * UINT32_C(1664525) + UINT32_C(1013904223);
        x[i] = (float)(state >> 12) * 0x1p-15f - 16;
        y[i] = i % 3 == 0;
    }
}

static void print_f32(const char *name, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    printf("%s %08" PRIx32 "\n", name, bits);
}

static void print_f64(const char *name, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    printf("%s %016" PRIx64 "\n", name, bits);
}

/* FNV-1a over the bits of an array. */
static void print_array(const char *name, const float *values)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < N; ++i) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        hash = (hash ^ bits) * UINT64_C(0x100000001b3);
    }
    printf("%s %016" PRIx64 "\n", name, hash);
}

static int failed(bcel_status status)
{
    if (status != BCEL_OK) fprintf(stderr, "bcelogits: %s\n", bcel_status_text(status));
    return status != BCEL_OK;
}

int main(void)
{
    if (bcel_abi_version() != BCELOGITS_ABI_VERSION || bcel_version_number() != BCELOGITS_VERSION_NUMBER) {
        fprintf(stderr, "the header is of bcelogits %s, the library of %s\n", BCELOGITS_VERSION, bcel_version());
        return 1;
    }
    fill();
    errno = 0;
    const size_t n = N;
    float mean;
    double sum, stream;
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 1;
    call.shape = &n;
    call.input.data = x;
    call.input.dtype = BCEL_FLOAT32;
    call.target.data = y;
    call.target.dtype = BCEL_FLOAT32;

    const bcel_output of_mean = { &mean, NULL, BCEL_FLOAT32, 0 }, of_sum = { &sum, NULL, BCEL_FLOAT64, 0 };
    const bcel_output arrays[2] = { { loss, NULL, BCEL_FLOAT32, 0 }, { grad, NULL, BCEL_FLOAT32, 0 } };
    if (failed(bcel_reduce(BCEL_MEAN, 0, &call, &of_mean)) || failed(bcel_reduce(BCEL_SUM, 0, &call, &of_sum))
        || failed(bcel_map(BCEL_LOSS_AND_GRAD, &call, arrays)))
        return 1;

    /* The same sum as a stream of blocks, the last first. */
    bcel_accumulator total, part;
    bcel_accumulator_init(&total);
    for (size_t block = 3; block-- > 0;) {
        bcel_accumulator_init(&part);
        if (failed(bcel_accumulate(&part, &call, block, block + 1))) return 1;
        bcel_accumulator_merge(&total, &part);
    }
    const bcel_output of_stream = { &stream, NULL, BCEL_FLOAT64, 0 };
    if (failed(bcel_accumulator_result(&total, BCEL_SUM, &of_stream))) return 1;
    if (total.count != n || errno != 0) return 1;

    /* The deepest call there is: in double, of weights, and read by strides. */
    const float one = 1.25f;
    const ptrdiff_t stride = 2 * sizeof(float), still = 0;
    const size_t half = N / 2;
    double by_pos_weight;
    bcel_call deep = call;
    deep.shape = &half;
    deep.input.strides = deep.target.strides = &stride;
    deep.weight = deep.pos_weight = (bcel_operand){ &one, &still, BCEL_FLOAT32, 0 };
    deep.label_smoothing = 0.125;
    deep.flags |= BCEL_COMPUTE_FLOAT64;
    const bcel_output of_deep = { &by_pos_weight, NULL, BCEL_FLOAT64, 0 };
    if (failed(bcel_reduce_grad(BCEL_GRAD_POS_WEIGHT, BCEL_WEIGHTED_MEAN, 1, 0, &deep, &of_deep))) return 1;

    print_f32("mean", mean);
    print_f64("sum", sum);
    print_f64("stream", stream);
    print_f64("by_pos_weight", by_pos_weight);
    print_array("loss", loss);
    print_array("grad", grad);

    /* A bad target is a status and a place. */
    y[7] = 1.5f;
    if (bcel_reduce(BCEL_MEAN, 0, &call, &of_mean) != BCEL_TARGET_OUT_OF_RANGE) return 1;
    printf("bad %d\n", (int)bcel_find_bad_target(&call));
    return errno != 0;
}
