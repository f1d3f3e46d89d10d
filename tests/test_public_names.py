"""The public names, their signatures and defaults, and what importing them costs."""

from __future__ import annotations

import inspect
import json
import os
import pickle
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


def described(text):
    """Return the names of the section Parameters of numpydoc, each with its description.

    Several that follow each other may share one after the last, which begins with All these.
    """
    found, waiting = {}, []
    section = re.search(r"(?ms)^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text)
    lines = section[1].splitlines() if section else []
    for line in lines:
        if head := re.fullmatch(r"(\w+(?:, \w+)*) : \S.*", line):
            names = head[1].split(", ")
            assert not set(names) & found.keys(), f"{names} twice"
            found |= dict.fromkeys(names, "")
            waiting.append(names)
        elif line.strip():
            assert line.startswith("    "), f"no name and no description: {line}"
            shared = line.strip().startswith("All these as in `")
            for names in waiting if shared else waiting[-1:]:
                found |= dict.fromkeys(names, line.strip())
            waiting = []
    return found


def own_parameters(thing):
    return [p for p in inspect.signature(thing).parameters if p != "self"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_docstring(name):
    """numpydoc: one line, then sections; every parameter is described, and no other."""
    thing = getattr(bcelogits, name)
    text = inspect.getdoc(thing)
    assert text
    first, *_ = text.splitlines()
    assert first.endswith(".")
    found = described(text)
    assert sorted(found) == sorted(own_parameters(thing))
    assert all(found.values()), [name for name, description in found.items() if not description]
    if not inspect.isclass(thing):
        assert "Returns\n-------" in text or name in {"show_config", "set_num_threads"}


@pytest.mark.parametrize("name", sorted(n for n in NAMES if inspect.isclass(getattr(bcelogits, n))))
def test_docstrings_of_methods(name):
    for method, function in vars(getattr(bcelogits, name)).items():
        if not method.startswith("_") and not isinstance(function, property):
            text = inspect.getdoc(getattr(getattr(bcelogits, name), method))
            assert text, method
            parameters = own_parameters(getattr(getattr(bcelogits, name), method))
            found = described(text)
            if found or "`" not in text:  # or as in another function, which it names
                assert sorted(found) == sorted(parameters), method
            assert all(found.values()), method


def test_what_is_not_described_is_seen():
    """The last two tests fail where they should."""
    one, two = "a : int\n    Is a.", "b, c : int, optional\n    Are b and c."
    parts = "Words.\n\nParameters\n----------\n{}\n\nReturns\n-------\nd : int\n    Is d.\n"
    both = {"a": "Is a.", "b": "Are b and c.", "c": "Are b and c."}
    assert described(parts.format(f"{one}\n{two}")) == both
    assert described(parts.format(f"a : int\n{two}"))["a"] == ""
    shared = parts.format("a : int\nb : int\n    All these as in `f`.\nc : int")
    same = "All these as in `f`."
    assert described(shared) == {"a": same, "b": same, "c": ""}
    assert described("Words about a : int.\n\nReturns\n-------\na : int\n    Is a.\n") == {}
    for wrong in (f"{one}\n{one}", f"{one}\nb: int\n    Is b."):
        with pytest.raises(AssertionError):
            described(parts.format(wrong))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_know_where_they_live(name):
    """So that pickling, and whoever looks for the source, finds the very same thing."""
    thing = getattr(bcelogits, name)
    assert (thing.__name__, thing.__qualname__) == (name, name)
    assert thing.__module__ != "bcelogits._core"
    assert getattr(sys.modules[thing.__module__], name) is thing
    assert pickle.loads(pickle.dumps(thing)) is thing
    path = inspect.getsourcefile(thing)
    assert path is not None
    assert path == sys.modules[thing.__module__].__file__
    assert os.path.dirname(path) == os.path.dirname(bcelogits.__file__)


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
