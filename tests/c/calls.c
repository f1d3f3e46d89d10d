#include "calls.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

size_t size_of_dtype(bcel_dtype dtype)
{
    switch (dtype) {
    case BCEL_BOOL:
    case BCEL_INT8:
    case BCEL_UINT8: return 1;
    case BCEL_FLOAT16:
    case BCEL_BFLOAT16:
    case BCEL_INT16:
    case BCEL_UINT16: return 2;
    case BCEL_FLOAT32:
    case BCEL_INT32:
    case BCEL_UINT32: return 4;
    case BCEL_FLOAT64:
    case BCEL_INT64:
    case BCEL_UINT64: return 8;
    }
    return 0;
}

const char *name_of_dtype(bcel_dtype dtype)
{
    static const char *const names[] = { "?", "float32", "float64", "float16", "bfloat16", "bool", "int8", "uint8",
                                         "int16", "uint16", "int32", "uint32", "int64", "uint64" };
    return names[(size_t)dtype < COUNT(names) ? (size_t)dtype : 0];
}

bcel_operand packed(const void *data, bcel_dtype dtype)
{
    bcel_operand operand = { data, NULL, dtype, 0 };
    return operand;
}

bcel_operand constant(const void *data, bcel_dtype dtype)
{
    static const ptrdiff_t none[BCEL_MAX_DIMS];
    bcel_operand operand = { data, none, dtype, 0 };
    return operand;
}

bcel_output output(void *data, bcel_dtype dtype)
{
    bcel_output result = { data, NULL, dtype, 0 };
    return result;
}

bcel_call call_of(const size_t *n, bcel_operand input, bcel_operand target)
{
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 1;
    call.shape = n;
    call.input = input;
    call.target = target;
    return call;
}

static const struct {
    const char *name, *row;
    bcel_function function;
    unsigned char target;
} functions[] = {
#define ROW(id, name, row, function, target) { name, row, function, target },
    LOGIT_FUNCTIONS(ROW)
#undef ROW
};

const char *name_of_function(logit_function function)
{
    return functions[function].name;
}

const char *row_of_function(logit_function function)
{
    return functions[function].row;
}

void compute(logit_function function, bcel_dtype dtype, const void *x, void *result, size_t n)
{
    bcel_call call = call_of(&n, packed(x, dtype), constant(&functions[function].target, BCEL_BOOL));
    bcel_output outputs[2] = { output(result, dtype), output(result, dtype) };
    void *gradient = NULL;
    if (function == HESSIAN) {
        gradient = allocate(n, size_of_dtype(dtype));
        outputs[0].data = gradient;
    }
    bcel_status status = bcel_map(functions[function].function, &call, outputs);
    release(gradient);
    if (status != BCEL_OK) {
        fprintf(stderr, "%s: %s\n", functions[function].name, bcel_status_text(status));
        exit(2);
    }
}
