"""The public names, their signatures and defaults, and what importing them costs."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from importlib import metadata, resources

import numpy as np
import pytest

import bcelogits

NAMES = {
    "BCEWithLogitsLoss",
    "RunningLoss",
    "balanced_pos_weight",
    "active_isa",
    "binary_cross_entropy_with_logits",
    "get_include",
    "get_num_threads",
    "grad_and_hess",
    "log_sigmoid",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "softplus",
    "supported_isas",
    "value_and_grad",
}

SIGNATURES = {
    "RunningLoss": (
        "(*, pos_weight=None, label_smoothing=0.0, ignore_index=None, axis=None, check=True)"
    ),
    "BCEWithLogitsLoss": (
        "(weight=None, size_average=None, reduce=None, reduction='mean', pos_weight=None, *, "
        "label_smoothing=0.0, ignore_index=None, check=True, num_threads=None)"
    ),
    "binary_cross_entropy_with_logits": (
        "(input, target, weight=None, size_average=None, reduce=None, reduction='mean', "
        "pos_weight=None, *, label_smoothing=0.0, ignore_index=None, where=None, axis=None, "
        "dtype=None, check=True, num_threads=None, out=None)"
    ),
    "value_and_grad": (
        "(input, target, weight=None, *, reduction='mean', pos_weight=None, wrt='input', "
        "grad_output=None, label_smoothing=0.0, ignore_index=None, where=None, check=True, "
        "num_threads=None, out=None)"
    ),
    "grad_and_hess": (
        "(input, target, weight=None, *, pos_weight=None, label_smoothing=0.0, "
        "ignore_index=None, where=None, hess_floor=0.0, dtype=None, check=True, "
        "num_threads=None, out=None)"
    ),
    "sigmoid": "(x, out=None)",
    "log_sigmoid": "(x, out=None)",
    "softplus": "(x, out=None)",
    "balanced_pos_weight": (
        "(target, axis=0, *, keepdims=False, weight=None, where=None, ignore_index=None)"
    ),
    "supported_isas": "()",
    "active_isa": "()",
    "get_include": "()",
}


def without_annotations(function):
    signature = inspect.signature(function)
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    return str(inspect.Signature(parameters))


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    assert without_annotations(getattr(bcelogits, name)) == SIGNATURES[name]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("forward", ["input", "target"]),
        ("__call__", ["input", "target"]),
        ("value_and_grad", ["input", "target", "wrt", "grad_output", "where", "out"]),
        ("grad_and_hess", ["input", "target", "where", "hess_floor", "dtype", "out"]),
        ("extra_repr", []),
    ],
)
def test_methods(method, expected):
    """What the object does not hold, its methods take, under the functions' names."""
    parameters = list(inspect.signature(getattr(bcelogits.BCEWithLogitsLoss, method)).parameters)
    assert parameters[1:] == expected


def test_all():
    assert set(bcelogits.__all__) - {"__version__"} == NAMES
    assert len(set(bcelogits.__all__)) == len(bcelogits.__all__)
    for name in bcelogits.__all__:
        assert hasattr(bcelogits, name)


def test_nothing_else_is_public():
    """No helper, no imported module shows: what is not promised has an underscore."""
    public = {name for name in vars(bcelogits) if not name.startswith("_")}
    # submodules that something has imported
    modules = {"cli", "torch", "boosting", "dask", "metrics"}
    assert public - modules <= NAMES


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+([.a-z]\w*)*", bcelogits.__version__)
    try:
        distribution = metadata.version("bcelogits")
    except metadata.PackageNotFoundError:
        pytest.skip("bcelogits is on the path and not installed")
    assert bcelogits.__version__ == distribution


@pytest.mark.parametrize("name", sorted(NAMES))
def test_docstring(name):
    """numpydoc: one line, then sections; every parameter is described."""
    thing = getattr(bcelogits, name)
    text = inspect.getdoc(thing)
    assert text
    first, *_ = text.splitlines()
    assert first.endswith(".")
    parameters = [p for p in inspect.signature(thing).parameters if p != "self"]
    if parameters:
        assert "Parameters\n----------" in text
    for parameter in parameters:
        assert re.search(rf"(?m)^(\w+, )*{parameter}(, \w+)* : |^\s*{parameter} : ", text), (
            parameter
        )
    if not inspect.isclass(thing):
        assert "Returns\n-------" in text or name in {"show_config", "set_num_threads"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_know_where_they_live(name):
    """So that help(), pickling and error messages say bcelogits and the public name."""
    thing = getattr(bcelogits, name)
    assert thing.__name__ == name
    assert thing.__module__.split(".")[0] == "bcelogits"


def test_annotations():
    """Every public function is typed, and the package says so to type checkers."""
    assert resources.files("bcelogits").joinpath("py.typed").is_file()
    for name in NAMES:
        thing = getattr(bcelogits, name)
        function = thing.__init__ if inspect.isclass(thing) else thing
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name != "self":
                assert parameter.annotation is not inspect.Parameter.empty, (name, parameter.name)
        assert inspect.signature(function).return_annotation is not inspect.Signature.empty, name


def fresh(code):
    """The output of code in a new process, as JSON."""
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_import_needs_numpy_alone():
    """Nothing beside NumPy, and nothing of NumPy that `import numpy` does not load."""
    loaded = fresh(
        "import sys, json, numpy; before = set(sys.modules)\n"
        "import bcelogits\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    foreign = {
        name
        for name in loaded
        if name.split(".")[0] not in sys.stdlib_module_names
        and name.split(".")[0] != "bcelogits"
        and not name.startswith(("_cython_", "cython_runtime"))
    }
    assert not foreign
    assert not {n for n in loaded if n.startswith("bcelogits.cli")}


def test_import_loads_no_heavy_module():
    loaded = fresh(
        "import sys, json, numpy; before = set(sys.modules)\n"
        "import bcelogits\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    heavy = {"asyncio", "multiprocessing", "concurrent.futures", "argparse", "subprocess", "ctypes",
             "logging", "inspect", "typing_extensions", "numpy.typing", "ml_dtypes", "unittest",
             "importlib.metadata", "tempfile", "decimal", "platform"}  # fmt: skip
    assert not heavy & set(loaded)


def test_import_changes_no_floating_point_environment():
    """Subnormals stay, whatever the flags the extension was linked with."""
    assert fresh(
        "import json, numpy as np, bcelogits\n"
        "x = np.float32(1e-40) * np.float32(0.5)\n"
        "print(json.dumps([float(x), float(np.float64(5e-324) * 1.0)]))"
    ) == [float(np.float32(1e-40) * np.float32(0.5)), 5e-324]


def test_results_raise_no_floating_point_warning():
    """Overflow, underflow and NaN inside a kernel are its own business."""
    x = np.array([np.inf, -np.inf, np.nan, 1e308, -800, 0, 5e-324])
    with np.errstate(all="raise"):
        for y in (0, 1, 0.5):
            target = np.full(x.shape, y)
            for reduction in ("none", "mean", "sum"):
                bcelogits.binary_cross_entropy_with_logits(
                    x, target, 3.0, reduction=reduction, pos_weight=1e300
                )
            bcelogits.value_and_grad(x, target)
            bcelogits.grad_and_hess(x, target)
        for function in (bcelogits.sigmoid, bcelogits.log_sigmoid, bcelogits.softplus):
            function(x)
