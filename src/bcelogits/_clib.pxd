"""The declarations of csrc/include/bcelogits.h.

They are apart from _core.pxd so that a module that cimports bcelogits needs no C header.
"""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "bcelogits.h" nogil:
    enum:
        BCEL_BLOCK
        BCEL_MAX_DIMS

    ctypedef enum bcel_status:
        BCEL_OK
        BCEL_TARGET_OUT_OF_RANGE
        BCEL_INVALID_ARGUMENT
        BCEL_UNKNOWN_ISA
        BCEL_UNSUPPORTED_ISA

    const char *bcel_status_text(bcel_status status)
    const char *bcel_version()
    int bcel_version_number()
    int bcel_abi_version()

    ctypedef enum bcel_dtype:
        BCEL_FLOAT32
        BCEL_FLOAT64
        BCEL_FLOAT16
        BCEL_BFLOAT16
        BCEL_BOOL
        BCEL_INT8
        BCEL_UINT8
        BCEL_INT16
        BCEL_UINT16
        BCEL_INT32
        BCEL_UINT32
        BCEL_INT64
        BCEL_UINT64

    ctypedef struct bcel_operand:
        const void *data
        const ptrdiff_t *strides
        bcel_dtype dtype
        int swapped

    ctypedef struct bcel_output:
        void *data
        const ptrdiff_t *strides
        bcel_dtype dtype
        int swapped

    enum:
        BCEL_CHECK
        BCEL_IGNORE_FLOAT
        BCEL_IGNORE_INT
        BCEL_COMPUTE_FLOAT64

    ctypedef struct bcel_call:
        int ndim
        const size_t *shape
        bcel_operand input
        bcel_operand target
        bcel_operand weight
        bcel_operand pos_weight
        bcel_operand where
        bcel_operand grad_output
        double label_smoothing
        double ignore_float
        int64_t ignore_int
        double hess_floor
        unsigned int flags

    void bcel_call_init(bcel_call *call)

    ctypedef enum bcel_function:
        BCEL_LOSS
        BCEL_GRAD
        BCEL_GRAD_TARGET
        BCEL_GRAD_WEIGHT
        BCEL_GRAD_POS_WEIGHT
        BCEL_LOSS_AND_GRAD
        BCEL_GRAD_AND_HESS
        BCEL_SIGMOID
        BCEL_LOG_SIGMOID
        BCEL_SOFTPLUS

    bcel_status bcel_map(bcel_function function, const bcel_call *call, const bcel_output *outputs)

    ctypedef enum bcel_reduction:
        BCEL_SUM
        BCEL_MEAN
        BCEL_WEIGHTED_MEAN

    bcel_status bcel_reduce(bcel_reduction reduction, int kept, const bcel_call *call,
                            const bcel_output *output)
    bcel_status bcel_value_and_grad(bcel_reduction reduction, double scale, const bcel_call *call,
                                    const bcel_output *value, const bcel_output *grad)
    bcel_status bcel_reduce_grad(bcel_function function, bcel_reduction reduction, double scale,
                                 int kept, const bcel_call *call, const bcel_output *output)
    bcel_status bcel_sum_grad(bcel_function function, int kept, const bcel_call *call,
                              const bcel_output *output)

    enum:
        BCEL_LIMBS

    ctypedef struct bcel_exact:
        int64_t limb[1]
        uint32_t pending
        uint32_t specials

    ctypedef struct bcel_accumulator:
        bcel_exact loss
        bcel_exact weight
        bcel_exact positive
        uint64_t count

    void bcel_accumulator_init(bcel_accumulator *accumulator)
    bcel_status bcel_accumulate(bcel_accumulator *accumulator, const bcel_call *call,
                                size_t first_block, size_t last_block)
    bcel_status bcel_accumulate_each(bcel_accumulator *accumulators, int kept,
                                     const bcel_call *call)
    void bcel_accumulator_merge(bcel_accumulator *accumulator, const bcel_accumulator *other)
    bcel_status bcel_accumulator_result(const bcel_accumulator *accumulator,
                                        bcel_reduction reduction, const bcel_output *output)
    bcel_status bcel_exact_result(const bcel_exact *sum, const bcel_output *output)

    bcel_status bcel_map_blocks(bcel_function function, const bcel_call *call,
                                const bcel_output *outputs, size_t first_block, size_t last_block)
    bcel_status bcel_reduce_blocks(bcel_accumulator *accumulator, bcel_reduction reduction,
                                   const bcel_call *call, size_t first_block, size_t last_block)
    bcel_status bcel_count_blocks(bcel_accumulator *counted, bcel_reduction reduction,
                                  const bcel_call *call, const bcel_output *grad,
                                  size_t first_block, size_t last_block)
    bcel_status bcel_value_and_grad_blocks(bcel_accumulator *accumulator,
                                           bcel_reduction reduction, double scale,
                                           const bcel_accumulator *counted, const bcel_call *call,
                                           const bcel_output *grad, size_t first_block,
                                           size_t last_block)

    bcel_status bcel_reduce_each_blocks(bcel_accumulator *accumulators, bcel_reduction reduction,
                                        int kept, const bcel_call *call, size_t first_block,
                                        size_t last_block)
    bcel_status bcel_accumulate_each_blocks(bcel_accumulator *accumulators, int kept,
                                            const bcel_call *call, size_t first_block,
                                            size_t last_block)
    bcel_status bcel_reduce_grad_blocks(bcel_function function, bcel_reduction reduction,
                                        double scale, const bcel_accumulator *counted,
                                        const bcel_call *call, const bcel_output *output,
                                        size_t first_block, size_t last_block)
    bcel_status bcel_reduce_grad_part(bcel_function function, bcel_reduction reduction,
                                      double scale, const bcel_accumulator *counted, int kept,
                                      const bcel_call *call, const bcel_output *output)
    bcel_status bcel_reduce_grad_result(bcel_function function, bcel_reduction reduction,
                                        double scale, const bcel_accumulator *counted,
                                        const bcel_accumulator *sum, const bcel_output *output)
    bcel_status bcel_sum_grad_blocks(bcel_accumulator *accumulators, bcel_function function,
                                     int kept, const bcel_call *call, size_t first_block,
                                     size_t last_block)

    size_t bcel_find_bad_target(const bcel_call *call)
    size_t bcel_find_negative(int ndim, const size_t *shape, const bcel_operand *operand)

    const char *bcel_active_isa()
    const char *bcel_isa_name(int i)
    int bcel_isa_supported(const char *name)
    bcel_status bcel_select_isa(const char *name)
