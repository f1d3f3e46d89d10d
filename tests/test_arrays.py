"""Arrays of every kind: dtypes, byte order, strides, alignment, memory, foreign objects, out."""

from __future__ import annotations

import array
import itertools
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
import ulp

from bcelogits import (
    BCEWithLogitsLoss,
    binary_cross_entropy_with_logits,
    grad_and_hess,
    value_and_grad,
)

FLOATS = [np.dtype(np.float16), ulp.BFLOAT16, np.dtype(np.float32), np.dtype(np.float64)]
REDUCTIONS = ("none", "mean", "sum", "weighted_mean")
ARGUMENTS = ("input", "target", "weight", "pos_weight")


def problem(dtype=np.float32, shape=(12, 10, 6), seed=0):
    rng = np.random.default_rng(seed)
    x = (3 * rng.standard_normal(shape)).astype(dtype)
    y = rng.uniform(size=shape).astype(np.float32)
    w = rng.uniform(0.5, 2, shape).astype(dtype)
    p = rng.uniform(0.5, 2, shape).astype(dtype)
    return x, y, w, p


def everything(x, y, w, p):
    """All that the arguments can be asked for, as a list of arrays."""
    results = [
        binary_cross_entropy_with_logits(x, y, w, reduction=r, pos_weight=p) for r in REDUCTIONS
    ]
    results.append(binary_cross_entropy_with_logits(x, y))
    results.extend(value_and_grad(x, y))
    value, grads = value_and_grad(x, y, w, pos_weight=p, wrt=ARGUMENTS, reduction="sum")
    results.extend([value, *grads])
    results.extend(grad_and_hess(x, y, w, pos_weight=p))
    results.append(BCEWithLogitsLoss(w, pos_weight=p)(x, y))
    return results


