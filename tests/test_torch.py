"""bcelogits.torch beside torch's own loss and beside the functions on arrays.

Values, dtypes, layouts, memory, the module and errors; derivatives are in test_torch_gradients.py.
"""

from __future__ import annotations

import copy
import doctest
import inspect
import io
import itertools
import pickle
import re
import threading
import tracemalloc

import numpy as np
import pytest
import reference
import ulp
from hypothesis import given, settings
from hypothesis import strategies as st

import bcelogits

torch = pytest.importorskip("torch", reason="torch is not installed; the extra 'torch' has it")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

from bcelogits.torch import (  # noqa: E402
    BCEWithLogitsLoss,
    _tensors,
    binary_cross_entropy_with_logits,
)

torch_loss = torch.nn.functional.binary_cross_entropy_with_logits

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
NAMES = ("input", "target", "weight", "pos_weight")
every_dtype = pytest.mark.parametrize("dtype", FLOATS, ids=str)
every_reduction = pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])
# Of each element, the rounding of torch's intermediate results.
TOLERANCE = {
    torch.float16: {"rtol": 1e-2, "atol": 2e-2},
    torch.bfloat16: {"rtol": 8e-2, "atol": 2e-1},
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.float64: {"rtol": 1e-13, "atol": 1e-15},
}


def problem(dtype=torch.float32, shape=(6, 5), seed=0):
    """Arguments by name, of which the weights broadcast."""
    draw = torch.Generator().manual_seed(seed)
    columns = shape[-1:]
    return {
        "input": (torch.randn(shape, generator=draw) * 3).to(dtype),
        "target": torch.rand(shape, generator=draw).to(dtype),
        "weight": torch.rand((*shape[:-1], 1) if shape else (), generator=draw).add(0.5).to(dtype),
        "pos_weight": torch.rand(columns, generator=draw).add(0.5).to(dtype),
    }


def as_array(tensor):
    return _tensors.as_array("tensor", tensor)


def bits(tensor):
    return as_array(tensor).tobytes()


def loss_and_grads(loss, arguments, grad_output=None, **options):
    """The loss, and its gradient by every argument; torch's has none by the weights."""
    wrt = NAMES[:2] if loss is torch_loss else NAMES
    leaves = {k: v.detach().clone().requires_grad_(k in wrt) for k, v in arguments.items()}
    value = loss(**leaves, **options)
    value.backward(torch.ones_like(value) if grad_output is None else grad_output)
    return value.detach(), {name: leaf.grad for name, leaf in leaves.items() if name in wrt}


class TestSignatures:
    """Whatever torch takes, by position or by name, and ours by name alone."""

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (binary_cross_entropy_with_logits, torch_loss),
            (BCEWithLogitsLoss.__init__, torch.nn.BCEWithLogitsLoss.__init__),
            (BCEWithLogitsLoss.forward, torch.nn.BCEWithLogitsLoss.forward),
        ],
    )
    def test_positional_arguments_are_torchs(self, ours, theirs):
        ours, theirs = (list(inspect.signature(f).parameters.values()) for f in (ours, theirs))
        both = [(p.name, p.default, p.kind) for p in ours[: len(theirs)]]
        assert both == [(p.name, p.default, p.kind) for p in theirs]
        assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) :])

    @pytest.mark.parametrize("thing", [binary_cross_entropy_with_logits, BCEWithLogitsLoss])
    def test_docstrings(self, thing, capsys):
        """Every argument is described, and the examples print what they say."""
        for name in inspect.signature(thing).parameters:
            assert re.search(rf"(?m)^ *(\w+, )*{name}(, \w+)* : ", thing.__doc__), name
        runner = doctest.DocTestRunner()
        finder = doctest.DocTestFinder(recurse=False)
        for test in finder.find(thing, thing.__name__, globs={}):
            runner.run(test)
        assert runner.tries > 0
        assert runner.failures == 0, capsys.readouterr().out

    def test_names(self):
        import bcelogits.torch

        assert set(bcelogits.torch.__all__) == {
            "BCEWithLogitsLoss",
            "binary_cross_entropy_with_logits",
        }

    @pytest.mark.parametrize("size_average", [None, True, False])
    @pytest.mark.parametrize("reduce", [None, True, False])
    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    def test_legacy_arguments(self, size_average, reduce, reduction):
        arguments = list(problem().values())[:2]
        legacy = None, size_average, reduce, reduction
        if size_average is None and reduce is None:
            ours = binary_cross_entropy_with_logits(*arguments, *legacy)
            theirs = torch_loss(*arguments, *legacy)
        else:
            with pytest.warns(DeprecationWarning, match="reduction="):
                ours = binary_cross_entropy_with_logits(*arguments, *legacy)
            with pytest.warns(UserWarning, match="reduction="):
                theirs = torch_loss(*arguments, *legacy)
            with pytest.warns(DeprecationWarning, match="reduction="):
                module = BCEWithLogitsLoss(*legacy)
            assert module.reduction == ("none" if theirs.ndim else module.reduction)
            torch.testing.assert_close(module(*arguments), ours)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


