"""Build a mutant and run the tests that reach it.

A mutant of Python is tried in a copy of the installed package that goes before it on the path; one
of C in a copy of ``csrc`` and ``tests/c``, where make builds what depends on it. If no test of C
notices it, the objects become the extension of such a copy of the package.
"""

from __future__ import annotations

import compileall
import importlib.util
import os
import py_compile
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools.mutants import of_c, of_python
from tools.mutants.mutant import Mutant, read
from tools.page import ROOT

REACHED = tomllib.loads((Path(__file__).parent / "reached.toml").read_text())
# The instruction sets of these are not of this machine, or the tests are built without them.
_FOREIGN = {"avx2.h": "avx2", "avx512.h": "avx512", "neon.h": "neon", "scalar.h": "scalar"}
# The portable kernels take as long to compile as all others together, and are the baseline of
# other machines.
_CFLAGS = "-O1 -fPIC -fvisibility=hidden -UBCEL_WITH_SCALAR"
_SAMPLE = "50"


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant, and by which test.

    The outcome is "killed", "timeout", "lived" or "not compiled".
    """

    outcome: str
    by: str
    seconds: float


def sources(supported: tuple[str, ...]) -> list[Path]:
    """Return the files that have mutants, for a processor with these instruction sets."""
    found = sorted((ROOT / "src/bcelogits").rglob("*.py"))
    for path in sorted((ROOT / "csrc").rglob("*.[ch]")):
        if path.parent.name != "simd" or _FOREIGN.get(path.name, "baseline") in supported:
            found.append(path)
    return found


def mutants_of(path: Path) -> list[Mutant]:
    """Return all mutants of a file."""
    generator = of_python if path.suffix == ".py" else of_c
    return generator.mutants(path.relative_to(ROOT).as_posix(), read(path))


def tests_of(file: str) -> list[str]:
    """Return the test files of Python that reach a file, in the order in which they are tried."""
    if not file.endswith(".py"):
        return list(REACHED["c"]["python"])
    listed = REACHED["python"]
    for folder in (Path(file), *Path(file).parents):
        if (name := folder.as_posix()) in listed:
            return list(listed[name])
    return []


class FailedError(Exception):
    """A command ended with another status than 0, or not in time."""

    def __init__(self, status: int | None, output: str) -> None:
        super().__init__(output)
        self.status = status  # None: not in time
        self.output = output


def _run(command: list[str | Path], seconds: float, **environment: str) -> str:
    """Run a command with all that it starts, and end all of it if it takes longer."""
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "CI": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise FailedError(None, "") from None
        raise
    if process.returncode:
        raise FailedError(process.returncode, output)
    return output


class Trials:
    """A place to work, of one thread.

    Parameters
    ----------
    folder : Path
        Is made anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        installed = importlib.util.find_spec("bcelogits")
        assert installed is not None
        assert installed.origin is not None
        self.installed = Path(installed.origin).parent
        self.package = folder / "package/bcelogits"
        self._copy_package()
        self._base: Path | None = None

    def _copy_package(self) -> None:
        shutil.rmtree(self.package, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.installed, self.package, ignore=ignored)
        for path in sorted((ROOT / "src/bcelogits").rglob("*.py")):
            if read(path) != read(self.package / path.relative_to(ROOT / "src/bcelogits")):
                raise SystemExit(f"{path} is not what is installed: run make build")
        # Whoever changes a source within a second, and not its length, is seen by its hash.
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.package, quiet=1, invalidation_mode=mode)

    def run_tests(self, names: list[str], seconds: float) -> None:
        """Run test files of Python on the copy of the package, up to the first failure."""
        files = [ROOT / f"tests/test_{name}.py" for name in names]
        options = ["-x", "-q", "--no-header", "--tb=no", "-rf", "-p", "no:cacheprovider"]
        options += ["-k", " and ".join(f"not {name}" for name in REACHED["left_out"])]
        path = f"{self.package.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        _run([sys.executable, "-m", "pytest", *options, *files], seconds, PYTHONPATH=path)

    def try_python(self, mutant: Mutant, seconds: float) -> Verdict:
        """Try a mutant of Python."""
        place = self.package / Path(mutant.file).relative_to("src/bcelogits")
        text = read(place)
        place.write_bytes(mutant.applied(text).encode())
        start = time.monotonic()
        try:
            self.run_tests(tests_of(mutant.file), seconds)
        except FailedError as failed:
            return _verdict(failed, "tests of Python", start)
        finally:
            place.write_bytes(text.encode())
        return Verdict("lived", "", time.monotonic() - start)

    # ---- C ---------------------------------------------------------------------------------------

    def build_base(self) -> Path:
        """Build the tests of C without a mutant, and return the folder."""
        if self._base is None:
            base = self.folder / "base"
            for part in ("csrc", "tests/c"):
                ignored = shutil.ignore_patterns("build")
                shutil.copytree(ROOT / part, base / part, ignore=ignored)
            self._make(base, 1800)
            self._base = base
        return self._base

    def _make(self, folder: Path, seconds: float) -> None:
        programs = [f"build/native/{name}" for name in REACHED["c"]["programs"]]
        flags = [f"CFLAGS={_CFLAGS}", "WARNINGS="]  # a mutant may have a variable too many
        _run(["make", "-s", "-C", folder / "tests/c", *flags, *programs], seconds)

    def try_c(self, mutant: Mutant, seconds: dict[str, float]) -> Verdict:
        """Try a mutant of C. `seconds` has the time for each program, and for "python"."""
        folder = self.folder / "mutant"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.build_base(), folder)
        place = folder / mutant.file
        place.write_bytes(mutant.applied(read(place)).encode())
        start = time.monotonic()
        try:
            self._make(folder, 600)
        except FailedError:
            return Verdict("not compiled", "", time.monotonic() - start)
        try:
            for program in REACHED["c"]["programs"]:
                try:
                    self.run_program(folder, program, seconds[program])
                except FailedError as failed:
                    return _verdict(failed, f"tests/c/{program}.c", start)
            self._link(folder)
            try:
                self.run_tests(tests_of(mutant.file), seconds["python"])
            except FailedError as failed:
                return _verdict(failed, "tests of Python", start)
            return Verdict("lived", "", time.monotonic() - start)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run_program(self, folder: Path, program: str, seconds: float) -> None:
        """Run one program of the tests of C."""
        script = f'cd "{folder}/tests/c" && sh run.sh build/native/{program}'
        _run(["sh", "-c", script], seconds, SAMPLE=_SAMPLE)

    def _link(self, folder: Path) -> None:
        """Make the extension of the objects, in the copy of the package."""
        (core,) = (ROOT / "build/release").rglob("_core.o")
        objects = sorted((folder / "tests/c/build/native/csrc").rglob("*.o"))
        extension = self.package / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
        compiler = str(sysconfig.get_config_var("CC")).split()[0]
        _run([compiler, "-shared", core, *objects, "-o", extension, "-lm"], 120)


def _verdict(failed: FailedError, where: str, start: float) -> Verdict:
    seconds = time.monotonic() - start
    if failed.status is None:
        return Verdict("timeout", where, seconds)
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", failed.output, re.MULTILINE)
    if failed.status == 4 or failed.status == -signal.SIGKILL:
        # pytest's answer to wrong arguments, the system's to too little memory: no test has failed
        raise SystemExit(f"status {failed.status}: {failed.output}")
    return Verdict("killed", found[1] if found else f"{where}: status {failed.status}", seconds)
