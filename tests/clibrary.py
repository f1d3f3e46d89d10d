"""The C library as embedders get it: built by CMake, installed, and moved."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("static", "shared")
JOBS = 2


def require(*programs: str) -> None:
    """Skip the test where one of the programs is missing."""
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"needs {', '.join(missing)}")


def compiler() -> str:
    """Return the C compiler that cmake and make choose, or skip the test."""
    name = os.environ.get("CC", "cc")
    require(name.split()[0])
    return name


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    quiet: bool = False,
) -> str:
    """Run a command that must succeed, quiet: without a word on stderr; return what it prints."""
    # The jobserver of an outer make is not ours.
    inherited = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    process = subprocess.run(
        [str(part) for part in command],
        env=inherited | dict(environment or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    failed = process.returncode != 0 or (quiet and process.stderr)
    assert not failed, f"{' '.join(map(str, command))}\n{process.stdout}\n{process.stderr}"
    return process.stdout


def cmake(source: Path, build: Path, **variables: str | Path) -> None:
    """Configure and build a project; a warning is an error."""
    definitions = [f"-D{name}={value}" for name, value in variables.items()]
    run("cmake", "-S", source, "-B", build, *definitions, quiet=True)
    run("cmake", "--build", build, "--parallel", str(JOBS), quiet=True)


class Installed:
    """Prefixes of the library, each kind built when it is first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, kind: str) -> Path:
        """Return the prefix of one kind alone."""
        prefix = self.folder / kind
        if not prefix.exists():
            require("cmake", compiler().split()[0])
            cmake(ROOT / "csrc", self._build(kind), BUILD_SHARED_LIBS=str(kind == "shared"))
            self._install(kind, prefix)
        return prefix

    def both(self) -> Path:
        """Return a prefix that has both."""
        prefix = self.folder / "both"
        if not prefix.exists():
            for kind in KINDS:
                self(kind)
                self._install(kind, prefix)
        return prefix

    def library(self, kind: str) -> Path:
        """Return the library itself."""
        name = "libbcelogits." + ("a" if kind == "static" else _SHARED_SUFFIX)
        (found,) = self(kind).glob(f"lib*/{name}")
        return found

    def pkg_config_path(self, kind: str) -> str:
        """Return the folder of bcelogits.pc."""
        (found,) = self(kind).glob("lib*/pkgconfig")
        return str(found)

    def _build(self, kind: str) -> Path:
        return self.folder / f"build-{kind}"

    def _install(self, kind: str, prefix: Path) -> None:
        before = self.folder / "before-moving"
        if prefix.exists():
            prefix.rename(before)
        run("cmake", "--install", self._build(kind), "--prefix", before)
        before.rename(prefix)


_SHARED_SUFFIX = "dylib" if sys.platform == "darwin" else "so"