class TestAgreement:
    """The results of torch, within what torch loses."""

    @every_dtype
    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    @pytest.mark.parametrize("weights", list(itertools.product([False, True], repeat=2)), ids=str)
    def test_with_torch(self, dtype, reduction, weights):
        arguments = problem(dtype)
        for name, wanted in zip(("weight", "pos_weight"), weights, strict=True):
            if not wanted:
                del arguments[name]
        value, grads = loss_and_grads(
            binary_cross_entropy_with_logits, arguments, reduction=reduction
        )
        theirs, their_grads = loss_and_grads(torch_loss, arguments, reduction=reduction)
        tolerance = dict(TOLERANCE[dtype])
        if reduction == "sum":
            tolerance["atol"] *= 30
        torch.testing.assert_close(value, theirs, **tolerance)
        for name, grad in grads.items():
            assert grad.shape == arguments[name].shape
            if name in their_grads:
                torch.testing.assert_close(grad, their_grads[name], **tolerance)

    @pytest.mark.parametrize("input", FLOATS, ids=str)
    @pytest.mark.parametrize("target", FLOATS, ids=str)
    @pytest.mark.parametrize("reduction", ["none", "mean"])
    def test_mixed_dtypes(self, input, target, reduction):
        """torch's result is of the dtype of the target, and gradients of that of their argument."""
        arguments = problem(torch.float64)
        arguments["input"] = arguments["input"].to(input)
        arguments["target"] = arguments["target"].to(target)
        value, grads = loss_and_grads(
            binary_cross_entropy_with_logits, arguments, reduction=reduction
        )
        theirs, _ = loss_and_grads(torch_loss, arguments, reduction=reduction)
        coarse = max(TOLERANCE[input], TOLERANCE[target], key=lambda t: t["rtol"])
        torch.testing.assert_close(value, theirs, **coarse)  # dtypes too
        for name, grad in grads.items():
            assert grad.dtype == arguments[name].dtype

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
    def test_autocast(self, dtype):
        arguments = problem(dtype)
        with torch.autocast("cpu", dtype):
            ours, grads = loss_and_grads(binary_cross_entropy_with_logits, arguments)
            theirs, their_grads = loss_and_grads(torch_loss, arguments)
        assert ours.dtype == theirs.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(grads["input"], their_grads["input"], **TOLERANCE[dtype])

    @pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.int64], ids=str)
    def test_targets_that_torch_does_not_take(self, dtype):
        x = problem()["input"].requires_grad_()
        y = problem()["target"].round()
        loss = binary_cross_entropy_with_logits(x, y.to(dtype))
        assert bits(loss) == bits(binary_cross_entropy_with_logits(x, y))
        loss.backward()
        assert x.grad.dtype == torch.float32

    @pytest.mark.parametrize(
        "shape", [(), (1,), (0,), (3, 0), (2, 3, 4, 5), (1, 1, 1, 1, 6)], ids=str
    )
    @pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
    def test_shapes(self, shape, reduction):
        arguments = problem(torch.float64, shape)
        value, grads = loss_and_grads(
            binary_cross_entropy_with_logits, arguments, reduction=reduction
        )
        theirs, their_grads = loss_and_grads(torch_loss, arguments, reduction=reduction)
        # The mean of nothing is NaN, in silence as in torch.
        torch.testing.assert_close(value, theirs, equal_nan=True)
        for name, grad in their_grads.items():
            torch.testing.assert_close(grads[name], grad, equal_nan=True)


