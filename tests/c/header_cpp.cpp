// The header from C++11: its functions have C linkage and its structs are plain.
#include "bcelogits.h"

#include <cstddef>

extern "C" const char *version_from_cpp()
{
    return bcel_version();
}

extern "C" double loss_from_cpp(double logit, double target)
{
    const std::size_t n = 1;
    double loss = -1;
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 1;
    call.shape = &n;
    call.input.data = &logit;
    call.input.dtype = BCEL_FLOAT64;
    call.target.data = &target;
    call.target.dtype = BCEL_FLOAT64;
    const bcel_output output = {&loss, nullptr, BCEL_FLOAT64, 0};
    return bcel_map(BCEL_LOSS, &call, &output) == BCEL_OK ? loss : -2;
}
