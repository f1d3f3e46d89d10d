# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""Calibrate a classifier: find a and b for which sigmoid(a x + b) predicts the labels of logits x.

Platt scaling by gradient descent. The loss and its gradient come from bcelogits without the GIL;
no C header of it is needed.
"""

from bcelogits cimport mean_and_grad_f64

import numpy as np


def calibrate(const double[::1] logits, const double[::1] labels, int steps=500, double rate=1.0):
    """Return a, b and the mean loss of each step."""
    cdef Py_ssize_t i, n = logits.shape[0]
    cdef double a = 1, b = 0, by_a, by_b
    cdef int step
    scaled_array, grad_array, losses_array = np.empty(n), np.empty(n), np.empty(steps)
    cdef double[::1] scaled = scaled_array, grad = grad_array, losses = losses_array
    with nogil:
        for step in range(steps):
            for i in range(n):
                scaled[i] = a * logits[i] + b
            losses[step] = mean_and_grad_f64(scaled, labels, grad)
            by_a = by_b = 0
            for i in range(n):
                by_a += grad[i] * logits[i]
                by_b += grad[i]
            a -= rate * by_a
            b -= rate * by_b
    return a, b, losses_array