class TestSameBits:
    """What the functions on arrays return, bit for bit."""

    @every_dtype
    @every_reduction
    @pytest.mark.parametrize(
        "options",
        [{}, {"label_smoothing": 0.1}, {"ignore_index": 1}, {"num_threads": 2}],
        ids=str,
    )
    def test_loss_and_gradients(self, dtype, reduction, options):
        arguments = problem(dtype)
        arguments["target"] = arguments["target"].round()
        value, grads = loss_and_grads(
            binary_cross_entropy_with_logits, arguments, reduction=reduction, **options
        )
        arrays = {name: as_array(tensor) for name, tensor in arguments.items()}
        expected, expected_grads = bcelogits.value_and_grad(
            **arrays, reduction=reduction, wrt=NAMES, **options
        )
        assert bits(value) == np.asarray(expected).tobytes()
        if reduction == "none" and dtype in (torch.float16, torch.bfloat16):
            return  # times the ones of the caller
        for name, grad in zip(NAMES, expected_grads, strict=True):
            assert bits(grads[name]) == np.asarray(grad).tobytes(), name
        with torch.no_grad():
            alone = binary_cross_entropy_with_logits(**arguments, reduction=reduction, **options)
        assert bits(alone) == bits(value)

    def test_threads(self):
        """Large enough to be shared."""
        x, y = (t.squeeze(1) for t in list(problem(shape=(400_000, 1)).values())[:2])
        losses, grads = [], []
        for num_threads in (1, 2):
            leaf = x.clone().requires_grad_()
            loss = binary_cross_entropy_with_logits(leaf, y, num_threads=num_threads)
            loss.backward()
            losses.append(bits(loss.detach()))
            grads.append(bits(leaf.grad))
        assert losses[0] == losses[1]
        assert grads[0] == grads[1]

    def test_calls_at_the_same_time(self):
        arguments = problem(shape=(300, 7))
        expected = loss_and_grads(binary_cross_entropy_with_logits, arguments)
        results = []

        def work():
            for _ in range(20):
                results.append(loss_and_grads(binary_cross_entropy_with_logits, arguments))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 80
        for value, grads in results:
            assert bits(value) == bits(expected[0])
            assert all(bits(grads[name]) == bits(expected[1][name]) for name in NAMES)

    def test_where_torch_is_wrong(self):
        x, y = torch.tensor([-20.0, torch.inf, -torch.inf]), torch.tensor([0.0, 1.0, 0.0])
        assert torch_loss(x, y, reduction="none")[0] == 0
        ours = binary_cross_entropy_with_logits(x, y, reduction="none")
        assert ours.tolist() == [float(np.float32(2.0611537e-09)), 0, 0]


def strided(tensor):
    wide = torch.zeros(*tensor.shape[:-1], 2 * tensor.shape[-1], dtype=tensor.dtype)
    wide[..., ::2] = tensor
    return wide[..., ::2]


class Subclass(torch.Tensor):
    pass


LAYOUTS = {
    "strided": strided,
    "transposed": lambda t: t.t().contiguous().t(),
    "offset": lambda t: torch.cat([t.new_zeros(3), t.flatten()])[3:].view(t.shape),
    "negated in name only": lambda t: torch._neg_view(-t),
    "a parameter": lambda t: torch.nn.Parameter(t),
    "a subclass": lambda t: t.as_subclass(Subclass),
}


class TestLayouts:
    @every_dtype
    @pytest.mark.parametrize("arrange", LAYOUTS.values(), ids=LAYOUTS.keys())
    def test_layouts(self, dtype, arrange):
        arguments = problem(dtype)
        if arrange is LAYOUTS["a parameter"]:
            arguments.pop("weight")
        x, y = arrange(arguments["input"]), arrange(arguments["target"])
        assert torch.equal(x.detach(), arguments["input"])
        for reduction in ("none", "mean"):
            ours = binary_cross_entropy_with_logits(x, y, reduction=reduction)
            plain = binary_cross_entropy_with_logits(
                arguments["input"], arguments["target"], reduction=reduction
            )
            assert bits(ours.as_subclass(torch.Tensor)) == bits(plain)
            assert isinstance(ours, type(x)) or type(x) is torch.nn.Parameter
        leaf = arrange(arguments["input"]).detach().requires_grad_()
        binary_cross_entropy_with_logits(leaf, y).sum().backward()
        _, grads = loss_and_grads(
            binary_cross_entropy_with_logits, {k: arguments[k] for k in NAMES[:2]}
        )
        assert torch.equal(leaf.grad.as_subclass(torch.Tensor), grads["input"])

    def test_images_keep_their_memory_format(self):
        x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
        loss = binary_cross_entropy_with_logits(x, torch.ones_like(x), reduction="none")
        assert loss.is_contiguous(memory_format=torch.channels_last)
        loss.sum().backward()
        assert x.grad.is_contiguous(memory_format=torch.channels_last)

    def test_expanded(self):
        x, y = torch.randn(5, 1).expand(5, 3), torch.ones(()).expand(5, 3)
        loss = binary_cross_entropy_with_logits(x, y, reduction="none")
        assert torch.equal(
            loss, binary_cross_entropy_with_logits(x.clone(), y.clone(), reduction="none")
        )
        w = torch.rand(3).requires_grad_()
        binary_cross_entropy_with_logits(x, y, weight=w.expand(5, 3)).backward()
        assert w.grad.shape == (3,)

    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
    def test_without_gradients(self, mode):
        x = problem()["input"].requires_grad_()
        with mode():
            loss = binary_cross_entropy_with_logits(x, problem()["target"])
        assert not loss.requires_grad

    def test_default_device(self):
        with torch.device("cpu"):
            arguments = list(problem().values())
            assert binary_cross_entropy_with_logits(*arguments[:2]).ndim == 0

    def test_tensors_without_memory(self):
        arguments = {name: tensor.to("meta") for name, tensor in problem(torch.float16).items()}
        loss = binary_cross_entropy_with_logits(**arguments, reduction="none")
        assert (loss.device.type, loss.shape, loss.dtype) == ("meta", (6, 5), torch.float16)


