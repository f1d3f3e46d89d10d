"""Instruction sets, the build's configuration, and BCELOGITS_ISA."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import bcelogits

NAMES = ["baseline", "avx2", "avx512", "neon"]


def run(code, isa=None):
    """Run code in a new process; BCELOGITS_ISA is unset when isa is None."""
    environment = {k: v for k, v in os.environ.items() if k != "BCELOGITS_ISA"}
    if isa is not None:
        environment["BCELOGITS_ISA"] = isa
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True
    )


def cpu_flags():
    """What Linux says of the processor, or None."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return None
    line = next((s for s in text.splitlines() if s.startswith("flags")), "")
    return set(line.split()[2:])


def test_supported_isas():
    isas = bcelogits.supported_isas()
    assert isinstance(isas, tuple)
    assert len(set(isas)) == len(isas)
    assert set(isas) <= set(NAMES)
    assert "baseline" in isas


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not cpu_flags(),
    reason="needs the flags that Linux shows of an x86 processor",
)
def test_avx2_is_supported_where_the_processor_has_it():
    flags = cpu_flags()
    assert ("avx2" in bcelogits.supported_isas()) == ({"avx2", "fma"} <= flags)
    assert "neon" not in bcelogits.supported_isas()


def test_active_isa():
    assert bcelogits.active_isa() in bcelogits.supported_isas()


def test_the_best_is_active_by_default():
    """supported_isas has the best first."""
    process = run(
        "import bcelogits; print(bcelogits.active_isa(), bcelogits.supported_isas()[0],"
        " bcelogits.supported_isas()[-1])"
    )
    assert process.returncode == 0, process.stderr
    active, first, last = process.stdout.split()
    assert active == first
    assert last == "baseline"


@pytest.mark.parametrize("isa", bcelogits.supported_isas())
def test_environment_variable_caps(isa):
    process = run(
        "import bcelogits; print(bcelogits.active_isa(), bcelogits.supported_isas())", isa
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == f"{isa} {bcelogits.supported_isas()}"


@pytest.mark.parametrize(
    "isa", [*(n for n in NAMES if n not in bcelogits.supported_isas()), "sse9", "AVX2 ", "scalar?"]
)
def test_environment_variable_of_what_cannot_run(isa):
    """ImportError, one message that names the value and what could run instead."""
    process = run("import bcelogits", isa)
    assert process.returncode == 1
    error = process.stderr.strip().splitlines()[-1]
    assert error.startswith("ImportError: ")
    assert "BCELOGITS_ISA" in error
    assert isa in error
    for supported in bcelogits.supported_isas():
        assert supported in error


def test_environment_variable_can_be_caught_and_mended():
    process = run(
        "import os\n"
        "try:\n    import bcelogits\n    print('no error')\n"
        "except ImportError as e:\n    print('BCELOGITS_ISA' in str(e))\n"
        "del os.environ['BCELOGITS_ISA']\n"
        "import sys\n"
        "for name in [n for n in sys.modules if n.startswith('bcelogits')]:\n"
        "    del sys.modules[name]\n"
        "import bcelogits\n"
        "print(bcelogits.active_isa() == bcelogits.supported_isas()[0])\n",
        "unheard-of",
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == ["True", "True"]


def test_empty_environment_variable_is_none():
    process = run("import bcelogits; print(bcelogits.active_isa())", "")
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == bcelogits.supported_isas()[0]


def test_show_config(capsys):
    assert bcelogits.show_config() is None
    shown = capsys.readouterr().out
    assert bcelogits.__version__ in shown
    assert bcelogits.active_isa() in shown
    for isa in bcelogits.supported_isas():
        assert isa in shown


def test_get_include():
    folder = Path(bcelogits.get_include())
    assert folder.is_absolute()
    header = folder / "bcelogits.h"
    assert header.is_file()
    assert "bcelogits" in header.read_text(encoding="utf-8")
