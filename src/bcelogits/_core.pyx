# cython: language_level=3
# cython: freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The C library, called with arrays: pointers, strides and dtypes in, exceptions for statuses out.

No arithmetic happens here. `Call` serves every function of the package; `Loss` is the short way of
BCEWithLogitsLoss to the same C functions; the functions with a dtype in their name are for Cython.
"""

cimport cython
cimport numpy as cnp
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_INCREF
from libc.math cimport isfinite
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport SIZE_MAX, int64_t, uint32_t
from libc.string cimport memcpy

from bcelogits._clib cimport *

import numpy as np

cnp.import_array()

cdef extern from "Python.h":
    ctypedef struct PyThreadState
    PyThreadState *PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState *state)

cdef extern from "numpy/ndarrayobject.h":
    object PyArray_Scalar(void *data, cnp.dtype dtype, object base)
    cnp.ndarray PyArray_NewLikeArray(
        cnp.ndarray like, cnp.NPY_ORDER order, cnp.dtype dtype, int subok
    )

cdef extern from *:
    """
    #include "numpy/arrayscalars.h"

    /* What PyArray_Scalar makes of these two types, by a shorter way. */
    static inline PyObject *new_float32(float value)
    {
        PyObject *scalar = PyArrayScalar_New(Float);
        if (scalar != NULL) PyArrayScalar_ASSIGN(scalar, Float, value);
        return scalar;
    }

    static inline PyObject *new_float64(double value)
    {
        PyObject *scalar = PyArrayScalar_New(Double);
        if (scalar != NULL) PyArrayScalar_ASSIGN(scalar, Double, value);
        return scalar;
    }
    """
    object new_float32(float value)
    object new_float64(double value)

cdef extern from *:
    """
    /* Of a number that threads without a GIL share. */
    #if defined(_MSC_VER) && !defined(__clang__)
    static inline int load_int(const int *p) { return *(const volatile int *)p; }
    static inline void store_int(int *p, int value) { *(volatile int *)p = value; }
    #else
    static inline int load_int(const int *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
    static inline void store_int(int *p, int value) { __atomic_store_n(p, value, __ATOMIC_RELAXED); }
    #endif
    """
    int load_int(const int *p)
    void store_int(int *p, int value)


# ---- names for Python ----------------------------------------------------------------------------

LOSS = BCEL_LOSS
GRAD = BCEL_GRAD
GRAD_TARGET = BCEL_GRAD_TARGET
GRAD_WEIGHT = BCEL_GRAD_WEIGHT
GRAD_POS_WEIGHT = BCEL_GRAD_POS_WEIGHT
LOSS_AND_GRAD = BCEL_LOSS_AND_GRAD
GRAD_AND_HESS = BCEL_GRAD_AND_HESS
SIGMOID = BCEL_SIGMOID
LOG_SIGMOID = BCEL_LOG_SIGMOID
SOFTPLUS = BCEL_SOFTPLUS

REDUCTIONS = {"mean": BCEL_MEAN, "sum": BCEL_SUM, "weighted_mean": BCEL_WEIGHTED_MEAN}

BLOCK = BCEL_BLOCK

ALONE = 1 << 18  # calls on fewer elements are the work of one thread

cdef enum:
    SHORT = 1 << 15  # calls on fewer elements are never cut

__version__ = bcel_version().decode()
ABI_VERSION = bcel_abi_version()


# ---- dtypes --------------------------------------------------------------------------------------

cdef enum:
    NUMPY_TYPES = 24  # NumPy's own types are numbered below; those that others register, from 256

cdef int[NUMPY_TYPES] numpy_codes  # written at import; 0: not known to the library
cdef int bfloat16_num = -1  # given to bfloat16 when ml_dtypes is imported; any thread may find it
cdef cnp.dtype float64 = np.dtype(np.float64)


cdef void number_dtypes():
    sizes = {
        "b": {1: BCEL_BOOL},
        "i": {1: BCEL_INT8, 2: BCEL_INT16, 4: BCEL_INT32, 8: BCEL_INT64},
        "u": {1: BCEL_UINT8, 2: BCEL_UINT16, 4: BCEL_UINT32, 8: BCEL_UINT64},
        # long double has 8 bytes where the compiler makes it a double
        "f": {2: BCEL_FLOAT16, 4: BCEL_FLOAT32, 8: BCEL_FLOAT64},
    }
    for i in range(NUMPY_TYPES):
        numpy_codes[i] = 0
    for char in "?bBhHiIlLqQefdg":
        dtype = np.dtype(char)
        numpy_codes[dtype.num] = sizes[dtype.kind].get(dtype.itemsize, 0)


number_dtypes()


cdef int code_of(cnp.dtype dtype) except -1:
    """The library's number of a dtype, or 0."""
    cdef int num = dtype.type_num
    if 0 <= num < NUMPY_TYPES:
        return numpy_codes[num]
    if num == load_int(&bfloat16_num):
        return BCEL_BFLOAT16
    if (<object>dtype).name == "bfloat16":
        store_int(&bfloat16_num, num)
        return BCEL_BFLOAT16
    return 0


cdef int code_of_array(cnp.ndarray array) except -1:
    cdef int num = cnp.PyArray_TYPE(array)
    return numpy_codes[num] if 0 <= num < NUMPY_TYPES else code_of(array.descr)


def is_real(cnp.dtype dtype not None):
    """Whether the library reads this dtype."""
    return code_of(dtype) != 0


cdef inline bint is_code_of_logits(int code) noexcept:
    """Whether logits may be of a type: uint16 is that of bit patterns."""
    return code != 0 and code != BCEL_UINT16


def is_logit(cnp.dtype dtype not None):
    """Whether the library reads logits of this dtype."""
    return is_code_of_logits(code_of(dtype))


def is_floating(cnp.dtype dtype not None):
    """Whether the library also writes it."""
    return code_of(dtype) in (BCEL_FLOAT16, BCEL_BFLOAT16, BCEL_FLOAT32, BCEL_FLOAT64)


# ---- operands ------------------------------------------------------------------------------------

cdef enum:
    INPUT
    TARGET
    WEIGHT
    POS_WEIGHT
    WHERE
    GRAD_OUTPUT
    OPERANDS

NAMES = ("input", "target", "weight", "pos_weight", "where", "grad_output")

cdef struct Frame:
    # A bcel_call with the shape and the strides that it points to.
    bcel_call call
    size_t n
    size_t[BCEL_MAX_DIMS] shape
    ptrdiff_t[OPERANDS][BCEL_MAX_DIMS] strides

cdef struct Vectors:
    # A bcel_call of one dimension with the extent that it points to.
    bcel_call call
    size_t n

cdef union Value:
    float single
    double dbl

cdef enum Fit:
    FITS
    UNKNOWN_DTYPE
    DOES_NOT_BROADCAST

cdef char nothing = 0  # where operands without elements point to: NULL would mean absent


cdef void start_frame(Frame *frame, cnp.ndarray input) noexcept:
    """A call with the shape of the logits, and no operand yet."""
    cdef int d
    bcel_call_init(&frame.call)
    frame.call.ndim = cnp.PyArray_NDIM(input)
    frame.call.shape = frame.shape
    frame.n = cnp.PyArray_SIZE(input)
    for d in range(frame.call.ndim):
        frame.shape[d] = cnp.PyArray_DIMS(input)[d]


cdef bcel_operand *operand_of(bcel_call *call, int slot) noexcept:
    if slot == INPUT:
        return &call.input
    if slot == TARGET:
        return &call.target
    if slot == WEIGHT:
        return &call.weight
    if slot == POS_WEIGHT:
        return &call.pos_weight
    if slot == WHERE:
        return &call.where
    return &call.grad_output


cdef Fit set_operand(Frame *frame, int slot, cnp.ndarray array) except *:
    """Enter an array, broadcast to the shape of the call by strides of 0."""
    cdef bcel_operand *operand = operand_of(&frame.call, slot)
    cdef int code = code_of_array(array)
    cdef int ndim = frame.call.ndim
    cdef int missing = ndim - cnp.PyArray_NDIM(array)
    cdef int d
    cdef size_t extent
    if not code:
        return UNKNOWN_DTYPE
    if missing < 0:
        return DOES_NOT_BROADCAST
    for d in range(ndim):
        extent = cnp.PyArray_DIMS(array)[d - missing] if d >= missing else 1
        if extent == 1:
            frame.strides[slot][d] = 0
        elif extent == frame.shape[d]:
            frame.strides[slot][d] = cnp.PyArray_STRIDES(array)[d - missing]
        else:
            return DOES_NOT_BROADCAST
    operand.data = cnp.PyArray_DATA(array)
    if operand.data == NULL:
        operand.data = &nothing
    operand.strides = frame.strides[slot]
    operand.dtype = <bcel_dtype>code
    operand.swapped = cnp.PyArray_ISBYTESWAPPED(array)
    return FITS


cdef const ptrdiff_t standing = 0  # the stride of an array of one element


cdef inline bint set_packed(bcel_operand *operand, cnp.ndarray array) noexcept:
    """Enter an array as contiguous, if it is so and of one of NumPy's own types."""
    cdef int num = cnp.PyArray_TYPE(array)
    if not cnp.PyArray_ISCARRAY_RO(array) or not 0 <= num < NUMPY_TYPES or not numpy_codes[num]:
        return False
    operand.data = cnp.PyArray_DATA(array)
    operand.strides = NULL
    operand.dtype = <bcel_dtype>numpy_codes[num]
    operand.swapped = 0
    return True


cdef inline bint set_even(bcel_operand *operand, cnp.ndarray array, cnp.ndarray input) noexcept:
    """Enter a packed array of the shape of the logits, or of one element and no more axes."""
    if not set_packed(operand, array):
        return False
    if cnp.PyArray_SAMESHAPE(array, input):
        return True
    operand.strides = &standing
    return cnp.PyArray_SIZE(array) == 1 and cnp.PyArray_NDIM(array) <= cnp.PyArray_NDIM(input)


cdef int set_output(bcel_output *output, cnp.ndarray array) except -1:
    if not cnp.PyArray_ISWRITEABLE(array):
        raise ValueError("output array is read-only")
    output.data = cnp.PyArray_DATA(array)
    output.strides = <const ptrdiff_t *>cnp.PyArray_STRIDES(array)
    output.dtype = <bcel_dtype>code_of_array(array)
    output.swapped = cnp.PyArray_ISBYTESWAPPED(array)
    return 0


cdef PyThreadState *release_gil(size_t n) noexcept:
    """Let other threads run during the work on n elements.

    Within one block it is done in a few microseconds, about what another thread takes to wake up,
    and less than what this one may wait to go on.
    """
    return PyEval_SaveThread() if n >= BCEL_BLOCK else NULL


cdef void acquire_gil(PyThreadState *state) noexcept:
    if state != NULL:
        PyEval_RestoreThread(state)


cdef inline int hear_signals(Py_ssize_t i) except -1:
    """Let an interrupt be heard in a loop over parts: at each of so many that take a millisecond."""
    return PyErr_CheckSignals() if i % 256 == 255 else 0


cdef tuple unravel(size_t i, tuple shape):
    """The index of the i-th element in C order."""
    index = []
    for extent in reversed(shape):
        index.append(i % extent)
        i //= extent
    return tuple(reversed(index))


cdef enum Sum:
    LOSS_SUM
    WEIGHT_SUM
    POSITIVE_SUM
    SUMS
    RESULT  # of a reduction


@cython.final
@cython.auto_pickle(False)
cdef class Accumulator:
    """What some elements add up to, or each of `size` parts of them. Each thread has its own."""

    cdef bcel_accumulator *sums
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t room

    def __cinit__(self, Py_ssize_t size=1):
        cdef Py_ssize_t i
        self.sums = <bcel_accumulator *>PyMem_Calloc(max(size, 1), sizeof(bcel_accumulator))
        if self.sums == NULL:
            raise MemoryError
        self.size = self.room = size
        for i in range(size):
            bcel_accumulator_init(&self.sums[i])

    def __dealloc__(self):
        PyMem_Free(self.sums)

    def merge(self, Accumulator other not None):
        """Add what another of the same size has. An interrupt may leave only some of it added."""
        cdef Py_ssize_t i
        if other.size != self.size:
            raise ValueError(f"accumulators of sizes {self.size} and {other.size}")
        for i in range(self.size):
            hear_signals(i)
            bcel_accumulator_merge(&self.sums[i], &other.sums[i])

    def merge_into(self, Accumulator into not None, cnp.intp_t[::1] parts not None):
        """Add each part to the part of another that `parts` says."""
        cdef Py_ssize_t i
        check_parts(parts, self.size, into.size)
        for i in range(self.size):
            bcel_accumulator_merge(&into.sums[parts[i]], &self.sums[i])

    def part(self, Py_ssize_t start, Py_ssize_t stop):
        """A copy of the parts start <= i < stop."""
        cdef Accumulator new
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"parts {start} to {stop} of {self.size}")
        new = Accumulator(stop - start)
        memcpy(new.sums, self.sums + start, (stop - start) * sizeof(bcel_accumulator))
        return new

    def extend(self, Py_ssize_t size):
        """Have that many parts, if there are fewer; nothing is added to the new ones yet."""
        cdef bcel_accumulator *sums
        cdef Py_ssize_t i, room
        if size > self.room:
            room = max(size, self.room + self.room // 2)  # many new parts are few copies
            sums = <bcel_accumulator *>PyMem_Realloc(self.sums, room * sizeof(bcel_accumulator))
            if sums == NULL:
                raise MemoryError
            self.sums, self.room = sums, room
        for i in range(self.size, size):
            bcel_accumulator_init(&self.sums[i])
        self.size = max(self.size, size)

    def result(self, bcel_reduction reduction, cnp.ndarray out not None):
        """Write the value of the reduction to an array of no dimensions."""
        cdef bcel_output output
        set_output(&output, out)
        check_status(bcel_accumulator_result(self.sums, reduction, &output))

    def results(self, bcel_reduction reduction, dtype=np.float64):
        """Values of the reduction."""
        return self.values(reduction, RESULT, dtype)

    def grad_results(
        self,
        bcel_function function,
        bcel_reduction reduction,
        double scale,
        Accumulator counted not None,
        dtype,
    ):
        """Gradients of a reduction, of what `sum_grad_blocks` added."""
        cdef cnp.ndarray values = np.empty(self.size, dtype)
        cdef bcel_output output
        cdef Py_ssize_t i
        set_output(&output, values)
        output.strides = NULL
        for i in range(self.size):
            hear_signals(i)
            output.data = cnp.PyArray_BYTES(values) + i * cnp.PyArray_ITEMSIZE(values)
            check_status(
                bcel_reduce_grad_result(
                    function, reduction, scale, counted.sums, &self.sums[i], &output
                )
            )
        return values

    def weights(self):
        """Sums of weights."""
        return self.values(BCEL_SUM, WEIGHT_SUM, np.float64)

    def positives(self):
        """Sums of weights times targets."""
        return self.values(BCEL_SUM, POSITIVE_SUM, np.float64)

    cdef cnp.ndarray values(self, bcel_reduction reduction, Sum which, dtype):
        cdef cnp.ndarray values = np.empty(self.size, dtype)
        cdef bcel_output output
        cdef Py_ssize_t i
        set_output(&output, values)
        output.strides = NULL
        for i in range(self.size):
            hear_signals(i)
            output.data = cnp.PyArray_BYTES(values) + i * cnp.PyArray_ITEMSIZE(values)
            if which == RESULT:
                check_status(bcel_accumulator_result(&self.sums[i], reduction, &output))
            else:
                check_status(bcel_exact_result(exact_of(&self.sums[i], which), &output))
        return values

    def counts(self):
        """Numbers of counted elements."""
        return np.array([self.sums[i].count for i in range(self.size)], np.int64)

    def state(self):
        """All there is to know, as integers: for each part its count, and for each sum its value
        in units of the smallest number that can be added, and the infinities and NaN seen."""
        parts = []
        for i in range(self.size):
            hear_signals(i)
            sums = [exact_state(exact_of(&self.sums[i], which)) for which in range(SUMS)]
            parts.append((self.sums[i].count, sums))
        return parts

    @staticmethod
    def from_state(list parts not None):
        """The opposite of `state`."""
        cdef Accumulator new = Accumulator(len(parts))
        for i, (count, sums) in enumerate(parts):
            hear_signals(i)
            new.sums[i].count = count
            for which in range(SUMS):
                value, specials = sums[which]
                set_exact(exact_of(&new.sums[i], which), value, specials)
        return new

    # As it is in memory: it goes to another process of this machine, or of a cluster of equals.
    def __reduce__(self):
        cdef Py_ssize_t size = self.size * <Py_ssize_t>sizeof(bcel_accumulator)
        content = PyBytes_FromStringAndSize(<char *>self.sums, size)
        return accumulator_of_bytes, (ABI_VERSION, content)


def accumulator_of_bytes(version, bytes content not None):
    """The opposite of pickling."""
    cdef Py_ssize_t each = sizeof(bcel_accumulator)
    cdef Accumulator new
    if version != ABI_VERSION or len(content) % each:
        raise ValueError("these sums were pickled by another version of bcelogits")
    new = Accumulator(len(content) // each)
    memcpy(new.sums, <const char *>content, len(content))
    return new


cdef int check_room(
    Accumulator sums, Py_ssize_t first_part, int kept, const bcel_call *call
) except -1:
    """Raise unless there is a part for each index of the first `kept` axes."""
    cdef size_t count = 1
    cdef int d
    for d in range(kept):
        count *= call.shape[d]
    if first_part < 0 or first_part + <Py_ssize_t>count > sums.size:
        raise ValueError(f"{count} parts from {first_part} on, of {sums.size}")
    return 0


cdef int check_parts(cnp.intp_t[::1] parts, Py_ssize_t size, Py_ssize_t limit) except -1:
    cdef Py_ssize_t i
    if parts.shape[0] != size:
        raise ValueError(f"{parts.shape[0]} parts are named for {size}")
    for i in range(size):
        if not 0 <= parts[i] < limit:
            raise IndexError(f"part {parts[i]} of {limit}")
    return 0


cdef bcel_exact *exact_of(bcel_accumulator *sums, int which) noexcept:
    if which == LOSS_SUM:
        return &sums.loss
    return &sums.weight if which == WEIGHT_SUM else &sums.positive


cdef tuple exact_state(const bcel_exact *sum):
    value = 0
    for i in reversed(range(BCEL_LIMBS)):
        value = (value << 32) + sum.limb[i]
    return value, sum.specials


cdef int set_exact(bcel_exact *sum, value, uint32_t specials) except -1:
    for i in range(BCEL_LIMBS - 1):
        sum.limb[i] = value & 0xFFFFFFFF
        value >>= 32
    sum.limb[BCEL_LIMBS - 1] = value
    sum.pending = 1
    sum.specials = specials
    return 0


class TargetOutOfRangeError(RuntimeError):
    """A piece of a call met a target outside [0, 1]; which is the first is for the caller to find."""


cdef int check_piece(bcel_status status) except -1:
    if status == BCEL_TARGET_OUT_OF_RANGE:
        raise TargetOutOfRangeError(bcel_status_text(status).decode())
    return check_status(status)


cdef int check_status(bcel_status status) except -1:
    if status != BCEL_OK:
        raise RuntimeError(bcel_status_text(status).decode())
    return 0


@cython.final
@cython.auto_pickle(False)
cdef class Call:
    """Operands that broadcast to the shape of the logits, and the options of a computation.

    Parameters
    ----------
    input : ndarray
        Logits.
    target : ndarray, optional
        Of the shape of `input`. Only functions of the logits alone do without.
    weight, pos_weight, where, grad_output : ndarray, optional
        Broadcast against `input`.
    label_smoothing, hess_floor : float
    ignore_index : int or float, optional
    check : bool
        Whether a target outside [0, 1] is an error.
    float64 : bool
        Compute in double whatever the dtype of `input`.

    Raises
    ------
    TypeError
        If an operand has a dtype that the library does not read.
    ValueError
        If an operand does not broadcast to the shape of `input`.
    """

    cdef Frame frame
    cdef tuple arrays
    cdef bint is_part

    def __init__(
        self,
        cnp.ndarray input not None,
        cnp.ndarray target=None,
        cnp.ndarray weight=None,
        cnp.ndarray pos_weight=None,
        cnp.ndarray where=None,
        cnp.ndarray grad_output=None,
        *,
        double label_smoothing=0.0,
        double hess_floor=0.0,
        ignore_index=None,
        bint check=True,
        bint float64=False,
    ):
        cdef bcel_call *call = &self.frame.call
        cdef int slot
        cdef Fit fit
        self.arrays = (input, target, weight, pos_weight, where, grad_output)
        start_frame(&self.frame, input)
        for slot in range(OPERANDS):
            array = self.arrays[slot]
            if array is None:
                continue
            fit = set_operand(&self.frame, slot, array)
            if fit == UNKNOWN_DTYPE:
                raise TypeError(f"{NAMES[slot]} of dtype {array.dtype} is not supported")
            if fit == DOES_NOT_BROADCAST:
                raise ValueError(
                    f"{NAMES[slot]} of shape {array.shape} does not broadcast to the shape of "
                    f"input, {(<object>input).shape}"
                )
        call.label_smoothing = label_smoothing
        call.hess_floor = hess_floor
        call.flags = BCEL_CHECK if check else 0
        if float64:
            call.flags |= BCEL_COMPUTE_FLOAT64
        if isinstance(ignore_index, int):
            call.flags |= BCEL_IGNORE_INT
            call.ignore_int = ignore_index
        elif ignore_index is not None:
            call.flags |= BCEL_IGNORE_FLOAT
            call.ignore_float = ignore_index

    @property
    def size(self):
        """Number of elements."""
        return self.frame.n

    @property
    def shape(self):
        """Shape of the logits."""
        return tuple([self.frame.shape[d] for d in range(self.frame.call.ndim)])

    def part(self, tuple order, tuple box not None):
        """The call with its axes in this order, and of the first of them what slices say.

        Of a target outside [0, 1] it only says that there is one.
        """
        cdef Call part = Call.__new__(Call)
        cdef Frame *frame = &part.frame
        cdef bcel_operand *operand
        cdef int d, slot
        cdef Py_ssize_t start, stop
        part.is_part = True
        part.arrays = self.arrays  # which are to live as long
        self.arranged(frame, order if order is not None else tuple(range(self.frame.call.ndim)))
        for d in range(<int>len(box)):
            start, stop = box[d].start, box[d].stop
            frame.shape[d] = stop - start
            for slot in range(OPERANDS):
                operand = operand_of(&frame.call, slot)
                if operand.data != NULL:
                    operand.data = <const char *>operand.data + start * operand.strides[d]
        frame.n = 1
        for d in range(frame.call.ndim):
            frame.n *= frame.shape[d]
        return part

    def reads_to_count(self, bcel_reduction reduction):
        """Whether `count_blocks` has anything to read."""
        cdef bcel_call *call = &self.frame.call
        if reduction == BCEL_SUM:
            return False
        return (
            call.where.data != NULL
            or call.flags & (BCEL_IGNORE_FLOAT | BCEL_IGNORE_INT) != 0
            or (reduction == BCEL_WEIGHTED_MEAN and call.weight.data != NULL)
        )

    cdef const bcel_call *arranged(self, Frame *frame, tuple order) except NULL:
        """The call with its dimensions in this order; `frame` is room for it."""
        cdef const Frame *own = &self.frame
        cdef int d, axis, slot
        cdef bcel_operand *operand
        if order is None:
            return &own.call
        frame.call = own.call
        frame.call.shape = frame.shape
        for slot in range(OPERANDS):
            operand = operand_of(&frame.call, slot)
            if operand.data != NULL:
                operand.strides = frame.strides[slot]
        for d in range(own.call.ndim):
            axis = order[d]
            frame.shape[d] = own.shape[axis]
            for slot in range(OPERANDS):
                frame.strides[slot][d] = own.strides[slot][axis]
        return &frame.call

    cdef int succeed(self, bcel_status status) except -1:
        if status == BCEL_TARGET_OUT_OF_RANGE and not self.is_part:
            index = self.find_bad_target()
            if index is not None:
                self.refuse_target(index)
        return check_piece(status)

    def find_bad_target(self):
        """Index of the first counted target outside [0, 1], or None."""
        cdef PyThreadState *state = release_gil(self.frame.n)
        cdef size_t i = bcel_find_bad_target(&self.frame.call)
        acquire_gil(state)
        return None if i == SIZE_MAX else unravel(i, self.shape)

    def refuse_target(self, tuple index not None):
        """Raise a ValueError that names this target."""
        place = f"[{', '.join(map(str, index))}]" if index else ""
        raise ValueError(f"target{place} is {self.arrays[TARGET][index]}, outside [0, 1]")

    def map(self, bcel_function function, cnp.ndarray out not None, cnp.ndarray out2=None):
        """Write one value, or two, for each element. Outputs have the shape of the logits."""
        self.succeed(self.map_range(function, out, out2, 0, SIZE_MAX))

    def map_blocks(
        self,
        bcel_function function,
        cnp.ndarray out not None,
        cnp.ndarray out2,
        size_t first_block,
        size_t last_block,
    ):
        """Do what `map` does, of some blocks."""
        check_piece(self.map_range(function, out, out2, first_block, last_block))

    cdef bcel_status map_range(
        self,
        bcel_function function,
        cnp.ndarray out,
        cnp.ndarray out2,
        size_t first_block,
        size_t last_block,
    ) except *:
        cdef bcel_output[2] outputs
        cdef bcel_status status
        cdef PyThreadState *state
        set_output(&outputs[0], out)
        if out2 is not None:
            set_output(&outputs[1], out2)
        state = release_gil(self.frame.n)
        status = bcel_map_blocks(
            function, &self.frame.call, outputs, first_block, last_block
        )
        acquire_gil(state)
        return status

    def reduce(self, bcel_reduction reduction, cnp.ndarray out not None, tuple order=None):
        """Reduce all but the first out.ndim axes of `order`."""
        cdef Frame room
        cdef const bcel_call *call = self.arranged(&room, order)
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        cdef int kept = cnp.PyArray_NDIM(out)
        set_output(&output, out)
        state = release_gil(self.frame.n)
        status = bcel_reduce(reduction, kept, call, &output)
        acquire_gil(state)
        self.succeed(status)

    def value_and_grad(
        self,
        bcel_reduction reduction,
        double scale,
        cnp.ndarray value not None,
        cnp.ndarray grad not None,
    ):
        """Reduce everything, and write the gradient by the logits times `scale`."""
        cdef bcel_output[2] outputs
        cdef bcel_status status
        cdef PyThreadState *state
        set_output(&outputs[0], value)
        set_output(&outputs[1], grad)
        state = release_gil(self.frame.n)
        status = bcel_value_and_grad(reduction, scale, &self.frame.call, &outputs[0], &outputs[1])
        acquire_gil(state)
        self.succeed(status)

    def reduce_blocks(
        self,
        Accumulator sums not None,
        bcel_reduction reduction,
        size_t first_block,
        size_t last_block,
    ):
        """Add blocks of a reduction of everything."""
        cdef bcel_status status
        cdef PyThreadState *state = release_gil(self.frame.n)
        status = bcel_reduce_blocks(
            sums.sums, reduction, &self.frame.call, first_block, last_block
        )
        acquire_gil(state)
        check_piece(status)

    def accumulate(self, Accumulator sums not None):
        """Add everything to the only part of an accumulator."""
        cdef bcel_status status
        cdef PyThreadState *state = release_gil(self.frame.n)
        status = bcel_accumulate(sums.sums, &self.frame.call, 0, SIZE_MAX)
        acquire_gil(state)
        self.succeed(status)

    def accumulate_blocks(
        self, Accumulator sums not None, size_t first_block, size_t last_block
    ):
        """Add blocks to the only part of an accumulator."""
        cdef bcel_status status
        cdef PyThreadState *state = release_gil(self.frame.n)
        status = bcel_accumulate(sums.sums, &self.frame.call, first_block, last_block)
        acquire_gil(state)
        check_piece(status)

    def accumulate_runs(
        self,
        Accumulator sums not None,
        cnp.intp_t[::1] starts not None,
        cnp.intp_t[::1] parts not None,
    ):
        """Add the elements of a 1-D call from each start to the next to the part of its number.

        On an error some runs may have been added.
        """
        cdef Frame room
        cdef bcel_operand *operand
        cdef const char *data[OPERANDS]
        cdef bcel_status status = BCEL_OK
        cdef PyThreadState *state
        cdef int slot
        cdef Py_ssize_t i, stop
        cdef Py_ssize_t runs = starts.shape[0]
        if self.frame.call.ndim != 1:
            raise ValueError(f"runs are of one dimension, not {self.frame.call.ndim}")
        check_parts(parts, runs, sums.size)
        check_parts(starts, runs, self.frame.n)
        self.arranged(&room, (0,))
        for slot in range(OPERANDS):
            data[slot] = <const char *>operand_of(&room.call, slot).data
        state = release_gil(self.frame.n)
        for i in range(runs):
            stop = starts[i + 1] if i + 1 < runs else self.frame.n
            if stop < starts[i]:
                status = BCEL_INVALID_ARGUMENT
                break
            room.shape[0] = stop - starts[i]
            for slot in range(OPERANDS):
                operand = operand_of(&room.call, slot)
                if operand.data != NULL:
                    operand.data = data[slot] + starts[i] * operand.strides[0]
            status = bcel_accumulate(&sums.sums[parts[i]], &room.call, 0, SIZE_MAX)
            if status != BCEL_OK:
                break
        acquire_gil(state)
        self.succeed(status)

    def accumulate_each(
        self,
        Accumulator sums not None,
        int kept,
        tuple order=None,
        Py_ssize_t first_part=0,
    ):
        """Add to each part, from a first on, what has its index of the first `kept` axes."""
        cdef Frame room
        cdef const bcel_call *call = self.arranged(&room, order)
        cdef bcel_status status
        cdef PyThreadState *state
        check_room(sums, first_part, kept, call)
        state = release_gil(self.frame.n)
        status = bcel_accumulate_each(sums.sums + first_part, kept, call)
        acquire_gil(state)
        self.succeed(status)

    def accumulate_each_blocks(
        self, Accumulator sums not None, int kept, size_t first_block, size_t last_block
    ):
        """Add to each part blocks of what has its index of the first `kept` axes."""
        cdef bcel_status status
        cdef PyThreadState *state
        check_room(sums, 0, kept, &self.frame.call)
        state = release_gil(self.frame.n)
        status = bcel_accumulate_each_blocks(
            sums.sums, kept, &self.frame.call, first_block, last_block
        )
        acquire_gil(state)
        check_piece(status)

    def reduce_each_blocks(
        self,
        Accumulator sums not None,
        bcel_reduction reduction,
        int kept,
        size_t first_block,
        size_t last_block,
    ):
        """Add to each part what a reduction needs of these blocks."""
        cdef bcel_status status
        cdef PyThreadState *state
        check_room(sums, 0, kept, &self.frame.call)
        state = release_gil(self.frame.n)
        status = bcel_reduce_each_blocks(
            sums.sums, reduction, kept, &self.frame.call, first_block, last_block
        )
        acquire_gil(state)
        check_piece(status)

    def count_blocks(
        self,
        Accumulator counted not None,
        bcel_reduction reduction,
        cnp.ndarray grad,
        size_t first_block,
        size_t last_block,
    ):
        """Add what a gradient of the reduction has to know of all blocks beforehand.

        `grad` is that of `value_and_grad_blocks`, or None.
        """
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        if grad is not None:
            set_output(&output, grad)
        state = release_gil(self.frame.n)
        status = bcel_count_blocks(
            counted.sums, reduction, &self.frame.call,
            NULL if grad is None else &output, first_block, last_block,
        )
        acquire_gil(state)
        check_piece(status)

    def value_and_grad_blocks(
        self,
        Accumulator sums not None,
        bcel_reduction reduction,
        double scale,
        Accumulator counted not None,
        cnp.ndarray grad not None,
        size_t first_block,
        size_t last_block,
    ):
        """Add blocks of a reduction of everything, and write their part of the gradient."""
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        set_output(&output, grad)
        state = release_gil(self.frame.n)
        status = bcel_value_and_grad_blocks(
            sums.sums, reduction, scale, counted.sums, &self.frame.call, &output,
            first_block, last_block,
        )
        acquire_gil(state)
        check_piece(status)

    def reduce_grad(
        self,
        bcel_function function,
        bcel_reduction reduction,
        double scale,
        cnp.ndarray out not None,
        tuple order=None,
    ):
        """Gradient of a reduction of everything, summed over all but the first out.ndim axes."""
        cdef Frame room
        cdef const bcel_call *call = self.arranged(&room, order)
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        cdef int kept = cnp.PyArray_NDIM(out)
        set_output(&output, out)
        state = release_gil(self.frame.n)
        status = bcel_reduce_grad(function, reduction, scale, kept, call, &output)
        acquire_gil(state)
        self.succeed(status)

    def sum_grad(self, bcel_function function, cnp.ndarray out not None, tuple order=None):
        """Elementwise derivative, summed over all but the first out.ndim axes of `order`."""
        cdef Frame room
        cdef const bcel_call *call = self.arranged(&room, order)
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        cdef int kept = cnp.PyArray_NDIM(out)
        set_output(&output, out)
        state = release_gil(self.frame.n)
        status = bcel_sum_grad(function, kept, call, &output)
        acquire_gil(state)
        self.succeed(status)

    def sum_grad_blocks(
        self,
        Accumulator sums not None,
        bcel_function function,
        int kept,
        size_t first_block,
        size_t last_block,
    ):
        """Add to each part blocks of an elementwise derivative."""
        cdef bcel_status status
        cdef PyThreadState *state
        check_room(sums, 0, kept, &self.frame.call)
        state = release_gil(self.frame.n)
        status = bcel_sum_grad_blocks(
            sums.sums, function, kept, &self.frame.call, first_block, last_block
        )
        acquire_gil(state)
        check_piece(status)

    def reduce_grad_part(
        self,
        bcel_function function,
        bcel_reduction reduction,
        double scale,
        Accumulator counted not None,
        cnp.ndarray out not None,
    ):
        """Do what `reduce_grad` does, of values that are whole; `counted` is of the whole call."""
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        set_output(&output, out)
        state = release_gil(self.frame.n)
        status = bcel_reduce_grad_part(
            function, reduction, scale, counted.sums, cnp.PyArray_NDIM(out), &self.frame.call,
            &output,
        )
        acquire_gil(state)
        self.succeed(status)

    def reduce_grad_blocks(
        self,
        bcel_function function,
        bcel_reduction reduction,
        double scale,
        Accumulator counted not None,
        cnp.ndarray out not None,
        size_t first_block,
        size_t last_block,
    ):
        """Do what `reduce_grad` does, of some blocks, where each element has a gradient."""
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        set_output(&output, out)
        state = release_gil(self.frame.n)
        status = bcel_reduce_grad_blocks(
            function, reduction, scale, counted.sums, &self.frame.call, &output,
            first_block, last_block,
        )
        acquire_gil(state)
        check_piece(status)


def find_negative(cnp.ndarray array not None):
    """Index of the first value that is negative or NaN, or None."""
    cdef Frame frame
    cdef size_t i
    cdef PyThreadState *state
    start_frame(&frame, array)
    set_operand(&frame, INPUT, array)
    state = release_gil(frame.n)
    i = bcel_find_negative(frame.call.ndim, frame.shape, &frame.call.input)
    acquire_gil(state)
    return None if i == SIZE_MAX else unravel(i, (<object>array).shape)


def same_view(cnp.ndarray a not None, cnp.ndarray b not None):
    """Whether two arrays are the same memory, read in the same way."""
    cdef int d
    if (
        cnp.PyArray_DATA(a) != cnp.PyArray_DATA(b)
        or cnp.PyArray_NDIM(a) != cnp.PyArray_NDIM(b)
        or cnp.PyArray_DESCR(a) != cnp.PyArray_DESCR(b)
    ):
        return False
    for d in range(cnp.PyArray_NDIM(a)):
        if (
            cnp.PyArray_DIMS(a)[d] != cnp.PyArray_DIMS(b)[d]
            or cnp.PyArray_STRIDES(a)[d] != cnp.PyArray_STRIDES(b)[d]
        ):
            return False
    return True


# ---- the short way -------------------------------------------------------------------------------

cdef enum:
    NONE = -1  # beside the members of bcel_reduction

@cython.auto_pickle(False)
cdef class Loss:
    """Holds the arguments of BCEWithLogitsLoss, and answers its plain calls without Python code.

    The arguments are those of BCEWithLogitsLoss, validated. A call goes to the method ``forward``
    unless both operands are of type ndarray, have the same shape and need no conversion; so it does
    if the result is an error or deserves a warning.

    Parameters
    ----------
    plain : bool
        False: every call goes to ``forward``.
    """

    cdef readonly object weight
    cdef readonly object pos_weight
    cdef readonly str reduction
    cdef readonly double label_smoothing
    cdef readonly object ignore_index
    cdef readonly bint check
    cdef readonly object num_threads
    cdef bint plain
    cdef int code
    cdef bint may_be_empty  # a reduction of operands that are not
    cdef bcel_call template

    def __init__(
        self,
        *,
        weight,
        str reduction not None,
        pos_weight,
        double label_smoothing,
        ignore_index,
        bint check,
        num_threads,
        bint plain,
    ):
        self.weight = weight
        self.pos_weight = pos_weight
        self.reduction = reduction
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index
        self.check = check
        self.num_threads = num_threads
        self.code = NONE if reduction == "none" else REDUCTIONS[reduction]
        bcel_call_init(&self.template)
        self.template.label_smoothing = label_smoothing
        if not check:
            self.template.flags = 0
        if ignore_index is not None:
            # Every dtype holds small integers exactly; the others need conversion.
            plain = plain and -128 <= ignore_index <= 128 and ignore_index == int(ignore_index)
            if plain:
                self.template.flags |= BCEL_IGNORE_INT
                self.template.ignore_int = ignore_index
        self.may_be_empty = self.code == BCEL_WEIGHTED_MEAN or ignore_index is not None
        self.plain = plain

    def __call__(self, input, target):
        """__call__($self, input, target)
--

Compute the loss.
"""  # the form in which inspect.signature finds the names
        if (
            self.plain
            and cnp.PyArray_CheckExact(input)
            and cnp.PyArray_CheckExact(target)
            and (cnp.PyArray_SIZE(input) < SHORT or not self._is_cut(cnp.PyArray_SIZE(input)))
        ):
            result = self.compute(<cnp.ndarray>input, <cnp.ndarray>target)
            if result is not None:
                return result
        return self.forward(input, target)

    cdef object compute(self, cnp.ndarray input, cnp.ndarray target):
        """The result, or None if it takes more than this."""
        cdef Vectors vectors
        cdef Frame frame
        if not cnp.PyArray_SAMESHAPE(input, target) or not is_code_of_logits(code_of_array(input)):
            return None
        vectors.call = self.template
        if (
            set_packed(&vectors.call.input, input)
            and set_packed(&vectors.call.target, target)
            and (
                self.weight is None
                or set_even(&vectors.call.weight, <cnp.ndarray>self.weight, input)
            )
            and (
                self.pos_weight is None
                or set_even(&vectors.call.pos_weight, <cnp.ndarray>self.pos_weight, input)
            )
        ):
            vectors.n = cnp.PyArray_SIZE(input)
            vectors.call.ndim = 1
            vectors.call.shape = &vectors.n
            return self.finish(&vectors.call, vectors.n, input)

        start_frame(&frame, input)
        if (
            set_operand(&frame, INPUT, input) != FITS
            or set_operand(&frame, TARGET, target) != FITS
            or (self.weight is not None and set_operand(&frame, WEIGHT, self.weight) != FITS)
            or (
                self.pos_weight is not None
                and set_operand(&frame, POS_WEIGHT, self.pos_weight) != FITS
            )
        ):
            return None
        frame.call.label_smoothing = self.label_smoothing
        frame.call.flags = self.template.flags
        frame.call.ignore_int = self.template.ignore_int
        return self.finish(&frame.call, frame.n, input)

    cdef object finish(self, const bcel_call *call, size_t n, cnp.ndarray input):
        cdef cnp.dtype dtype
        cdef cnp.ndarray out
        cdef bcel_output output
        cdef bcel_status status
        cdef PyThreadState *state
        cdef Value value

        if self.code == NONE:
            if cnp.PyArray_NDIM(input) == 0 or call.input.swapped:
                return None
            dtype = float64 if call.input.dtype > BCEL_BFLOAT16 else input.descr
            Py_INCREF(dtype)  # the next call takes a reference
            out = PyArray_NewLikeArray(input, cnp.NPY_KEEPORDER, dtype, 0)
            set_output(&output, out)
            if call.ndim != cnp.PyArray_NDIM(out):
                output.strides = NULL  # like the packed operands
            state = release_gil(n)
            status = bcel_map(BCEL_LOSS, call, &output)
            acquire_gil(state)
            return out if status == BCEL_OK else None

        if n == 0 or call.input.swapped:
            return None
        output.data = &value
        output.strides = NULL
        output.dtype = BCEL_FLOAT64 if call.input.dtype > BCEL_BFLOAT16 else call.input.dtype
        output.swapped = 0
        state = release_gil(n)
        status = bcel_reduce(<bcel_reduction>self.code, 0, call, &output)
        acquire_gil(state)
        if status != BCEL_OK:
            return None
        if output.dtype == BCEL_FLOAT32:
            result = new_float32(value.single)
        elif output.dtype == BCEL_FLOAT64:
            result = new_float64(value.dbl)
        else:
            result = PyArray_Scalar(&value, input.descr, None)
        if self.may_be_empty and not isfinite(result):
            return None  # perhaps the mean of nothing
        return result


# ---- for Cython ----------------------------------------------------------------------------------

ctypedef fused real:
    float
    double


cdef int begin(Vectors *vectors, const real[::1] input, const real[::1] target) except -1 nogil:
    cdef bcel_call *call = &vectors.call
    if input.shape[0] != target.shape[0]:
        refuse_lengths(input.shape[0], target.shape[0])
    bcel_call_init(call)
    vectors.n = input.shape[0]
    call.ndim = 1
    call.shape = &vectors.n
    call.input.data = &input[0]
    call.target.data = &target[0]
    call.input.dtype = BCEL_FLOAT32 if real is float else BCEL_FLOAT64
    call.target.dtype = call.input.dtype
    return 0


cdef int refuse_lengths(Py_ssize_t n, Py_ssize_t other) except -1 with gil:
    raise ValueError(f"arrays of different lengths, {n} and {other}")


cdef int refuse(
    bcel_status status, const Vectors *vectors, const real[::1] target
) except -1 with gil:
    cdef size_t i
    if status == BCEL_TARGET_OUT_OF_RANGE:
        i = bcel_find_bad_target(&vectors.call)
        raise ValueError(f"target[{i}] is {target[i]}, outside [0, 1]")
    raise RuntimeError(bcel_status_text(status).decode())


cdef void end(bcel_output *output, const Vectors *vectors, void *data) noexcept nogil:
    """A contiguous output of the dtype of the operands."""
    output.data = data
    output.strides = NULL
    output.dtype = vectors.call.input.dtype
    output.swapped = 0


cdef int map_vectors(
    bcel_function function, const real[::1] input, const real[::1] target, real[::1] out
) except -1 nogil:
    cdef Vectors vectors
    cdef bcel_output output
    cdef bcel_status status
    begin[real](&vectors, input, target)
    if out.shape[0] != input.shape[0]:
        refuse_lengths(input.shape[0], out.shape[0])
    end(&output, &vectors, &out[0])
    status = bcel_map(function, &vectors.call, &output)
    if status != BCEL_OK:
        refuse[real](status, &vectors, target)
    return 0


cdef int reduce_vectors(
    bcel_reduction reduction, const real[::1] input, const real[::1] target, real *value
) except -1 nogil:
    cdef Vectors vectors
    cdef bcel_output output
    cdef bcel_status status
    begin[real](&vectors, input, target)
    end(&output, &vectors, value)
    status = bcel_reduce(reduction, 0, &vectors.call, &output)
    if status != BCEL_OK:
        refuse[real](status, &vectors, target)
    return 0


cdef int mean_and_grad_vectors(
    const real[::1] input, const real[::1] target, real *value, real[::1] grad
) except -1 nogil:
    cdef Vectors vectors
    cdef bcel_output[2] outputs
    cdef bcel_status status
    begin[real](&vectors, input, target)
    if grad.shape[0] != input.shape[0]:
        refuse_lengths(input.shape[0], grad.shape[0])
    end(&outputs[0], &vectors, value)
    end(&outputs[1], &vectors, &grad[0])
    status = bcel_value_and_grad(BCEL_MEAN, 1, &vectors.call, &outputs[0], &outputs[1])
    if status != BCEL_OK:
        refuse[real](status, &vectors, target)
    return 0


cpdef float mean_f32(const float[::1] input, const float[::1] target) except? -1 nogil:
    cdef float value
    reduce_vectors[float](BCEL_MEAN, input, target, &value)
    return value


cpdef double mean_f64(const double[::1] input, const double[::1] target) except? -1 nogil:
    cdef double value
    reduce_vectors[double](BCEL_MEAN, input, target, &value)
    return value


cpdef float sum_f32(const float[::1] input, const float[::1] target) except? -1 nogil:
    cdef float value
    reduce_vectors[float](BCEL_SUM, input, target, &value)
    return value


cpdef double sum_f64(const double[::1] input, const double[::1] target) except? -1 nogil:
    cdef double value
    reduce_vectors[double](BCEL_SUM, input, target, &value)
    return value


cpdef int loss_f32(
    const float[::1] input, const float[::1] target, float[::1] out
) except -1 nogil:
    return map_vectors[float](BCEL_LOSS, input, target, out)


cpdef int loss_f64(
    const double[::1] input, const double[::1] target, double[::1] out
) except -1 nogil:
    return map_vectors[double](BCEL_LOSS, input, target, out)


cpdef int grad_f32(
    const float[::1] input, const float[::1] target, float[::1] out
) except -1 nogil:
    return map_vectors[float](BCEL_GRAD, input, target, out)


cpdef int grad_f64(
    const double[::1] input, const double[::1] target, double[::1] out
) except -1 nogil:
    return map_vectors[double](BCEL_GRAD, input, target, out)


cpdef float mean_and_grad_f32(
    const float[::1] input, const float[::1] target, float[::1] grad
) except? -1 nogil:
    cdef float value
    mean_and_grad_vectors[float](input, target, &value, grad)
    return value


cpdef double mean_and_grad_f64(
    const double[::1] input, const double[::1] target, double[::1] grad
) except? -1 nogil:
    cdef double value
    mean_and_grad_vectors[double](input, target, &value, grad)
    return value


cpdef int sigmoid_f32(const float[::1] input, float[::1] out) except -1 nogil:
    return map_vectors[float](BCEL_SIGMOID, input, input, out)  # which reads no target


cpdef int sigmoid_f64(const double[::1] input, double[::1] out) except -1 nogil:
    return map_vectors[double](BCEL_SIGMOID, input, input, out)  # which reads no target


# ---- instruction sets ----------------------------------------------------------------------------

def built_isas():
    """Names of the instruction sets built in, best first."""
    names = []
    while bcel_isa_name(len(names)) != NULL:
        names.append(bcel_isa_name(len(names)).decode())
    return tuple(names)


def supports_isa(str name not None):
    """Whether this processor runs the kernels for an instruction set that is built in."""
    return bool(bcel_isa_supported(name.encode()))


def active_isa():
    """Name of the instruction set in use."""
    return bcel_active_isa().decode()


def select_isa(str name not None):
    """Use an instruction set from now on. Not to be called while another thread computes."""
    cdef bcel_status status = bcel_select_isa(name.encode())
    if status != BCEL_OK:
        raise ValueError(f"{name}: {bcel_status_text(status).decode()}")