class TestMemory:
    @every_dtype
    @pytest.mark.parametrize("arrange", [lambda t: t, strided], ids=["contiguous", "strided"])
    def test_arrays_are_the_tensors_memory(self, dtype, arrange):
        tensor = arrange(problem(dtype)["input"])
        for needs_grad in (False, True):
            array = as_array(tensor.detach().requires_grad_(needs_grad))
            assert array.__array_interface__["data"][0] == tensor.data_ptr()
            steps = [stride * tensor.element_size() for stride in tensor.stride()]
            assert list(array.strides) == steps

    @every_dtype
    @pytest.mark.parametrize("arrange", [lambda t: t, strided], ids=["contiguous", "strided"])
    @pytest.mark.parametrize("reduction", ["none", "mean"])
    def test_nothing_is_copied(self, dtype, arrange, reduction):
        """Neither by NumPy, nor by torch: there is the result, and the gradient."""
        arguments = problem(dtype, (512, 64))
        x = arrange(arguments["input"]).requires_grad_()
        y = arrange(arguments["target"])
        size = 512 * 64 * x.element_size()

        def step():
            x.grad = None
            loss = binary_cross_entropy_with_logits(x, y, reduction=reduction)
            loss.backward(torch.ones_like(loss))

        step()
        tracemalloc.start()
        try:
            step()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < size / 2
        with torch.profiler.profile(profile_memory=True) as profile:
            step()
        allocated = sum(
            event.cpu_memory_usage
            for event in profile.events()
            if event.cpu_memory_usage > 0 and event.cpu_parent is None
        )
        # With "none" also the ones, and the product with them.
        assert allocated <= size * (5 if reduction == "none" else 1) + 4096

    def test_the_gradient_is_handed_over(self):
        x = problem()["input"].requires_grad_()
        loss = binary_cross_entropy_with_logits(x, problem()["target"])
        kept = loss.grad_fn.saved_tensors[-1].data_ptr()
        loss.backward()
        assert x.grad.data_ptr() == kept

    def test_a_second_backward_is_another_gradient(self):
        x = problem()["input"].requires_grad_()
        loss = binary_cross_entropy_with_logits(x, problem()["target"])
        loss.backward(retain_graph=True)
        once = x.grad.clone()
        loss.backward()
        torch.testing.assert_close(x.grad, 2 * once)


