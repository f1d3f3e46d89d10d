"""bcelogits.torch where calls are traced: torch.compile, torch.export, dispatch modes."""

from __future__ import annotations

import shutil
import warnings

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; the extra 'torch' has it")

from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

from bcelogits.torch import BCEWithLogitsLoss, binary_cross_entropy_with_logits  # noqa: E402

# torch's own, of itself: its backends that record graphs, and what it calls deprecated but uses.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Your compiler for AOTAutograd:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*autograd.function.Function.* should not be instantiated"),
    pytest.mark.filterwarnings("ignore:`torch.jit.\\w+` is deprecated:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def problem(dtype=torch.float32, shape=(3, 4)):
    draw = torch.Generator().manual_seed(0)
    return [
        (2 * torch.randn(shape, generator=draw)).to(dtype),
        torch.rand(shape, generator=draw).to(dtype),
        torch.rand(shape[-1:], generator=draw).add(0.5).to(dtype),
        torch.rand((*shape[:-1], 1), generator=draw).add(0.5).to(dtype),
    ]


def loss_and_grads(function, tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = function(*leaves)
    value.sum().backward()
    return value.detach(), [leaf.grad for leaf in leaves]


def compiled(function, backend, **options):
    return torch.compile(function, backend=backend, fullgraph=True, **options)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_whole_graph(reduction, dtype):
    """The bits of the call that is not compiled, and gradients as close as a product more."""

    def function(x, y, w, p):
        logits = 2 * x
        return 3 * binary_cross_entropy_with_logits(logits, y, w, reduction=reduction, pos_weight=p)

    tensors = problem(dtype)
    value, grads = loss_and_grads(compiled(function, "aot_eager"), tensors)
    expected, expected_grads = loss_and_grads(function, tensors)
    assert torch.equal(value, expected)
    torch.testing.assert_close(grads, expected_grads)


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")
def test_default_backend():
    def function(x, y, w, p):
        return 3 * binary_cross_entropy_with_logits(2 * x, y, w, pos_weight=p)

    value, grads = loss_and_grads(compiled(function, "inductor"), problem())
    expected, expected_grads = loss_and_grads(function, problem())
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(grads, expected_grads)


def test_gradient_comes_with_the_loss():
    """One operator forward; backward nothing but the product with what comes from above."""
    from torch._dynamo.testing import AotEagerAndRecordGraphs

    backend = AotEagerAndRecordGraphs()
    x, y, *_ = problem()
    compiled(BCEWithLogitsLoss(), backend)(x.requires_grad_(), y).backward()
    (forward,), (backward,) = backend.fw_graphs, backend.bw_graphs
    assert [str(n.target) for n in forward.graph.nodes if "bcelogits" in str(n.target)] == [
        "bcelogits.loss.default"
    ]
    called = [str(n.target) for n in backward.graph.nodes if n.op == "call_function"]
    assert called == ["aten.mul.Tensor"]


@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": 0.1, "ignore_index": 1, "num_threads": 2},
        {"ignore_index": 0.5, "check": False},
        {"size_average": False},
        {"reduce": False},
    ],
    ids=str,
)
def test_options(options):
    def function(x, y):
        return binary_cross_entropy_with_logits(x, y, **options)

    x, y, *_ = problem()
    result = compiled(function, "eager")(x, y.round())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of size_average and reduce
        assert torch.equal(result, function(x, y.round()))


def test_module_with_buffers():
    x, y, w, p = problem()
    module = BCEWithLogitsLoss(weight=w, pos_weight=p)
    assert torch.equal(compiled(module, "aot_eager")(x, y), module(x, y))


def test_dynamic_shapes():
    function = compiled(binary_cross_entropy_with_logits, "aot_eager", dynamic=True)
    for n in (3, 5, 9):
        x, y, *_ = problem(shape=(n, 2))
        assert torch.equal(function(x, y), binary_cross_entropy_with_logits(x, y))


def test_errors_at_run_time():
    function = compiled(binary_cross_entropy_with_logits, "aot_eager")
    x, y, *_ = problem()
    function(x, y)
    with pytest.raises(ValueError, match=r"target\[0, 0\] is .*, outside \[0, 1\]"):
        function(x, y + 2)


def test_transforms():
    x, y, *_ = problem()
    function = torch.func.vmap(binary_cross_entropy_with_logits)
    torch.testing.assert_close(compiled(function, "aot_eager")(x, y), function(x, y))


def test_export():
    x, y, *_ = problem()
    module = BCEWithLogitsLoss()
    program = torch.export.export(module, (x, y))
    assert "bcelogits.loss" in program.graph_module.code
    assert torch.equal(program.module()(x, y), module(x, y))


def test_dispatch_modes_see_the_operator():
    x, y, *_ = problem()
    traced = make_fx(lambda x, y: binary_cross_entropy_with_logits(x, y))(x, y)
    assert "bcelogits.loss" in traced.code
    assert torch.equal(traced(2 * x, y), binary_cross_entropy_with_logits(2 * x, y))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # that shapes are compared
def test_torchscript_traces_the_operator():
    x, y, *_ = problem()
    traced = torch.jit.trace(binary_cross_entropy_with_logits, (x, y))
    assert torch.equal(traced(2 * x, y), binary_cross_entropy_with_logits(2 * x, y))


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_operator_of_the_loss(reduction):
    x, y, w, p = (tensor.requires_grad_() for tensor in problem())
    for with_grad in (False, True):
        torch.library.opcheck(
            torch.ops.bcelogits.loss.default,
            (x, y, w, p, reduction, 0.1, None, True, None, torch.float32, with_grad),
        )


def test_operator_of_the_gradients():
    factor, *tensors = (tensor.requires_grad_() for tensor in (torch.rand(3, 4), *problem()))
    options = "none", 0.1, 3, True, None, torch.float32
    torch.library.opcheck(
        torch.ops.bcelogits.grads.default, (factor, *tensors, *options, [True, False, True, True])
    )


@pytest.mark.parametrize(
    ("name", "more"), [("sigmoid", ()), ("softplus", ()), ("checked", ("target", 1))]
)
def test_elementwise_operators(name, more):
    operator = getattr(torch.ops.bcelogits, name).default
    torch.library.opcheck(operator, (problem()[1], *more))
