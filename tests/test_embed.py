"""A project outside the tree finds, links and runs the C library in each of the ways there are."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clibrary import KINDS, ROOT, Installed, cmake, compiler, require, run

import bcelogits
from bcelogits import _core

CONSUMER = ROOT / "tests" / "embed"
# What each program of the consumer prints.
C_LINES = ["mean", "sum", "stream", "by_pos_weight", "loss", "grad", "bad"]
CPP_LINES = ["mean", "sum", "mean_grad"]

# KiB, as the header says.
STACK = 128

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks in the words of Linux")


def expected() -> dict[str, str]:
    lines = (CONSUMER / "expected.txt").read_text().splitlines()
    return dict(line.split() for line in lines)


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    """Return a copy of the project, far from the library."""
    return Path(shutil.copytree(CONSUMER, tmp_path / "consumer"))


def check(folder: Path) -> None:
    """Run both programs of the consumer."""
    for program, names in (("consumer_c", C_LINES), ("consumer_cpp", CPP_LINES)):
        printed = run(folder / program).splitlines()
        assert printed == [f"{name} {expected()[name]}" for name in names]


@pytest.mark.parametrize("kind", KINDS)
class TestWays:
    """One test for each way and kind of library; each in C and in C++."""

    @pytest.fixture(autouse=True)
    def tools(self) -> None:
        require("cmake", compiler().split()[0])

    def test_find_package(self, c_library: Installed, consumer: Path, tmp_path: Path, kind: str):
        cmake(
            consumer,
            tmp_path / "build",
            HOW="find_package",
            KIND=kind,
            VERSION_WANTED=version(),
            CMAKE_PREFIX_PATH=c_library.both(),
        )
        check(tmp_path / "build")

    def test_pkg_config(self, c_library: Installed, consumer: Path, kind: str):
        require("make", "pkg-config")
        found = {"PKG_CONFIG_PATH": c_library.pkg_config_path(kind)}
        assert run("pkg-config", "--modversion", "bcelogits", environment=found).strip() == (
            version()
        )
        run("make", "-C", consumer, environment=found)
        check(consumer)

    def test_fetch_content(self, consumer: Path, tmp_path: Path, kind: str):
        archive = tmp_path / "bcelogits.tar.gz"
        run("cmake", "-E", "tar", "czf", archive, "LICENSE", "csrc", cwd=ROOT)
        cmake(
            consumer,
            tmp_path / "build",
            HOW="fetch",
            KIND=kind,
            BCELOGITS_URL=archive.as_uri(),
            BCELOGITS_SHA256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        )
        check(tmp_path / "build")

    def test_add_subdirectory(self, consumer: Path, tmp_path: Path, kind: str):
        """Of a project whose flags would change results: they are undone for the library."""
        cmake(
            consumer,
            tmp_path / "build",
            HOW="subdirectory",
            KIND=kind,
            BCELOGITS_SOURCE=ROOT / "csrc",
            CMAKE_C_FLAGS="-ffast-math -ffp-contract=fast",
        )
        check(tmp_path / "build")
        if kind == "shared" and sys.platform == "linux":
            require("nm")  # what the linker adds flushes subnormal numbers in all of the process
            (library,) = (tmp_path / "build").glob("bcelogits/libbcelogits.so")
            assert "set_fast_math" not in run("nm", library)


@needs_linux
def test_little_stack(c_library: Installed, consumer: Path, tmp_path: Path):
    """What the header says, of which the program itself takes a few KiB."""
    require("cmake")
    prefix = c_library("static")
    variables = {"HOW": "find_package", "KIND": "static", "CMAKE_PREFIX_PATH": prefix}
    cmake(consumer, tmp_path / "build", **variables)
    run("sh", "-c", f"ulimit -s {STACK} && exec {shlex.quote(str(tmp_path))}/build/consumer_c")


def test_threads_do_not_race(consumer: Path, tmp_path: Path):
    """ThreadSanitizer watches threads choose the instruction set, by each function that can."""
    require("cmake")
    flags = "-O1 -g -fsanitize=thread"
    (tmp_path / "probe.c").write_text("int main(void) { return 0; }")
    probe = [*compiler().split(), *flags.split(), "probe.c", "-o", "probe"]
    for command in (probe, ["./probe"]):
        process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        if process.returncode:
            pytest.skip(f"ThreadSanitizer does not work here: {process.stderr.strip()}")
    variables = {"HOW": "subdirectory", "KIND": "static", "BCELOGITS_SOURCE": ROOT / "csrc"}
    variables |= {"CMAKE_C_FLAGS": flags, "CMAKE_CXX_FLAGS": flags, "THREADS": "ON"}
    cmake(consumer, tmp_path / "build", **variables)
    check(tmp_path / "build")
    functions = run(tmp_path / "build" / "threads").split()
    assert len(functions) == 13
    for function in functions:
        run(tmp_path / "build" / "threads", function)


class TestPackage:
    """What find_package answers."""

    def find(self, c_library: Installed, consumer: Path, kind: str, version: str) -> str:
        require("cmake", compiler().split()[0])
        command = ["cmake", "-S", consumer, "-B", consumer / "build", "-DHOW=find_package"]
        command += [f"-DKIND={kind}", f"-DVERSION_WANTED={version}"]
        process = subprocess.run(
            [*map(str, command), f"-DCMAKE_PREFIX_PATH={c_library('static')}"],
            capture_output=True,
            text=True,
        )
        return "" if process.returncode == 0 else " ".join(process.stderr.split())

    def test_kind_that_is_not_installed(self, c_library: Installed, consumer: Path):
        error = self.find(c_library, consumer, "shared", "")
        assert re.search("not installed in .*: shared", error)

    def test_version_that_is_not_compatible(self, c_library: Installed, consumer: Path):
        error = self.find(c_library, consumer, "static", "99.0")
        assert 'compatible with requested version "99.0"' in error
        assert f"version: {version()}" in error


def test_code_of_the_page_compiles(tmp_path: Path):
    """docs/embedding.md has a whole function."""
    page = (ROOT / "docs" / "embedding.md").read_text("utf-8")
    (code,) = re.findall(r"```c\n(#include <bcelogits\.h>\n.*?)```", page, re.DOTALL)
    source = tmp_path / "page.c"
    source.write_text(code)
    strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    include = f"-I{bcelogits.get_include()}"
    run(*compiler().split(), *strict, include, "-c", source, "-o", tmp_path / "page.o")


def test_installed_files_name_no_folder(c_library: Installed):
    """They were installed elsewhere and moved; nothing remembers where."""
    for kind in KINDS:
        prefix = c_library(kind)
        texts = [path for path in prefix.rglob("*") if path.suffix in (".cmake", ".pc", ".h")]
        assert len(texts) >= 6
        for path in texts:
            assert str(c_library.folder) not in path.read_text(), path
            assert str(ROOT) not in path.read_text(), path


@needs_linux
def test_soname_is_the_abi_version(c_library: Installed):
    library = c_library.library("shared")
    abi = f"{library}.{_core.ABI_VERSION}"
    assert Path(abi).is_file()
    require("readelf")
    assert f"[{Path(abi).name}]" in run("readelf", "-d", library)


def version() -> str:
    return bcelogits.__version__


def bits(values: np.ndarray) -> str:
    return f"{int(values.view(f'u{values.itemsize}')[()]):0{2 * values.itemsize}x}"


def fnv(values: np.ndarray) -> str:
    digest = 0xCBF29CE484222325
    for word in values.view(np.uint32).tolist():
        digest = (digest ^ word) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


def test_expected_bits_are_those_of_python():
    n = 2 * _core.BLOCK + 1000
    state, x = 1, np.empty(n, np.float32)
    for i in range(n):
        state = (state * 1664525 + 1013904223) % 2**32
        x[i] = (state >> 12) / 2**15 - 16
    y = (np.arange(n) % 3 == 0).astype(np.float32)
    loss, grad = bcelogits.value_and_grad(x, y, reduction="none")
    _, by_pos_weight = bcelogits.value_and_grad(
        x[:-1:2].astype(np.float64),
        y[:-1:2],
        1.25,
        reduction="weighted_mean",
        pos_weight=1.25,
        wrt="pos_weight",
        label_smoothing=0.125,
    )
    total = bcelogits.binary_cross_entropy_with_logits(x, y, reduction="sum", dtype=np.float64)
    assert expected() == {
        "mean": bits(bcelogits.binary_cross_entropy_with_logits(x, y)),
        "sum": bits(total),
        "stream": bits(total),
        "by_pos_weight": bits(by_pos_weight),
        "loss": fnv(loss),
        "grad": fnv(grad),
        "bad": "7",
        "mean_grad": fnv(bcelogits.value_and_grad(x, y)[1]),
    }