class TestModule:
    arguments = problem()

    def module(self, module=BCEWithLogitsLoss, **options):
        w, p = self.arguments["weight"], self.arguments["pos_weight"]
        return module(weight=w.clone(), pos_weight=p.clone(), **options)

    def test_state_dict_both_ways(self):
        ours, theirs = self.module(), self.module(torch.nn.BCEWithLogitsLoss)
        assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight", "pos_weight"]
        for source, into in ((ours, theirs), (theirs, ours)):
            blank = type(into)(
                weight=torch.zeros_like(into.weight), pos_weight=torch.zeros_like(into.pos_weight)
            )
            assert blank.load_state_dict(source.state_dict()).missing_keys == []
            assert torch.equal(blank.weight, source.weight)
            assert torch.equal(blank.pos_weight, source.pos_weight)
        assert BCEWithLogitsLoss().state_dict() == {}

    def test_what_it_is(self):
        ours = self.module()
        assert isinstance(ours, torch.nn.BCEWithLogitsLoss)
        assert dict(ours.named_buffers()).keys() == {"weight", "pos_weight"}
        assert list(ours.parameters()) == []
        assert ours.to(torch.float64).weight.dtype == torch.float64

    @pytest.mark.parametrize(
        "copied",
        [
            copy.deepcopy,
            copy.copy,
            lambda m: pickle.loads(pickle.dumps(m)),
            lambda m: saved_and_loaded(m),
        ],
        ids=["deepcopy", "copy", "pickle", "torch.save"],
    )
    def test_copies(self, copied):
        options = {"reduction": "none", "label_smoothing": 0.1, "ignore_index": -1, "check": False}
        ours = self.module(**options, num_threads=2)
        other = copied(ours)
        assert repr(other) == repr(ours)
        x, y = self.arguments["input"], self.arguments["target"]
        assert torch.equal(other(x, y), ours(x, y))

    def test_repr(self):
        assert repr(BCEWithLogitsLoss()) == "BCEWithLogitsLoss(reduction='mean')"
        loss = BCEWithLogitsLoss(
            reduction="sum", pos_weight=torch.tensor([1.0, 2.0]), label_smoothing=0.1, check=False
        )
        assert loss.extra_repr() == (
            "reduction='sum', pos_weight=tensor([1., 2.]), label_smoothing=0.1, check=False"
        )

    @every_reduction
    def test_is_the_function(self, reduction):
        options = {"label_smoothing": 0.1, "ignore_index": 1, "num_threads": 1}
        x, y = self.arguments["input"], self.arguments["target"].round()
        ours = self.module(reduction=reduction, **options)(x, y)
        weights = {name: self.arguments[name] for name in ("weight", "pos_weight")}
        expected = binary_cross_entropy_with_logits(x, y, **weights, reduction=reduction, **options)
        assert torch.equal(ours, expected)

    def test_training_follows_torchs_curve(self):
        """A network for several labels, with either loss from the same start."""
        draw = torch.Generator().manual_seed(1)
        x = torch.randn(256, 12, generator=draw)
        noise = torch.randn(256, 5, generator=draw)
        y = (x @ torch.randn(12, 5, generator=draw) + noise > 0.5).float()
        curves = []
        for module in (BCEWithLogitsLoss, torch.nn.BCEWithLogitsLoss):
            torch.manual_seed(2)
            network = torch.nn.Sequential(
                torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 5)
            )
            criterion = module(pos_weight=torch.full((5,), 2.0))
            optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
            curve = []
            for _ in range(100):
                optimizer.zero_grad()
                loss = criterion(network(x), y)
                loss.backward()
                optimizer.step()
                curve.append(loss.item())
            curves.append(curve)
        np.testing.assert_allclose(curves[0], curves[1], rtol=1e-4)
        assert curves[0][-1] < 0.7 * curves[0][0]

    def test_bad_options(self):
        with pytest.raises(ValueError, match="reduction must be one of"):
            BCEWithLogitsLoss(reduction="average")
        with pytest.raises(ValueError, match="label_smoothing"):
            BCEWithLogitsLoss(label_smoothing=2)
        with pytest.raises(TypeError, match="num_threads"):
            BCEWithLogitsLoss(num_threads="two")


