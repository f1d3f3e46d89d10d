"""Derivatives of bcelogits.torch: gradcheck, torch's own samples, transforms of torch.func."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; the extra 'torch' has it")

from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap  # noqa: E402

from bcelogits.torch import (  # noqa: E402
    BCEWithLogitsLoss,
    _operators,
    binary_cross_entropy_with_logits,
)

# torch's own, when it first differentiates in forward mode.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
)

torch_loss = torch.nn.functional.binary_cross_entropy_with_logits

NAMES = ("input", "target", "weight", "pos_weight")
every_reduction = pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])


def problem(shape=(3, 2), seed=0):
    """Arguments in double precision, of which the weights broadcast."""
    draw = torch.Generator().manual_seed(seed)
    double = {"generator": draw, "dtype": torch.float64}
    return (
        2 * torch.randn(shape, **double),
        torch.rand(shape, **double),
        torch.rand(shape[-1:], **double) + 0.5,
        torch.rand((*shape[:-1], 1), **double) + 0.5,
    )


def leaves(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


def plain_loss(x, y, w=1.0, p=1.0):
    """The loss of each element by functions of torch that it differentiates by every argument."""
    softplus = torch.nn.functional.softplus
    return w * (p * y * softplus(-x) + (1 - y) * softplus(x))


class TestByFiniteDifferences:
    """gradcheck compares with them, and batches of gradients with single ones."""

    @every_reduction
    @pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}], ids=str)
    def test_every_argument(self, reduction, options):
        def loss(x, y, w, p):
            return binary_cross_entropy_with_logits(
                x, y, w, reduction=reduction, pos_weight=p, **options
            )

        arguments = leaves(*problem((2, 2)))
        gradcheck(loss, arguments, check_batched_grad=True, check_forward_ad=True,
                  check_batched_forward_grad=True)  # fmt: skip
        gradgradcheck(loss, arguments, check_batched_grad=True, check_fwd_over_rev=True)

    @pytest.mark.parametrize("name", NAMES)
    @every_reduction
    def test_one_argument(self, name, reduction):
        """Whether the gradient by the logits was computed with the loss or not."""
        arguments = dict(zip(NAMES, problem(), strict=True))
        leaf = arguments.pop(name).requires_grad_()

        def loss(leaf):
            return binary_cross_entropy_with_logits(
                **{name: leaf}, **arguments, reduction=reduction
            )

        gradcheck(loss, leaf)
        gradgradcheck(loss, leaf)

    def test_hard_targets(self):
        x, y, w, p = problem()
        arguments = leaves(x, w, p)

        def loss(x, w, p):
            return binary_cross_entropy_with_logits(x, y.round(), w, pos_weight=p)

        gradcheck(loss, arguments)
        gradgradcheck(loss, arguments)

    @every_reduction
    def test_ignored_elements(self, reduction):
        x, y, w, p = problem()
        y[0, 0] = -100
        x[0, 0] = torch.nan
        arguments = leaves(w, p)

        def loss(w, p, x=x):
            return binary_cross_entropy_with_logits(
                x, y, w, reduction=reduction, pos_weight=p, ignore_index=-100
            )

        gradcheck(loss, arguments)
        gradgradcheck(loss, arguments)
        (x,) = leaves(x)
        (first,) = torch.autograd.grad(loss(*arguments, x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        assert first[0, 0] == second[0, 0] == 0
        assert first.isfinite().all()
        assert second.isfinite().all()


class TestGraphs:
    x, y, w, p = problem((4, 3), 1)

    def test_third_order(self):
        def third(loss):
            (x,) = leaves(self.x)
            value = loss(x, self.y)
            for _ in range(3):
                (slope,) = torch.autograd.grad(value, x, create_graph=True)
                value = slope.square().sum()
            return slope

        torch.testing.assert_close(third(binary_cross_entropy_with_logits), third(torch_loss))

    def test_target_that_depends_on_the_logits(self):
        def second(loss):
            (x,) = leaves(self.x)
            (slope,) = torch.autograd.grad(loss(x, x.sigmoid() ** 2), x, create_graph=True)
            return slope, *torch.autograd.grad(slope.square().sum(), x)

        torch.testing.assert_close(second(binary_cross_entropy_with_logits), second(torch_loss))

    def test_batches_of_gradients(self):
        """Of a target that depends on the logits: neither is differentiated by way of the other."""

        def jacobian(loss):
            (x,) = leaves(self.x)
            values = loss(x, x.sigmoid() ** 2, reduction="none")
            factors = torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape)
            return torch.autograd.grad(values, x, factors, is_grads_batched=True)

        torch.testing.assert_close(jacobian(binary_cross_entropy_with_logits), jacobian(torch_loss))

    def test_one_tensor_as_both(self):
        def second(loss):
            (x,) = leaves(self.y)
            (slope,) = torch.autograd.grad(loss(x, x), x, create_graph=True)
            return slope, *torch.autograd.grad(slope.square().sum(), x)

        torch.testing.assert_close(second(binary_cross_entropy_with_logits), second(torch_loss))

    @every_reduction
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    def test_recording_changes_no_bit(self, dtype, reduction):
        gradients = []
        for create_graph in (False, True):
            arguments = leaves(*(tensor.to(dtype) for tensor in problem()))
            x, y, w, p = arguments
            loss = binary_cross_entropy_with_logits(x, y, w, reduction=reduction, pos_weight=p)
            gradients.append(torch.autograd.grad(loss.sum(), arguments, create_graph=create_graph))
        for without, recorded in zip(*gradients, strict=True):
            assert recorded.requires_grad
            assert torch.equal(without, recorded.detach())

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
    def test_scaled_means_of_half_precision(self, dtype):
        """What a gradient scaler is for: divided by n before it is scaled, little would be left."""
        n, scale = 2**16, 2.0**15
        x = torch.full((n,), -12.0, dtype=dtype).requires_grad_()
        loss = binary_cross_entropy_with_logits(x, torch.zeros(n, dtype=dtype))
        (loss * scale).backward()
        exact = torch.tensor(-12.0, dtype=torch.float64).sigmoid() * scale / n
        torch.testing.assert_close(x.grad[0], exact.to(dtype), rtol=0, atol=0)

    def test_factor_of_the_caller(self):
        (x,) = leaves(self.x)
        loss = binary_cross_entropy_with_logits(x, self.y, reduction="none")
        factor = torch.randn(self.x.shape, dtype=torch.float64)
        (ours,) = torch.autograd.grad(loss, x, factor)
        (theirs,) = torch.autograd.grad(torch_loss(x, self.y, reduction="none"), x, factor)
        torch.testing.assert_close(ours, theirs)

    def test_checkpoint(self):
        from torch.utils.checkpoint import checkpoint

        (x,) = leaves(self.x)
        value = checkpoint(binary_cross_entropy_with_logits, x, self.y, use_reentrant=False)
        (ours,) = torch.autograd.grad(value, x)
        (expected,) = torch.autograd.grad(binary_cross_entropy_with_logits(x, self.y), x)
        assert torch.equal(ours, expected)


@pytest.fixture(scope="module")
def operator():
    """How torch describes its loss to its own tests."""
    methods = pytest.importorskip(
        "torch.testing._internal.common_methods_invocations",
        reason="torch's samples need expecttest",
        exc_type=ImportError,
    )
    name = "nn.functional.binary_cross_entropy_with_logits"
    (found,) = (operator for operator in methods.op_db if operator.name == name)
    return found


class TestTorchsOwnSamples:
    """The samples that torch tests its own loss with."""

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    def test_values(self, operator, dtype):
        count = 0
        for sample in operator.sample_inputs("cpu", dtype):
            arguments = sample.input, *sample.args
            # Their pos_weight may be negative, which is no error to torch.
            options = {k: v.abs() if k == "pos_weight" else v for k, v in sample.kwargs.items()}
            ours = binary_cross_entropy_with_logits(*arguments, **options)
            torch.testing.assert_close(ours, operator.op(*arguments, **options))
            count += 1
        assert count > 10

    def test_gradients(self, operator):
        for sample in operator.sample_inputs("cpu", torch.float64, requires_grad=True):
            arguments = sample.input, *sample.args
            options = {k: v.abs() if k == "pos_weight" else v for k, v in sample.kwargs.items()}
            wrt = [t for t in arguments if isinstance(t, torch.Tensor) and t.requires_grad]
            results = []
            for loss in (binary_cross_entropy_with_logits, operator.op):
                first = torch.autograd.grad(
                    loss(*arguments, **options).sum(), wrt, create_graph=True
                )
                total = sum(gradient.square().sum() for gradient in first)
                results.append((*first, *torch.autograd.grad(total, wrt)))
            torch.testing.assert_close(*results)

    def test_modules(self):
        modules = pytest.importorskip(
            "torch.testing._internal.common_modules",
            reason="torch's samples need expecttest",
            exc_type=ImportError,
        )
        (info,) = (m for m in modules.module_db if m.module_cls is torch.nn.BCEWithLogitsLoss)
        samples = info.module_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=True, training=True
        )
        for sample in samples:
            made = sample.constructor_input
            x, y = sample.forward_input.args
            ours = BCEWithLogitsLoss(*made.args, **made.kwargs)
            theirs = torch.nn.BCEWithLogitsLoss(*made.args, **made.kwargs)
            torch.testing.assert_close(ours(x, y), theirs(x, y))
            torch.testing.assert_close(ours(x, y), sample.reference_fn(ours, x, y))
            torch.testing.assert_close(
                torch.autograd.grad(ours(x, y).sum(), x), torch.autograd.grad(theirs(x, y).sum(), x)
            )


class TestTransforms:
    """torch.func, and forward mode."""

    x, y, w, p = problem((5, 4), 2)

    def test_gradients_of_each_sample(self):
        ours = vmap(grad(binary_cross_entropy_with_logits))(self.x, self.y)
        torch.testing.assert_close(ours, vmap(grad(torch_loss))(self.x, self.y))

    @every_reduction
    def test_batches_of_weights(self, reduction):
        """Any argument may have the additional axis, anywhere."""

        def loss(x, y, w, p):
            return binary_cross_entropy_with_logits(x, y, w, reduction=reduction, pos_weight=p)

        ours = vmap(loss, in_dims=(1, 1, 0, None))(self.x, self.y, self.w, self.p[:, 0])
        alone = [
            loss(self.x[:, i], self.y[:, i], self.w[i], self.p[:, 0]) for i in range(self.w.numel())
        ]
        torch.testing.assert_close(ours, torch.stack(alone))

    @pytest.mark.parametrize(
        "second",
        [hessian, lambda f: jacrev(jacrev(f)), lambda f: jacrev(jacfwd(f))],
        ids=["hessian", "jacrev(jacrev)", "jacrev(jacfwd)"],
    )
    @pytest.mark.parametrize("argument", range(4), ids=NAMES)
    def test_second_derivatives(self, second, argument):
        def by_argument(loss):
            def f(value):
                return loss(
                    *(value if i == argument else t[:2, :2] for i, t in enumerate(self.tensors))
                )

            return second(f)(self.tensors[argument][:2, :2])

        ours = by_argument(
            lambda x, y, w, p: binary_cross_entropy_with_logits(x, y, w, pos_weight=p)
        )
        torch.testing.assert_close(ours, by_argument(lambda *a: plain_loss(*a).mean()))

    @property
    def tensors(self):
        return tuple(t.expand_as(self.x).clone() for t in (self.x, self.y, self.w, self.p))

    def test_forward_mode(self):
        tangents = tuple(torch.randn_like(t) for t in (self.x, self.y))
        ours = jvp(binary_cross_entropy_with_logits, (self.x, self.y), tangents)
        theirs = jvp(torch_loss, (self.x, self.y), tangents)
        torch.testing.assert_close(ours, theirs)

    def test_forward_mode_of_forward_mode_is_refused(self):
        """torch would take the inner derivative for a constant."""
        with pytest.raises(NotImplementedError, match="forward mode within forward mode"):
            jacfwd(jacfwd(binary_cross_entropy_with_logits))(self.x, self.y)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
    def test_half_precision(self, dtype):
        x, y = self.x.to(dtype), self.y.to(dtype)
        ours = vmap(grad(binary_cross_entropy_with_logits))(x, y)
        expected = vmap(grad(torch_loss))(x.double(), y.double())
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), expected, rtol=0, atol=torch.finfo(dtype).eps)

    def test_infinite_logits(self):
        """A term whose factor is 0 is 0."""
        x = torch.tensor([torch.inf, -torch.inf, torch.inf])
        y = torch.tensor([1.0, 0.0, 0.0])
        assert vmap(binary_cross_entropy_with_logits)(x, y).tolist() == [0, 0, torch.inf]
        assert vmap(grad(binary_cross_entropy_with_logits))(x, y).tolist() == [0, 0, 1]

    def test_ignored_elements(self):
        x, y = self.x.clone(), self.y.clone()
        x[1, 2], y[1, 2] = torch.nan, -1
        ours = vmap(lambda x, y: binary_cross_entropy_with_logits(x, y, ignore_index=-1))(x, y)
        rows = zip(x, y, strict=True)
        alone = [binary_cross_entropy_with_logits(*row, ignore_index=-1) for row in rows]
        torch.testing.assert_close(ours, torch.stack(alone))

    def test_errors(self):
        with pytest.raises(ValueError, match=r"target\[0, 0\] is .*, outside \[0, 1\]"):
            vmap(binary_cross_entropy_with_logits)(self.x, self.y + 2)
        with pytest.raises(ValueError, match=r"pos_weight.* is -"):
            grad(binary_cross_entropy_with_logits)(self.x, self.y, pos_weight=-self.w)
        with pytest.raises(ValueError, match=r"weight of shape .* does not broadcast"):
            grad(binary_cross_entropy_with_logits)(self.x, self.y, self.w.expand(2, 5, 4))

    @pytest.mark.parametrize("function", ["sigmoid", "softplus"])
    def test_what_formulas_are_made_of(self, function):
        x = torch.linspace(-50, 50, 11, dtype=torch.float64)
        ours = getattr(_operators, function)(x)
        expected = getattr(torch.nn.functional, function)(x)
        torch.testing.assert_close(ours, expected, rtol=1e-8, atol=0)
