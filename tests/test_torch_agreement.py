"""Agreement with PyTorch, and what each of the two returns where PyTorch is wrong.

The values quoted of PyTorch are those of torch 2.13.0 on x86-64; they are checked, so that a
version that mends them is noticed.
"""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
import reference

import bcelogits
from bcelogits import BCEWithLogitsLoss, binary_cross_entropy_with_logits, value_and_grad

torch = pytest.importorskip(
    "torch", reason="torch is not installed; the extra 'peers' has the version compared with"
)
torch_loss = torch.nn.functional.binary_cross_entropy_with_logits

INF, NAN = np.inf, np.nan
DTYPES = {
    np.dtype(np.float16): torch.float16,
    np.dtype(ml_dtypes.bfloat16): torch.bfloat16,
    np.dtype(np.float32): torch.float32,
    np.dtype(np.float64): torch.float64,
}
REDUCTIONS = ["none", "mean", "sum"]
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)
# In 16 bits PyTorch rounds every product, and losses before it adds them up.
wide_dtypes = pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")], ids=str)
# PyTorch's loss is (1-y)*x - log_sigmoid(x): at y = 0 and x = -5 the subtraction costs 10 bits.
TOLERANCE = {
    np.dtype(np.float16): {"rtol": 1e-2, "atol": 2e-2},
    np.dtype(ml_dtypes.bfloat16): {"rtol": 8e-2, "atol": 2e-1},
    np.dtype(np.float32): {"rtol": 1e-5, "atol": 5e-7},
    np.dtype(np.float64): {"rtol": 1e-13, "atol": 1e-15},
}


def tensor(a, dtype=None, grad=False):
    """A tensor of the values of an array; bfloat16 passes through float32, exactly."""
    dtype = DTYPES[np.asarray(a).dtype] if dtype is None else dtype
    t = torch.tensor(np.asarray(a, np.float64)).to(dtype)
    return t.requires_grad_() if grad else t


def assert_agrees(ours, theirs, dtype):
    """Shape, dtype and values agree."""
    assert DTYPES[np.asarray(ours).dtype] == theirs.dtype
    assert np.shape(ours) == tuple(theirs.shape)
    theirs = theirs.detach().to(torch.float64).numpy()
    np.testing.assert_allclose(np.asarray(ours, np.float64), theirs, **TOLERANCE[dtype])


def problem(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5, 5, shape).astype(dtype)
    return x, rng.uniform(size=shape).astype(dtype), rng


SHAPES = [(), (1,), (7,), (32, 1), (10, 64), (3, 4, 5), (2, 3, 4, 5), (1, 1, 1, 1, 6)]