def saved_and_loaded(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


class TestErrors:
    x, y = torch.zeros(2, 3), torch.zeros(2, 3)

    def test_shape_of_target(self):
        with pytest.raises(ValueError, match=r"target has shape \(3,\), input has shape \(2, 3\)"):
            binary_cross_entropy_with_logits(self.x, torch.zeros(3))

    @pytest.mark.parametrize("name", ["weight", "pos_weight"])
    def test_weights_that_do_not_broadcast(self, name):
        for shape in ((2,), (4, 2, 3), (1, 2, 3)):
            with pytest.raises(ValueError, match=rf"{name} of shape .* does not broadcast"):
                binary_cross_entropy_with_logits(self.x, self.y, **{name: torch.ones(shape)})

    def test_target_out_of_range(self):
        y = torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.5, -1.0]])
        with pytest.raises(ValueError, match=r"target\[1, 1\] is 1.5, outside \[0, 1\]"):
            binary_cross_entropy_with_logits(self.x, y)
        leaf = self.x.clone().requires_grad_()
        with pytest.raises(ValueError, match=r"target\[1, 1\]"):
            binary_cross_entropy_with_logits(leaf, y)
        ours = binary_cross_entropy_with_logits(leaf, y, check=False)
        torch.testing.assert_close(ours, torch_loss(leaf, y))
        ours.backward()

    def test_pos_weight_below_0(self):
        with pytest.raises(ValueError, match=r"pos_weight\[1\] is -1.0"):
            binary_cross_entropy_with_logits(
                self.x, self.y, pos_weight=torch.tensor([1.0, -1.0, 2.0])
            )

    @pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
    def test_logits_that_are_no_floats(self, dtype):
        with pytest.raises(TypeError, match=f"input has dtype {dtype}"):
            binary_cross_entropy_with_logits(self.x.to(dtype), self.y)

    @pytest.mark.parametrize("name", ["target", "weight", "pos_weight"])
    @pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e5m2], ids=str)
    def test_other_dtypes(self, name, dtype):
        arguments = {"target": self.y} | {name: self.y.to(dtype)}
        with pytest.raises(TypeError, match=name):
            binary_cross_entropy_with_logits(self.x, **arguments)

    @pytest.mark.parametrize("name", NAMES)
    def test_no_tensors(self, name):
        arguments = {"input": self.x, "target": self.y} | {name: [[0.0, 1.0, 0.0]] * 2}
        with pytest.raises(TypeError, match=f"{name} must be a tensor, not list"):
            binary_cross_entropy_with_logits(**arguments)

    @pytest.mark.parametrize("name", NAMES)
    def test_sparse(self, name):
        arguments = {"input": self.x, "target": self.y} | {name: self.y.to_sparse()}
        with pytest.raises(TypeError, match=f"{name} must be a dense tensor"):
            binary_cross_entropy_with_logits(**arguments)

    @pytest.mark.parametrize("name", NAMES)
    def test_other_devices(self, name):
        """The error tells what to use there."""
        with FakeTensorMode():
            arguments = {n: torch.zeros(2, 3) for n in ("input", "target")}
            arguments[name] = torch.zeros(2, 3, device="cuda")
            with pytest.raises(
                NotImplementedError,
                match=rf"{name} is on cuda:0; .* torch.nn.functional.binary_cross_entropy_with",
            ):
                binary_cross_entropy_with_logits(**arguments)

    def test_bfloat16_without_ml_dtypes(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
        with pytest.raises(ImportError, match="bfloat16 need ml_dtypes"):
            binary_cross_entropy_with_logits(self.x.bfloat16(), self.y)

    def test_logits_changed_before_backward(self):
        x = torch.zeros(3, requires_grad=True)
        logits = x * 1
        loss = binary_cross_entropy_with_logits(logits, torch.ones(3))
        logits.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


@st.composite
def tensors(draw):
    """Arguments of the function: any dtype and layout, weights that broadcast."""
    shape = tuple(draw(st.lists(st.integers(1, 5), max_size=3)))
    dtype = draw(st.sampled_from(FLOATS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = draw(st.permutations(range(len(shape))))

    def tensor(low, high, shape, order=None):
        values = torch.from_numpy(np.asarray(rng.uniform(low, high, shape))).to(dtype)
        if order is None:
            return values
        return values.permute(order).contiguous().permute(np.argsort(order).tolist())

    arguments = {"input": tensor(-30, 30, shape, order), "target": tensor(0, 1, shape, order)}
    if draw(st.booleans()):
        arguments["target"] = arguments["target"].round()
    for name in ("weight", "pos_weight"):
        if draw(st.booleans()):
            start = draw(st.integers(0, len(shape)))
            sides = tuple(draw(st.sampled_from([1, n])) for n in shape[start:])
            arguments[name] = tensor(0.1, 3, sides)
    return arguments


@settings(max_examples=100)
@given(tensors(), st.sampled_from(["none", "mean", "sum", "weighted_mean"]),
       st.sampled_from([0.0, 0.1]))  # fmt: skip
def test_losses_and_gradients_are_those_of_the_twin(arguments, reduction, smoothing):
    value, grads = loss_and_grads(
        binary_cross_entropy_with_logits, arguments, reduction=reduction, label_smoothing=smoothing
    )
    arrays = {name: as_array(tensor) for name, tensor in arguments.items()}
    for name, grad in grads.items():
        expected_value, expected = reference.value_and_grad(
            **arrays, reduction=reduction, wrt=name, label_smoothing=smoothing
        )
        ulp.assert_agrees(as_array(value), *expected_value, ulp=5)
        ulp.assert_agrees(as_array(grad), *expected, ulp=7)
