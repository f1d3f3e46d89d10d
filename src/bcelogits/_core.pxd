"""The loss of contiguous arrays, for Cython modules: `from bcelogits cimport mean_f64`.

Everything here may be called without the GIL. All arrays of a call have the same length, else
ValueError; a target outside [0, 1] is a ValueError that names it. The mean of nothing is NaN.
"""

cpdef float mean_f32(const float[::1] input, const float[::1] target) except? -1 nogil
cpdef double mean_f64(const double[::1] input, const double[::1] target) except? -1 nogil

cpdef float sum_f32(const float[::1] input, const float[::1] target) except? -1 nogil
cpdef double sum_f64(const double[::1] input, const double[::1] target) except? -1 nogil

# The loss of each element; its derivative by the logit. `out` may be one of the operands.
cpdef int loss_f32(const float[::1] input, const float[::1] target,
                   float[::1] out) except -1 nogil
cpdef int loss_f64(const double[::1] input, const double[::1] target,
                   double[::1] out) except -1 nogil

cpdef int grad_f32(const float[::1] input, const float[::1] target,
                   float[::1] out) except -1 nogil
cpdef int grad_f64(const double[::1] input, const double[::1] target,
                   double[::1] out) except -1 nogil

# The mean, and in the same pass its gradient.
cpdef float mean_and_grad_f32(const float[::1] input, const float[::1] target,
                              float[::1] grad) except? -1 nogil
cpdef double mean_and_grad_f64(const double[::1] input, const double[::1] target,
                               double[::1] grad) except? -1 nogil

# Of the logits alone.
cpdef int sigmoid_f32(const float[::1] input, float[::1] out) except -1 nogil
cpdef int sigmoid_f64(const double[::1] input, double[::1] out) except -1 nogil