class TestAgreement:
    @wide_dtypes
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_shapes(self, dtype, shape, reduction):
        x, y, _ = problem(dtype, shape)
        ours = binary_cross_entropy_with_logits(x, y, reduction=reduction)
        assert_agrees(ours, torch_loss(tensor(x), tensor(y), reduction=reduction), dtype)
        module = torch.nn.BCEWithLogitsLoss(reduction=reduction)
        assert_agrees(
            BCEWithLogitsLoss(reduction=reduction)(x, y), module(tensor(x), tensor(y)), dtype
        )

    @wide_dtypes
    @pytest.mark.parametrize("reduction", ["none", "mean"])
    @pytest.mark.parametrize(
        ("weight", "pos_weight"),
        [
            *itertools.product([None, (), (5,), (4, 1), (3, 4, 5)], repeat=2),
            ((1,), (1,)),
            ((3, 1, 1), (4, 1)),
            ((1, 1, 5), (1, 4, 1)),
        ],
    )
    def test_broadcasts(self, dtype, weight, pos_weight, reduction):
        x, y, rng = problem(dtype, (3, 4, 5), 1)
        ours, theirs = {}, {}
        for name, shape in (("weight", weight), ("pos_weight", pos_weight)):
            if shape is not None:
                ours[name] = np.asarray(rng.uniform(0.2, 3, shape)).astype(dtype)
                theirs[name] = tensor(ours[name])
        assert_agrees(
            binary_cross_entropy_with_logits(x, y, **ours, reduction=reduction),
            torch_loss(tensor(x), tensor(y), **theirs, reduction=reduction),
            dtype,
        )

    @every_dtype
    def test_hard_targets(self, dtype):
        x, y, _ = problem(dtype, (50,), 2)
        y = np.round(y)
        assert_agrees(
            binary_cross_entropy_with_logits(x, y, reduction="none"),
            torch_loss(tensor(x), tensor(y), reduction="none"),
            dtype,
        )

    @wide_dtypes
    def test_same_call(self, dtype):
        """PyTorch's positional order."""
        x, y, rng = problem(dtype, (6, 3), 3)
        w, p = rng.uniform(1, 2, (6, 1)).astype(dtype), rng.uniform(1, 2, 3).astype(dtype)
        assert_agrees(
            binary_cross_entropy_with_logits(x, y, w, None, None, "sum", p),
            torch_loss(tensor(x), tensor(y), tensor(w), None, None, "sum", tensor(p)),
            dtype,
        )
        theirs = torch.nn.BCEWithLogitsLoss(tensor(w), None, None, "sum", tensor(p))
        assert_agrees(
            BCEWithLogitsLoss(w, None, None, "sum", p)(x, y), theirs(tensor(x), tensor(y)), dtype
        )

    @every_dtype
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("weighted", [False, True])
    def test_gradient_of_input(self, dtype, reduction, weighted):
        x, y, rng = problem(dtype, (6, 3), 4)
        ours, theirs = {}, {}
        if weighted:
            for name in ("weight", "pos_weight"):
                ours[name] = rng.uniform(0.5, 2, 3).astype(dtype)
                theirs[name] = tensor(ours[name])
        t = tensor(x, grad=True)
        torch_loss(t, tensor(y), **theirs, reduction=reduction).sum().backward()
        _, grad = value_and_grad(x, y, **ours, reduction=reduction)
        assert_agrees(grad, t.grad, dtype)

    @wide_dtypes
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    @pytest.mark.parametrize("weighted", [False, True])
    def test_gradient_of_target(self, dtype, reduction, weighted):
        x, y, rng = problem(dtype, (6, 3), 5)
        ours, theirs = {}, {}
        if weighted:
            for name in ("weight", "pos_weight"):
                ours[name] = rng.uniform(0.5, 2, 3).astype(dtype)
                theirs[name] = tensor(ours[name])
        t = tensor(y, grad=True)
        torch_loss(tensor(x), t, **theirs, reduction=reduction).sum().backward()
        _, grad = value_and_grad(x, y, **ours, reduction=reduction, wrt="target")
        assert_agrees(grad, t.grad, dtype)

    @every_dtype
    def test_grad_output(self, dtype):
        x, y, rng = problem(dtype, (6, 3), 6)
        grad_output = rng.standard_normal((6, 3)).astype(dtype)
        t = tensor(x, grad=True)
        torch_loss(t, tensor(y), reduction="none").backward(tensor(grad_output))
        _, grad = value_and_grad(x, y, reduction="none", grad_output=grad_output)
        assert_agrees(grad, t.grad, dtype)


class TestGradientsThatPyTorchLacks:
    """weight and pos_weight: PyTorch has none, so they are held against its own formula."""

    @pytest.mark.parametrize("name", ["weight", "pos_weight"])
    def test_pytorch_refuses(self, name):
        w = torch.ones(3, requires_grad=True)
        with pytest.raises(RuntimeError, match=f"not differentiable.*'{name}'"):
            torch_loss(torch.zeros(3), torch.zeros(3), **{name: w})

    @pytest.mark.parametrize("name", ["weight", "pos_weight"])
    @pytest.mark.parametrize("shape", [(), (3,), (6, 1), (6, 3)])
    @pytest.mark.parametrize("reduction", REDUCTIONS)
    def test_autograd_of_the_formula(self, name, shape, reduction):
        dtype = np.dtype(np.float64)
        x, y, rng = problem(dtype, (6, 3), 7)
        weights = {n: np.asarray(rng.uniform(0.5, 2, shape)) for n in ("weight", "pos_weight")}
        tensors = {n: tensor(w, grad=n == name) for n, w in weights.items()}
        tx, ty = tensor(x), tensor(y)
        softplus = torch.nn.functional.softplus
        loss = tensors["weight"] * (
            tensors["pos_weight"] * ty * softplus(-tx) + (1 - ty) * softplus(tx)
        )
        total = loss.mean() if reduction == "mean" else loss.sum()
        total.backward()
        _, grad = value_and_grad(x, y, **weights, reduction=reduction, wrt=name)
        assert_agrees(grad, tensors[name].grad, dtype)