def assert_same_bits(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype
        assert a.dtype.isnative
        assert a.shape == b.shape
        assert a.tobytes() == b.tobytes()


# --- the same values in other memory ---------------------------------------------------------


def strided(a):
    wide = np.zeros((*a.shape[:-1], 3 * a.shape[-1]), a.dtype)
    wide[..., 1::3] = a
    return wide[..., 1::3]


def reversed_(a):
    return np.ascontiguousarray(a[::-1, :, ::-1])[::-1, :, ::-1]


def fortran_inside(a):
    """Neither C nor Fortran order: the last two axes swapped in memory."""
    return np.ascontiguousarray(a.swapaxes(1, 2)).swapaxes(1, 2)


def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert a.dtype.itemsize == 1 or not view.flags.aligned
    return view


def aligned_elsewhere(a):
    """Aligned for the dtype and for no vector register."""
    raw = np.zeros(a.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + a.dtype.itemsize
    view = raw[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def field(a):
    records = np.zeros(a.shape, np.dtype([("a", "u1"), ("b", a.dtype), ("c", "u2")]))
    records["b"] = a
    return records["b"]


def swapped(a):
    return a.astype(a.dtype.newbyteorder())


def swapped_strided(a):
    return strided(swapped(a))


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    f.__name__.rstrip("_"): f
    for f in (
        strided,
        reversed_,
        fortran_inside,
        unaligned,
        aligned_elsewhere,
        field,
        swapped,
        swapped_strided,
        read_only,
    )
}


class TestLayouts:
    """Neither strides nor byte order, alignment or the read-only flag change a bit."""

    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_all_arguments(self, dtype, layout):
        if dtype == ulp.BFLOAT16 and layout.startswith("swapped"):
            pytest.skip("ml_dtypes has no bfloat16 of the other byte order")
        arguments = problem(dtype)
        changed = [LAYOUTS[layout](a) for a in arguments]
        copies = [np.array(a) for a in changed]
        assert_same_bits(everything(*changed), everything(*arguments))
        for a, b in zip(changed, copies, strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("which", range(4))
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_one_argument(self, layout, which):
        arguments = list(problem())
        expected = everything(*arguments)
        arguments[which] = LAYOUTS[layout](arguments[which])
        assert_same_bits(everything(*arguments), expected)

    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize(
        "dtype", [bool, "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
    )
    def test_hard_targets(self, layout, dtype):
        x, y, w, p = problem()
        y = (y < 0.5).astype(dtype)
        expected = everything(x, y.astype(np.float32), w, p)
        for result in (everything(x, LAYOUTS[layout](y), w, p), everything(x, y, w, p)):
            assert_same_bits(result, expected)

    @pytest.mark.parametrize("layout", ["strided", "swapped", "unaligned", "reversed"])
    def test_long_rows(self, layout):
        """Rows longer than any block buffer."""
        arguments = problem(shape=(2, 3, 9001))
        changed = [LAYOUTS[layout](a) for a in arguments]
        assert_same_bits(everything(*changed), everything(*arguments))

    def test_fortran_order(self):
        """Elementwise the same bits; sums may be taken in memory order."""
        arguments = problem()
        changed = [np.asfortranarray(a) for a in arguments]
        x, y, w, p = arguments
        assert_same_bits(
            grad_and_hess(*changed[:3], pos_weight=changed[3]), grad_and_hess(x, y, w, pos_weight=p)
        )
        for reduction in REDUCTIONS:
            actual = binary_cross_entropy_with_logits(*changed[:3], reduction=reduction)
            expected = reference.binary_cross_entropy_with_logits(x, y, w, reduction=reduction)
            ulp.assert_agrees(actual, *expected)

    def test_broadcast_views(self):
        """Strides of zero, in input too."""
        x, y, w, p = problem()
        views = [np.broadcast_to(a[:, :1], a.shape) for a in (x, y, w, p)]
        assert_same_bits(everything(*views), everything(*(v.copy() for v in views)))

    @pytest.mark.parametrize("offset", range(17))
    def test_any_start(self, offset):
        x, y, *_ = problem(shape=(4200,))
        views = x[offset:-20], y[offset:-20]
        copies = [v.copy() for v in views]
        for reduction in REDUCTIONS:
            assert_same_bits(
                [binary_cross_entropy_with_logits(*views, reduction=reduction)],
                [binary_cross_entropy_with_logits(*copies, reduction=reduction)],
            )

    @pytest.mark.parametrize("ndim", [10, 33, 64])
    def test_many_dimensions(self, ndim):
        x, y, w, p = problem(shape=(2, 3, 2))
        expected = everything(x, y, w, p)
        shape = (1,) * (ndim - 3)
        arguments = [a.reshape(*shape[:1], 2, *shape[2:], 3, 2, *shape[1:2]) for a in (x, y, w, p)]
        for actual, plain in zip(everything(*arguments), expected, strict=True):
            np.testing.assert_array_equal(np.squeeze(actual), np.squeeze(plain))

    def test_permuted_axes(self):
        x, y, w, p = problem(shape=(3, 4, 5, 2))
        expected = everything(x, y, w, p)
        for order in itertools.permutations(range(4)):
            back = np.argsort(order)
            changed = [np.ascontiguousarray(a.transpose(order)).transpose(back) for a in (x, w, p)]
            actual = binary_cross_entropy_with_logits(
                changed[0], y, changed[1], reduction="none", pos_weight=changed[2]
            )
            assert_same_bits([actual], expected[:1])

    def test_memory_map(self, tmp_path):
        arguments = problem()
        maps = []
        for i, a in enumerate(arguments):
            np.save(tmp_path / f"{i}.npy", a)
            maps.append(np.load(tmp_path / f"{i}.npy", mmap_mode="r"))
        results = everything(*maps)
        assert all(type(r) in (np.ndarray, np.float32) for r in results)
        assert_same_bits(results, everything(*arguments))

    def test_memory_map_as_out(self, tmp_path):
        x, y, *_ = problem()
        out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, x.shape)
        result = binary_cross_entropy_with_logits(x, y, reduction="none", out=out)
        assert result is out
        out.flush()
        np.testing.assert_array_equal(
            np.load(tmp_path / "out.npy"), binary_cross_entropy_with_logits(x, y, reduction="none")
        )


class TestDtypes:
    @pytest.mark.parametrize(
        "dtype", [bool, "i1", "i2", "i4", "i8", "u1", "u4", "u8", ">i4", ">u4"]
    )
    def test_integer_logits_become_float64(self, dtype):
        x = np.array([0, 1, 1, 0], dtype)
        for reduction in REDUCTIONS:
            actual = binary_cross_entropy_with_logits(x, [0, 1, 0, 1], reduction=reduction)
            assert actual.dtype == np.float64
            np.testing.assert_array_equal(
                actual,
                binary_cross_entropy_with_logits(
                    x.astype(np.float64), [0, 1, 0, 1], reduction=reduction
                ),
            )
        value, grad = value_and_grad(x, [0, 1, 0, 1])
        assert value.dtype == grad.dtype == np.float64
        assert all(r.dtype == np.float64 for r in grad_and_hess(x, [0, 1, 0, 1]))

    @pytest.mark.parametrize(
        ("x", "y"),
        [
            ([1, 2], [0, 1]),
            ([1.5, -2], [True, False]),
            ((1.5, -2), (0.25, 1)),
            ([[1.5], [-2]], [[0], [1]]),
            (1.5, 1),
            (3, 0.5),
            (True, True),
            (np.float64(1.5), np.int8(1)),
            (range(3), [0, 1, 0]),
            ([np.float32(1), 2.0], [0, 0]),
            ([], []),
        ],
    )
    def test_python_numbers_and_sequences(self, x, y):
        actual = binary_cross_entropy_with_logits(x, y, reduction="none")
        assert actual.dtype == np.float64
        expected = binary_cross_entropy_with_logits(
            np.asarray(x, np.float64), np.asarray(y, np.float64), reduction="none"
        )
        np.testing.assert_array_equal(actual, expected)
        assert np.shape(actual) == np.shape(x)

    def test_python_numbers_as_weights(self):
        x, y, *_ = problem()
        for w, p in itertools.product((2, 2.0, [2.0], np.float64(2), True), (3, [[3.0]], (3,) * 6)):
            actual = binary_cross_entropy_with_logits(x, y, w, pos_weight=p)
            assert actual.dtype == np.float32
            expected = binary_cross_entropy_with_logits(
                x, y, np.float32(w), pos_weight=np.float32(p)
            )
            assert actual == expected

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_numpy_scalars(self, dtype):
        x = dtype.type(0.5)
        for reduction in REDUCTIONS:
            actual = binary_cross_entropy_with_logits(x, dtype.type(1), reduction=reduction)
            assert type(actual) is dtype.type
        assert actual.astype(float) == pytest.approx(0.474076984, rel=4e-3)

    def test_weights_are_rounded_to_float32_for_float32_logits(self):
        x, y, *_ = problem()
        w, p = np.float64(1 / 3), np.full(6, 0.1)
        assert_same_bits(
            everything(x, y, w, p)[:4], everything(x, y, np.float32(w), p.astype(np.float32))[:4]
        )

    def test_float64_weights_are_kept_for_float64_logits(self):
        x = np.full(3, 1.5)
        w = np.full(3, 1 + 2.0**-40)
        loss = binary_cross_entropy_with_logits(x, np.ones(3), w)
        assert loss > binary_cross_entropy_with_logits(x, np.ones(3))


class Subclass(np.ndarray):
    """A subclass that is easily told apart."""


class WithArray:
    def __init__(self, a):
        self.a = a

    def __array__(self, dtype=None, copy=None):
        return np.array(self.a, dtype=dtype, copy=copy)


class WithInterface:
    def __init__(self, a):
        self.a = a
        self.__array_interface__ = a.__array_interface__


class WithDLPack:
    """What an array library without __array__ offers."""

    def __init__(self, a):
        self.a = a

    def __dlpack__(self, **kwargs):
        return self.a.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.a.__dlpack_device__()


class OnAnotherDevice(WithDLPack):
    def __dlpack__(self, **kwargs):
        raise BufferError("not on the CPU, and not to be copied there")

    def __dlpack_device__(self):
        return (2, 0)  # CUDA


class TestForeignObjects:
    @pytest.mark.parametrize("wrap", [WithArray, WithInterface, WithDLPack])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_objects(self, wrap, dtype):
        arguments = problem(dtype)
        assert_same_bits(everything(*map(wrap, arguments)), everything(*arguments))

    @pytest.mark.parametrize("wrap", [WithArray, WithInterface, WithDLPack])
    def test_mixed_with_arrays(self, wrap):
        arguments = problem()
        expected = everything(*arguments)
        for which in range(4):
            mixed = [wrap(a) if i == which else a for i, a in enumerate(arguments)]
            assert_same_bits(everything(*mixed), expected)

    @pytest.mark.parametrize("wrap", [WithArray, WithInterface, WithDLPack])
    def test_as_where(self, wrap):
        x, y, *_ = problem()
        where = x > 0
        assert binary_cross_entropy_with_logits(x, y, where=wrap(where)) == (
            binary_cross_entropy_with_logits(x, y, where=where)
        )

    def test_another_device(self):
        x, y, *_ = problem()
        with pytest.raises((TypeError, ValueError, BufferError), match="input"):
            binary_cross_entropy_with_logits(OnAnotherDevice(x), y)

    @pytest.mark.parametrize("code", ["f", "d"])
    def test_buffers(self, code):
        x, y = array.array(code, [0.5, -1.0, 2.0]), array.array("B", [1, 0, 1])
        dtype = np.dtype(code)
        expected = binary_cross_entropy_with_logits(np.array([0.5, -1, 2], dtype), [1, 0, 1])
        for a, b in ((x, y), (memoryview(x), memoryview(y)), (x, memoryview(b"\1\0\1"))):
            actual = binary_cross_entropy_with_logits(a, b)
            assert actual.dtype == dtype
            assert actual == expected

    def test_memoryview_of_many_dimensions(self):
        x, y, w, p = problem()
        assert_same_bits(everything(*map(memoryview, (x, y, w, p))), everything(x, y, w, p))

    def test_subclasses_give_base_arrays(self):
        arguments = problem()
        results = everything(*(a.view(Subclass) for a in arguments))
        assert all(type(r) in (np.ndarray, np.float32) for r in results)
        assert_same_bits(results, everything(*arguments))

    def test_out_keeps_its_class(self):
        x, y, *_ = problem()
        out = np.empty(x.shape, np.float32).view(Subclass)
        assert binary_cross_entropy_with_logits(x, y, reduction="none", out=out) is out


VARIANTS = {
    "plain": lambda x, y, w, p: (x, y, w, p),
    "float64 targets and weights": lambda x, y, w, p: (
        x, y.astype("f8"), w.astype("f8"), p.astype("f8")),
    "integer targets": lambda x, y, w, p: (x, np.round(y).astype("i8"), w, p),
    "bool targets": lambda x, y, w, p: (x, y > 0.5, w, p),
    "float16 logits": lambda x, y, w, p: (x.astype("f2"), y, w, p),
    "strided": lambda *a: tuple(np.repeat(v, 2)[::2] for v in a),
    "reversed": lambda *a: tuple(v[::-1] for v in a),
    "swapped": lambda *a: tuple(v.astype(v.dtype.newbyteorder()) for v in a),
    "transposed": lambda *a: tuple(v.reshape(1000, -1).T for v in a),
}  # fmt: skip


@pytest.fixture(scope="module")
def long_arguments():
    return problem(np.float32, (400_000,))


class TestNoCopies:
    """Nothing is converted as a whole: the memory used does not grow with the arguments."""

    def peak(self, function):
        function()
        tracemalloc.start()
        try:
            function()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_reductions(self, long_arguments, variant):
        x, y, w, p = VARIANTS[variant](*long_arguments)
        for reduction in REDUCTIONS[1:]:
            for kwargs in ({}, {"weight": w}, {"weight": w, "pos_weight": p}, {"where": y > 0.2}):
                peak = self.peak(
                    lambda kwargs=kwargs, reduction=reduction: binary_cross_entropy_with_logits(
                        x, y, reduction=reduction, **kwargs
                    )
                )
                assert peak < 64 * 1024, (reduction, list(kwargs), peak)

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_elementwise_into_out(self, long_arguments, variant):
        x, y, w, p = VARIANTS[variant](*long_arguments)
        out, other = np.empty(x.shape, np.float32), np.empty(x.shape, np.float32)
        for function in (
            lambda: binary_cross_entropy_with_logits(
                x, y, w, reduction="none", pos_weight=p, out=out
            ),
            lambda: value_and_grad(x, y, w, pos_weight=p, out=out),
            lambda: grad_and_hess(x, y, w, pos_weight=p, out=(out, other)),
        ):
            assert self.peak(function) < 64 * 1024

    def test_in_place(self, long_arguments):
        x, y, *_ = long_arguments
        x = x.copy()
        peak = self.peak(
            lambda: binary_cross_entropy_with_logits(x, y, reduction="none", out=x, check=False)
        )
        assert peak < 64 * 1024

    def test_memory_is_only_the_result(self, long_arguments):
        x, y, w, _ = long_arguments
        peak = self.peak(lambda: binary_cross_entropy_with_logits(x, y, w, reduction="none"))
        assert peak < x.nbytes + 64 * 1024


class TestThreads:
    """Calls release the interpreter's lock; those from many threads do not disturb each other."""

    def test_concurrent_calls(self):
        problems = [problem(np.float32, (7, 999 + i, 3), seed=i) for i in range(8)]
        expected = [everything(*arguments) for arguments in problems]
        criterion = BCEWithLogitsLoss(reduction="sum")
        sums = [criterion(x, y) for x, y, *_ in problems]

        def work(i):
            i %= 8
            return everything(*problems[i]), criterion(*problems[i][:2])

        with ThreadPoolExecutor(8) as pool:
            for i, (results, total) in enumerate(pool.map(work, range(64))):
                assert_same_bits(results, expected[i % 8])
                assert total == sums[i % 8]


# --- out -------------------------------------------------------------------------------------


class TestOut:
    """NumPy's rules for out, those on overlap included."""

    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_is_written_and_returned(self, dtype):
        x, y, w, p = problem(dtype)
        expected = binary_cross_entropy_with_logits(x, y, w, reduction="none", pos_weight=p)
        out = np.empty_like(x)
        result = binary_cross_entropy_with_logits(x, y, w, reduction="none", pos_weight=p, out=out)
        assert result is out
        assert_same_bits([out], [expected])

    @pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.longdouble], ids=str)
    def test_may_be_of_any_dtype_that_numpy_casts_to(self, dtype):
        x, y, *_ = problem(np.float64)
        out = np.empty(x.shape, dtype)
        assert binary_cross_entropy_with_logits(x, y, reduction="none", out=out) is out
        expected = binary_cross_entropy_with_logits(x, y, reduction="none")
        np.testing.assert_array_equal(out, expected.astype(dtype))

    @pytest.mark.parametrize("layout", [k for k in LAYOUTS if k != "read_only"])
    def test_layouts(self, layout):
        x, y, w, p = problem()
        out = LAYOUTS[layout](np.zeros_like(x))
        for args in ((x, y), (x, y, w)):
            expected = binary_cross_entropy_with_logits(*args, reduction="none", pos_weight=p)
            result = binary_cross_entropy_with_logits(
                *args, reduction="none", pos_weight=p, out=out
            )
            assert result is out
            np.testing.assert_array_equal(out, expected)

    @pytest.mark.parametrize("layout", [k for k in LAYOUTS if k != "read_only"])
    def test_writes_nothing_beside_itself(self, layout):
        x, y, *_ = problem()
        out = LAYOUTS[layout](np.zeros_like(x))
        memory = out
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        around = memory.view(np.uint8) if memory.dtype.names is None else memory
        if memory.dtype.names is None:
            inside = np.zeros_like(around)
            view = np.ndarray(
                out.shape,
                np.dtype(f"V{out.itemsize}"),
                inside,
                out.ctypes.data - memory.ctypes.data,
                out.strides,
            )
            view[...] = b"\xff" * out.itemsize
            around[...] = np.where(inside == 0, 0xA5, around)
            binary_cross_entropy_with_logits(x, y, reduction="none", out=out)
            assert (around[inside == 0] == 0xA5).all()
        else:
            around["a"], around["c"] = 7, 9
            binary_cross_entropy_with_logits(x, y, reduction="none", out=out)
            assert (around["a"] == 7).all()
            assert (around["c"] == 9).all()

    def test_of_another_dtype_is_cast(self):
        x, y, *_ = problem(np.float64)
        expected = binary_cross_entropy_with_logits(x, y, reduction="none")
        for dtype in FLOATS:
            out = np.empty(x.shape, dtype)
            binary_cross_entropy_with_logits(x, y, reduction="none", out=out)
            np.testing.assert_array_equal(out.astype(float), expected.astype(dtype).astype(float))
        out = np.empty(x.shape)
        binary_cross_entropy_with_logits(x.astype(np.float32), y, reduction="none", out=out)
        np.testing.assert_allclose(out, expected, rtol=1e-6)

    @pytest.mark.parametrize("which", range(4))
    @pytest.mark.parametrize("dtype", FLOATS, ids=str)
    def test_is_an_input(self, dtype, which):
        arguments = [a.astype(dtype) for a in problem(dtype)]
        x, y, w, p = arguments
        expected = binary_cross_entropy_with_logits(x, y, w, reduction="none", pos_weight=p)
        out = arguments[which] = arguments[which].copy()
        x, y, w, p = arguments
        result = binary_cross_entropy_with_logits(x, y, w, reduction="none", pos_weight=p, out=out)
        assert result is out
        assert_same_bits([out], [expected])

    @pytest.mark.parametrize("shift", [1, 2, 3, 8, 15, 16, 17, 100, 4096])
    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("which", range(4))
    def test_is_a_shifted_view_of_an_input(self, shift, sign, which):
        n = 10_000
        rng = np.random.default_rng(1)
        buffer = rng.uniform(0, 1, n + shift).astype(np.float32)
        source, out = (buffer[:n], buffer[shift:])[::sign]
        others = [rng.uniform(0, 1, n).astype(np.float32) for _ in range(4)]
        copies = [source.copy() if i == which else a for i, a in enumerate(others)]
        expected = binary_cross_entropy_with_logits(
            *copies[:3], reduction="none", pos_weight=copies[3]
        )
        x, y, w, p = (source if i == which else a for i, a in enumerate(others))
        binary_cross_entropy_with_logits(x, y, w, reduction="none", pos_weight=p, out=out)
        np.testing.assert_array_equal(out, expected)

    @pytest.mark.parametrize(
        "view",
        [
            lambda a: (a, a[::-1]),
            lambda a: (a[::-1], a),
            lambda a: (a.reshape(100, 100), a.reshape(100, 100).T),
            lambda a: (a[::2], a[1::2]),
            lambda a: (a[:5000], a[::2]),
            lambda a: (a[::2], a[:5000]),
            lambda a: (a[:5000:-1], a[1:5000]),
            lambda a: (np.broadcast_to(a[50:51], (100,)), a[:100]),
            lambda a: (a.reshape(10, 1000)[:, ::-1], a.reshape(10, 1000)),
        ],
    )
    @pytest.mark.parametrize("also_target", [False, True])
    def test_overlaps_an_input_otherwise(self, view, also_target):
        buffer = np.random.default_rng(2).uniform(0, 1, 10_000)
        x, out = view(buffer)
        y = x if also_target else np.arange(x.size).reshape(x.shape) % 2
        expected = binary_cross_entropy_with_logits(x.copy(), y.copy(), reduction="none")
        expected_value, expected_grad = value_and_grad(x.copy(), y.copy())
        kept = buffer.copy()
        assert binary_cross_entropy_with_logits(x, y, reduction="none", out=out) is out
        np.testing.assert_array_equal(out, expected)
        buffer[...] = kept
        value, grad = value_and_grad(x, y, out=out)
        assert value == expected_value
        np.testing.assert_array_equal(grad, expected_grad)

    def test_overlaps_a_broadcast_weight(self):
        """A weight that is read again and again while out is written over it."""
        x, y, *_ = problem(shape=(50, 40, 6))
        for index in (np.s_[0, 0], np.s_[7, :, :1], np.s_[49], np.s_[:1, :1, :1]):
            out = np.random.default_rng(3).uniform(0.5, 2, x.shape).astype(np.float32)
            w = out[index]
            expected = binary_cross_entropy_with_logits(
                x, y, w.copy(), reduction="none", pos_weight=w.copy()
            )
            binary_cross_entropy_with_logits(x, y, w, reduction="none", pos_weight=w, out=out)
            np.testing.assert_array_equal(out, expected)

    def test_overlaps_an_input_of_another_dtype(self):
        memory = np.random.default_rng(4).standard_normal(1000)
        x = memory.view(np.float32)[:1000]
        x[~(np.abs(x) < 50)] = 0.5
        y = np.arange(1000) % 2
        expected = binary_cross_entropy_with_logits(x.copy(), y, reduction="none")
        out = memory
        binary_cross_entropy_with_logits(x, y, reduction="none", out=out)
        np.testing.assert_allclose(out, expected, rtol=2e-7)

    def test_overlaps_where(self):
        memory = np.random.default_rng(5).uniform(size=400)
        where = memory.view(bool)[:400]
        where[...] = np.arange(400) % 3 == 0
        x, y, kept = np.linspace(-3, 3, 400), np.arange(400) % 2, where.copy()
        expected = binary_cross_entropy_with_logits(x, y, reduction="none", where=kept)
        binary_cross_entropy_with_logits(x, y, reduction="none", where=where, out=memory)
        np.testing.assert_array_equal(memory, expected)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (np.s_[:-2], np.s_[2:]),
            (np.s_[2:], np.s_[:-2]),
        ],
    )
    def test_both_results_of_grad_and_hess_overlap_the_input(self, first, second):
        buffer = np.linspace(-4, 4, 502)
        other = np.empty(500)
        y = np.arange(500) % 2
        for order in (1, -1):
            a = buffer.copy()
            expected = grad_and_hess(a[first].copy(), y)
            outs = (a[second], other)[::order]
            for result, value in zip(grad_and_hess(a[first], y, out=outs), expected, strict=True):
                np.testing.assert_array_equal(result, value)

    def test_failed_check_leaves_an_overlapping_out_alone(self):
        for bad in (0, 5000, 9999):
            x, y = np.linspace(-3, 3, 10_000), np.arange(10_000) % 2 * 1.0
            y[bad] = 1.5
            before = x.copy(), y.copy()
            for out in (x, y):
                for function, kwargs in (
                    (binary_cross_entropy_with_logits, {"reduction": "none", "out": out}),
                    (value_and_grad, {"out": out}),
                    (grad_and_hess, {"out": (np.empty_like(x), out)}),
                    (grad_and_hess, {"out": (out, np.empty_like(x))}),
                ):
                    with pytest.raises(ValueError, match=rf"target\[{bad}\] is 1\.5"):
                        function(x, y, **kwargs)
                    np.testing.assert_array_equal(x, before[0])
                    np.testing.assert_array_equal(y, before[1])

    def test_zero_dimensional(self):
        out = np.empty((), np.float32)
        assert binary_cross_entropy_with_logits(np.float32(1), 1, reduction="none", out=out) is out
        assert out == np.float32(0.31326169)

    def test_empty(self):
        out = np.empty((0, 3))
        x = np.empty((0, 3))
        assert binary_cross_entropy_with_logits(x, x, reduction="none", out=out) is out
