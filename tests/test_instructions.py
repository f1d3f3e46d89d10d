"""The main kernels take as many instructions as the committed file says, within a few per cent."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

KERNELS = [
    (kernel, dtype)
    for dtype in ("float32", "float64")
    for kernel in (
        "mean",
        "mean-pos-weight",
        "mean-weighted-2d",
        "loss",
        "value-and-grad",
        "grad-and-hess",
        "sigmoid",
        "small-mean",
        "small-loss",
    )
]


@pytest.fixture(scope="module")
def tool(import_from: Callable[[str, str], ModuleType]) -> ModuleType:
    return import_from("tools", "instructions")


@pytest.fixture(scope="module")
def counts(tool: ModuleType) -> tuple[dict, dict]:
    """Return what the file says of this compiler, and what callgrind counts."""
    try:
        tool.build()
        compiler = tool.compiler()
        recorded = tool.read(compiler)
        if not recorded:
            pytest.skip(f"{tool.FILE.name} has no row of {compiler}")
        return recorded, tool.count()
    except tool.CannotCountError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("kernel", KERNELS, ids=" ".join)
def test_instructions_are_those_recorded(tool, counts, kernel):
    recorded, counted = counts
    assert tool.complaint(kernel, recorded.get(kernel), counted.get(kernel)) is None


def test_no_kernel_escapes(counts):
    recorded, counted = counts
    assert set(recorded) == set(counted) == set(KERNELS)


class TestComplaint:
    """What is told, on made-up counts."""

    @pytest.mark.parametrize("counted", [97.5, 100, 102.5])
    def test_none_within_the_tolerance(self, tool, counted):
        assert tool.complaint(("mean", "float32"), 100, counted) is None

    def test_growth(self, tool):
        text = tool.complaint(("mean", "float32"), 100, 104)
        assert "mean float32: 104 instructions, +4.0% from the 100" in text
        assert "make instructions" in text

    def test_a_gain_is_to_be_recorded(self, tool):
        assert "-4.0%" in tool.complaint(("mean", "float32"), 100, 96)

    @pytest.mark.parametrize(("recorded", "counted"), [(None, 1), (1, None)])
    def test_kernel_of_one_side_alone(self, tool, recorded, counted):
        assert "is not in" in tool.complaint(("mean", "float32"), recorded, counted)


def test_rows_of_other_compilers_are_kept(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "FILE", tmp_path / "instructions.txt")
    tool.write("gcc-12", {("mean", "float32"): 3.25, ("small-mean", "float32"): 400})
    tool.write("clang-14", {("mean", "float32"): 3.5})
    tool.write("gcc-12", {("mean", "float32"): 3.0})
    assert tool.read("gcc-12") == {("mean", "float32"): 3.0}
    assert tool.read("clang-14") == {("mean", "float32"): 3.5}
    assert tool.read("gcc-13") == {}