class TestReductionsOfNothing:
    def test_empty(self):
        assert torch_loss(torch.zeros(0), torch.zeros(0), reduction="sum") == 0
        assert binary_cross_entropy_with_logits(np.zeros(0), np.zeros(0), reduction="sum") == 0
        assert torch_loss(torch.zeros(0), torch.zeros(0)).isnan()
        with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
            assert np.isnan(binary_cross_entropy_with_logits(np.zeros(0), np.zeros(0)))


@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_legacy_arguments(size_average, reduce, reduction):
    x, y, _ = problem(np.dtype(np.float32), (4, 3), 8)
    legacy = (None, size_average, reduce, reduction)
    if size_average is None and reduce is None:
        ours = binary_cross_entropy_with_logits(x, y, *legacy)
        theirs = torch_loss(tensor(x), tensor(y), *legacy)
    else:
        with pytest.warns(DeprecationWarning, match="reduction="):
            ours = binary_cross_entropy_with_logits(x, y, *legacy)
        with pytest.warns(UserWarning, match="reduction="):
            theirs = torch_loss(tensor(x), tensor(y), *legacy)
    assert_agrees(ours, theirs, np.dtype(np.float32))


class TestTensorsAsArguments:
    """A tensor on the CPU is an array_like."""

    @pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
    def test_tensors(self, dtype):
        x, y = torch.linspace(-3, 3, 20).to(dtype), (torch.arange(20) % 2).to(dtype)
        loss = binary_cross_entropy_with_logits(x, y)
        assert loss == binary_cross_entropy_with_logits(x.numpy(), y.numpy())
        assert DTYPES[loss.dtype] == dtype
        strided = torch.linspace(-3, 3, 40).to(dtype)[::2]
        assert not strided.is_contiguous()
        assert binary_cross_entropy_with_logits(strided, y) == (
            binary_cross_entropy_with_logits(strided.numpy(), y.numpy())
        )

    def test_mean_of_integer_and_bool_targets(self):
        """PyTorch takes no integer targets; ours are read as they are."""
        x, y = torch.linspace(-3, 3, 20), torch.arange(20) % 2
        with pytest.raises(RuntimeError, match="can't be cast"):
            torch_loss(x, y)
        with pytest.raises(RuntimeError, match="bool"):
            torch_loss(x, y.bool())
        expected = torch_loss(x, y.float()).item()
        for target in (y, y.bool(), y.to(torch.int8)):
            assert binary_cross_entropy_with_logits(x, target) == pytest.approx(expected, rel=1e-6)


class TestErrors:
    def test_shapes(self):
        """Both refuse to broadcast the target."""
        with pytest.raises(ValueError, match="must be the same as input size"):
            torch_loss(torch.zeros(3, 1), torch.zeros(3))
        with pytest.raises(ValueError, match=r"\(3,\).*\(3, 1\)|\(3, 1\).*\(3,\)"):
            binary_cross_entropy_with_logits(np.zeros((3, 1)), np.zeros(3))

    def test_weight_may_not_enlarge_the_result(self):
        with pytest.raises(RuntimeError, match="broadcast shape"):
            torch_loss(torch.zeros(3), torch.zeros(3), weight=torch.ones(2, 3))
        with pytest.raises(ValueError, match=r"weight.*\(2, 3\)"):
            binary_cross_entropy_with_logits(np.zeros(3), np.zeros(3), np.ones((2, 3)))

    def test_target_out_of_range(self):
        """PyTorch computes; we refuse, and with check=False compute the same."""
        x, y = np.float32([1, -1, 0.5]), np.float32([2, -1, NAN])
        theirs = torch_loss(tensor(x), tensor(y), reduction="none").numpy()
        with pytest.raises(ValueError, match=r"target\[0\] is 2\.0, outside \[0, 1\]"):
            binary_cross_entropy_with_logits(x, y, reduction="none")
        ours = binary_cross_entropy_with_logits(x, y, reduction="none", check=False)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


class TestWherePyTorchIsWrong:
    """Cancellation at target 0, and NaN at infinite logits."""

    def both(self, x, y, dtype=np.float32, **kwargs):
        x, y = np.array([x], dtype), np.array([y], dtype)
        theirs = torch_loss(tensor(x), tensor(y), reduction="none").item()
        return float(binary_cross_entropy_with_logits(x, y, reduction="none")[0]), theirs

    @pytest.mark.parametrize(
        ("x", "pytorch"),
        [(-10, 4.57763671875e-05), (-15, 0.0), (-16, 0.0), (-17, 0.0), (-20, 0.0), (-88, 0.0)],
    )
    def test_cancellation_in_float32(self, x, pytorch):
        """0.8 % off at -10, and nothing left from -15 on."""
        ours, theirs = self.both(x, 0)
        assert theirs == pytorch
        exact = float(reference.exact("loss", x, 0))
        assert ours == pytest.approx(exact, rel=1.2e-7, abs=1e-45)
        assert abs(theirs / exact - 1) > 0.008

    @pytest.mark.parametrize(
        ("x", "pytorch"), [(-20, 2.061153026033935e-09), (-37, 0.0), (-40, 0.0), (-50, 0.0)]
    )
    def test_cancellation_in_float64(self, x, pytorch):
        ours, theirs = self.both(x, 0, np.float64)
        assert theirs == pytorch
        exact = float(reference.exact("loss", x, 0))
        assert ours == pytest.approx(exact, rel=2.3e-16)
        assert abs(theirs / exact - 1) > 2e-7

    def test_cancellation_in_the_mean(self):
        """A well trained model on an easy class: 100,000 negatives at -9.7."""
        x = np.full(100_000, -9.7, np.float32)
        theirs = torch_loss(tensor(x), torch.zeros(x.size)).item()
        ours = binary_cross_entropy_with_logits(x, np.zeros(x.size, np.float32))
        assert theirs == 6.103515625e-05
        assert ours == np.float32(6.1281629e-05)

    def test_cancellation_in_16_bits(self):
        x = [-10.0, -5.0, -8.0]
        theirs = torch_loss(
            torch.tensor(x, dtype=torch.bfloat16),
            torch.zeros(3, dtype=torch.bfloat16),
            reduction="none",
        )
        assert theirs.tolist() == [0, 0, 0]
        ours = binary_cross_entropy_with_logits(
            np.array(x, ml_dtypes.bfloat16), np.zeros(3), reduction="none"
        )
        np.testing.assert_allclose(ours.astype(float), np.log1p(np.exp(x)), rtol=2**-8)

    @pytest.mark.parametrize(
        ("x", "y", "pytorch", "limit"),
        [
            (INF, 1, NAN, 0),
            (-INF, 0, NAN, 0),
            (-INF, 1, NAN, INF),
            (-INF, 0.5, NAN, INF),
            (INF, 0, INF, INF),
            (INF, 0.5, INF, INF),
        ],
    )
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_infinite_logits(self, x, y, pytorch, limit, dtype):
        ours, theirs = self.both(x, y, dtype)
        np.testing.assert_equal(theirs, pytorch)
        assert ours == limit

    @pytest.mark.parametrize(("x", "y", "pytorch"), [(20, 1, 0.0), (100, 1, 0.0), (-100, 0, 0.0)])
    def test_gradients(self, x, y, pytorch):
        """s(x) - y in float32, for which nothing is left."""
        t = torch.tensor([float(x)], requires_grad=True)
        torch_loss(t, torch.tensor([float(y)]), reduction="sum").backward()
        assert t.grad.item() == pytorch
        _, grad = value_and_grad(np.float32([x]), [y], reduction="sum")
        exact = float(reference.exact("input", x, y))
        assert float(grad[0]) == pytest.approx(exact, rel=1.2e-7, abs=1.5e-45)
        assert grad[0] != 0

    def test_softplus_beyond_its_threshold(self):
        """PyTorch's softplus is x from 20 on; exp(-20) is still 2e-9 of it, in float64."""
        x = 20.5
        assert torch.nn.functional.softplus(torch.tensor(x, dtype=torch.float64)).item() == x
        with_rest = float(reference.exact("loss", x, 0))
        assert bcelogits.softplus(x) == with_rest > x
