"""Build what a release consists of, check it, run what can be run here, and say what was seen.

Usage
-----
    python wheels/build.py                  # all, into dist/; writes the table of wheels/README.md
    python wheels/build.py --only native    # the sdist and this machine's wheel; other rows stay

No container is needed. The wheel of this machine comes from the sdist, without an index. zig
compiles for the other platforms, with the headers of this interpreter, which are the same for every
64-bit Linux. What needs a tool that is not there is listed as not done, with the reason.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from glob import glob
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import check_wheel

from tools.page import Part

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
WORK = ROOT / "build" / "wheels"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
CPYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"
SUITES = {"3.11": "bookworm", "3.13": "trixie"}  # of Debian, by the Python it has

# Where a processor is emulated, one in so many of these tests is run: others compute for long.
SAMPLE = 40
EMULATED = [
    "tests/test_arrays.py",
    "tests/test_cython.py",
    "tests/test_errors.py",
    "tests/test_functions.py",
    "tests/test_gradients.py",
    "tests/test_info.py",
    "tests/test_loss.py",
    "tests/test_public_names.py",
    "tests/test_reductions.py",
    "tests/test_short_way.py",
    "tests/test_threads.py",
]


@dataclass(frozen=True)
class Target:
    """A Linux wheel that zig compiles."""

    name: str
    machine: str
    libc: str

    @property
    def zig(self) -> str:
        return f"{self.machine}-linux-{'gnu.2.17' if self.libc == 'gnu' else 'musl'}"

    @property
    def suffix(self) -> str:
        return f".cpython-{CPYTHON.removeprefix('cp')}-{self.machine}-linux-{self.libc}.so"


TARGETS = (
    Target("manylinux-aarch64", "aarch64", "gnu"),
    Target("musllinux-x86_64", "x86_64", "musl"),
    Target("musllinux-aarch64", "aarch64", "musl"),
)

# The C library alone, for systems whose Python is not here: target of zig, name of the file.
LIBRARIES = {
    "windows-x64": ("x86_64-windows-gnu", "bcelogits.dll"),
    "windows-arm64": ("aarch64-windows-gnu", "bcelogits.dll"),
    "macos-x86_64": ("x86_64-macos.10.15", "libbcelogits.dylib"),
    "macos-arm64": ("aarch64-macos.11.0", "libbcelogits.dylib"),
}


@dataclass(frozen=True)
class Row:
    """What was seen of one thing that was built."""

    file: str
    built: str
    checked: str
    tested: str

    def __str__(self) -> str:
        return f"| {self.file} | {self.built} | {self.checked} | {self.tested} |"


# ---- commands ------------------------------------------------------------------------------------


class FailedError(Exception):
    """A command failed, or a check did: the log says more."""


def run(command: Sequence[str | Path], log: str, **environment: str) -> str:
    """Run a command with its output in a log, and return the output."""
    WORK.mkdir(parents=True, exist_ok=True)
    file = WORK / f"{log}.log"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with file.open("a+", encoding="utf-8", errors="replace") as stream:
        stream.write(f"$ {shlex.join(map(str, command))}\n")
        stream.flush()
        start = stream.tell()
        process = subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env=os.environ | {"PATH": path} | environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
        stream.seek(start)
        output = stream.read()
    if process.returncode:
        print(*output.splitlines()[-30:], sep="\n", file=sys.stderr)
        raise FailedError(
            f"{command[0]} ended with {process.returncode}; see {file.relative_to(ROOT)}"
        )
    return output


def say(what: str) -> None:
    print(f"--- {what}", flush=True)


def zig(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ziglang", *arguments]


def has(module: str) -> bool:
    return find_spec(module) is not None


def requirements(*extras: str) -> list[str]:
    """Return what pyproject.toml asks for to build, or for extras."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lists = {
        "build": tables["build-system"]["requires"],
        "run": tables["project"]["dependencies"],
        **tables["project"]["optional-dependencies"],
    }
    return [requirement for extra in extras for requirement in lists[extra]]


def only(pattern: str, folder: Path) -> Path:
    """Return the one file that matches."""
    (file,) = folder.glob(pattern)
    return file


def checked(file: Path) -> str:
    problems = check_wheel.check(file)
    for problem in problems:
        print(f"     {file.name}: {problem}", file=sys.stderr)
    if problems:
        raise FailedError(f"{file.name} is not as it should be")
    return f"ok, {file.stat().st_size / 1000:.0f} kB"


def counts(output: str) -> str:
    """Return how a run of pytest went, in its own words."""
    *_, last = [line for line in output.splitlines() if re.search(r"\d+ passed", line)]
    return ", ".join(re.findall(r"\d+ (?:passed|failed|skipped|deselected|error\w*)", last))


# ---- sdist and the wheel of this machine ---------------------------------------------------------


def build_sdist() -> Path:
    say("sdist")
    for old in DIST.glob("*.tar.gz"):
        old.unlink()
    run([sys.executable, "-m", "build", "--sdist", "--outdir", DIST], "sdist")
    return only("*.tar.gz", DIST)


def build_native(sdist: Path) -> Path:
    """Build the wheel from the sdist, with nothing to download from, and repair it."""
    say("wheel of this machine, from the sdist")
    house, raw = WORK / "house", WORK / "native"
    shutil.rmtree(raw, ignore_errors=True)
    run(
        [sys.executable, "-m", "pip", "download", "-q", "-d", house, *requirements("build")],
        "native",
    )
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(house), "PIP_CONFIG_FILE": os.devnull}
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", raw, sdist]
    run([*cut_off(), *pip], "native", **offline)
    return repair(only("*.whl", raw))


def cut_off() -> list[str]:
    """Return what to write before a command that is to have no network, where the system allows."""
    alone = ["unshare", "--net", "--map-root-user"]
    try:
        works = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        works = False
    return alone if works else []


def repair(wheel: Path) -> Path:
    """Give a wheel the tag of the oldest systems that it runs on, and put it into dist/."""
    repaired = wheel.parent / "repaired"
    shutil.rmtree(repaired, ignore_errors=True)
    run(
        ["auditwheel", "repair", "--only-plat", "--plat", "auto", "-w", repaired, wheel],
        f"repair-{wheel.stem}",
    )
    made = only("*.whl", repaired)
    return Path(shutil.move(made, DIST / made.name))


def test_native(wheel: Path, tests: Sequence[str]) -> str:
    """Install the wheel where no compiler is to be found, and run the tests there."""
    say(f"tests of {wheel.name}, without a compiler")
    venv = WORK / "venv"
    run([sys.executable, "-m", "venv", "--clear", "--upgrade-deps", venv], "test-native")
    python = venv / "bin" / "python"
    tools = WORK / "tools"
    tools.mkdir(exist_ok=True)
    if not (tools / "sh").exists():  # some tests start one
        (tools / "sh").symlink_to(shutil.which("sh"))
    alone = {"PATH": f"{venv / 'bin'}{os.pathsep}{tools}", "CI": "true"}
    for tool in ("cc", "gcc", "clang", "c++"):
        if shutil.which(tool, path=alone["PATH"]):
            raise FailedError(f"there is a compiler, {tool}")
    pip = [python, "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    run([*pip, f"bcelogits[test,cli] @ {wheel.as_uri()}"], "test-native", **alone)
    output = run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], "test-native", **alone
    )
    which = f"{len(tests)} files of the suite" if tests else "the whole suite"
    return f"{counts(output)}: {which}, on this machine, without a compiler"


# ---- other platforms, by zig ---------------------------------------------------------------------


def linker(target: Target, folder: Path) -> str:
    """Return the command that links an extension module."""
    command = zig("cc", "-target", target.zig, "-shared")
    if target.libc == "musl":
        # zig calls the C library libc.so; the name it has in distributions comes from a stub.
        name = f"libc.musl-{target.machine}.so.1"
        (folder / "stub.c").write_text("")
        stub = [*command, "-nostdlib", f"-Wl,-soname,{name}", str(folder / "stub.c")]
        run([*stub, "-o", folder / name], target.name)
        command += ["-nolibc", "-Wl,--no-as-needed", str(folder / name)]
    return shlex.join(command)


def build_cross(target: Target, sdist: Path) -> Path:
    say(f"wheel for {target.name}")
    folder = WORK / target.name
    shutil.rmtree(folder, ignore_errors=True)
    compiler = shlex.join(zig("cc", "-target", target.zig))
    folder.mkdir(parents=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    shutil.unpack_archive(sdist, folder / "source", filter="data")
    run(
        [*build, "--outdir", folder, only("*", folder / "source")],
        target.name,
        CC=compiler,
        LDSHARED=linker(target, folder),
        CFLAGS="",
        LDFLAGS="",
        ARCHFLAGS="",
        _PYTHON_HOST_PLATFORM=f"linux-{target.machine}",
        SETUPTOOLS_EXT_SUFFIX=target.suffix,
    )
    return repair(only("*.whl", folder))


def install_for(wheel: Path, target: Target, folder: Path) -> None:
    """Put a wheel and what its tests need into a folder, for another platform's Python."""
    shutil.rmtree(folder, ignore_errors=True)
    tags = {
        "gnu": ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17"),
        "musl": ("musllinux_1_2",),
    }
    platforms = [f"--platform={tag}_{target.machine}" for tag in tags[target.libc]]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--only-binary=:all:", "--target", folder]
    python = ["--implementation=cp", f"--python-version={VERSION}", *platforms]
    run([*pip, *python, *requirements("run", "test"), wheel], f"test-{target.name}")


def test_emulated(wheel: Path, target: Target) -> str:
    """Run a sample of the tests on Debian's Python for AArch64, on a processor of ARMv8.0."""
    emulator = shutil.which("qemu-aarch64-static")
    if emulator is None:
        return "no: there is no qemu-aarch64-static (package: qemu-user-static)"
    if VERSION not in SUITES:
        return f"no: no release of Debian that is known here has Python {VERSION}"
    say(f"tests of {wheel.name}, emulated")
    root = WORK / "arm64"
    suite = SUITES[VERSION]
    run(["sh", ROOT / "wheels" / "unpack_python.sh", "arm64", suite, root], f"test-{target.name}")
    site = WORK / "arm64-site"
    install_for(wheel, target, site)
    # What a test starts with sys.executable goes by the same way.
    python = WORK / "arm64-python"
    command = [emulator, "-cpu", "cortex-a53", "-L", str(root), str(root / "usr/bin/python3")]
    python.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    python.chmod(0o755)
    (site / "sitecustomize.py").write_text(f"import sys\n\nsys.executable = {str(python)!r}\n")
    output = run(
        [
            python,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "sample",
            f"--sample={SAMPLE}",
            *EMULATED,
        ],
        f"test-{target.name}",
        PYTHONPATH=f"{site}:{ROOT / 'wheels'}",
        CI="true",
    )
    where = f"on Debian's Python {VERSION} under qemu, as a Cortex-A53"
    return f"{counts(output)}: 1 test in {SAMPLE} of those on numbers and names, {where}"


def test_cross(target: Target, wheel: Path) -> str:
    if target.name == "manylinux-aarch64":
        return test_emulated(wheel, target)
    return "no: only compiled, for there is no Python with musl here"


# ---- the C library -------------------------------------------------------------------------------


def build_library(name: str) -> Path:
    """Compile and link the C library; the linker would tell if a function was missing."""
    say(f"C library for {name}")
    target, file = LIBRARIES[name]
    folder = DIST / f"lib-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(glob("csrc/*.c", root_dir=ROOT) + glob("csrc/isa/*.c", root_dir=ROOT))
    flags = ["-std=c11", "-O3", "-g0", "-fno-fast-math", "-ffp-contract=off", "-fvisibility=hidden"]
    if file.endswith(".dll"):
        flags += ["-s", f"-Wl,--out-implib,{folder / 'bcelogits.lib'}"]
    macros = ["-DBCELOGITS_SHARED", "-DBCELOGITS_BUILDING", "-Icsrc/include"]
    command = zig("cc", "-target", target, *flags, *macros, "-shared", "-o", str(folder / file))
    run([*command, *sources], f"lib-{name}")
    return folder / file


def test_library(name: str) -> str:
    if name != "windows-x64":
        return "no: only compiled and linked"
    wine = shutil.which("wine64") or "/usr/lib/wine/wine64"
    if not Path(wine).exists():
        return "no: there is no wine64"
    say("C tests for windows-x64, under wine")
    make = [
        "make",
        "-C",
        "tests/c",
        "wine",
        "SAMPLE=50",
        f"ZIG={shlex.join(zig())}",
        f"WINE={wine}",
    ]
    output = run(make, "test-wine")
    passed, failed, skipped = re.findall(r"(\d+) passed, (\d+) failed, (\d+) skipped", output)[-1]
    result = f"{passed} passed, {failed} failed, {skipped} skipped"
    return f"{result}: the C suite of the same sources, sampled, under wine"


# ---- the table -----------------------------------------------------------------------------------


def table(rows: Iterable[Row]) -> str:
    """Return the table, with the machine and the tools it was seen on."""
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    described = f"Seen on {system}, {platform.machine()}, with Python {platform.python_version()}"
    if has("ziglang"):
        version = subprocess.run(zig("version"), capture_output=True, text=True, check=True)
        described += f" and zig {version.stdout.strip()}"
    head = [
        f"{described}.",
        "",
        "| what | built by | checked | tested |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *map(str, rows)]) + "\n"


def sources() -> str:
    """Return a hash of what wheels and libraries are made of, and of how, which is this file."""
    files = [ROOT / "pyproject.toml", ROOT / "setup.py", Path(__file__).resolve()]
    files += [path for folder in ("csrc", "src") for path in sorted((ROOT / folder).rglob("*"))]
    digest = hashlib.sha256()
    for path in files:
        if path.suffix in {".c", ".h", ".py", ".pyi", ".pyx", ".pxd", ".toml"}:
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


class Seen:
    """The rows of this run, and of earlier ones with the same sources."""

    FILE = WORK / "seen.json"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.sources = sources()
        self.read()

    def read(self) -> None:
        stored = json.loads(self.FILE.read_text()) if self.FILE.exists() else {}
        rows = stored["rows"] if stored.get("sources") == self.sources else {}
        self.rows = {name: Row(**row) for name, row in rows.items()}

    def keep(self, name: str, row: Row | None) -> None:
        """Replace what was seen of something, or forget it."""
        self.read()  # another run may have built something else meanwhile
        self.rows.pop(name, None)
        if row is not None:
            self.rows[name] = row
        rows = {name: asdict(row) for name, row in self.rows.items()}
        self.FILE.write_text(json.dumps({"sources": self.sources, "rows": rows}, indent=1))

    def table(self) -> str:
        return table(self.rows[name] for name in self.names if name in self.rows)

    def all(self) -> bool:
        return set(self.names) == set(self.rows)


# ---- the command ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """How something is built, in words and as functions that build and test it."""

    built: str
    build: Callable[[Path], Path]
    test: Callable[[Path], str]

    def run(self, sdist: Path) -> Row:
        file = self.build(sdist)
        if file.suffix in {".whl", ".gz"}:
            found = checked(file)
        else:
            found = f"linked, {file.stat().st_size / 1000:.0f} kB"
        return Row(f"`{file.relative_to(DIST)}`", self.built, found, self.test(file))


def jobs(tests: Sequence[str]) -> dict[str, Job]:
    """Return everything that can be built, by name."""
    found = {
        "sdist": Job(
            "build", lambda sdist: sdist, lambda _: "the wheel of this machine is built from it"
        ),
        "native": Job(
            "this machine's compiler, from the sdist, offline; auditwheel",
            build_native,
            lambda wheel: test_native(wheel, tests),
        ),
    }
    for target in TARGETS:
        found[target.name] = Job(
            f"zig for {target.zig}; auditwheel",
            partial(build_cross, target),
            partial(test_cross, target),
        )
    for name, (target, _) in LIBRARIES.items():
        found[name] = Job(
            f"zig for {target}",
            lambda _, name=name: build_library(name),
            lambda _, name=name: test_library(name),
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    everything = jobs([])
    parser.add_argument("--only", nargs="+", choices=list(everything), metavar="NAME")
    parser.add_argument("--tests", nargs="+", default=[], help="tests of the native wheel; all")
    options = parser.parse_args(arguments)
    chosen = {
        name: job
        for name, job in jobs(options.tests).items()
        if options.only is None or name in (*options.only, "sdist")
    }
    if not has("ziglang") and set(chosen) - {"sdist", "native"}:
        sys.exit("there is no zig here, which compiles for other platforms: pip install ziglang")
    if options.only is None:
        shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(exist_ok=True)
    WORK.mkdir(parents=True, exist_ok=True)

    seen, failed = Seen(list(everything)), []
    sdist = build_sdist()
    for name, job in chosen.items():
        try:
            row = job.run(sdist)
        except FailedError as error:
            row = None
            failed.append(f"{name}: {error}")
        if not options.tests:  # some tests are not what the table is to tell
            seen.keep(name, row)
        elif row is not None:
            print(row)

    if not options.tests:
        print(seen.table())
        if seen.all():
            Part("wheels/README.md", "table").write(seen.table())
    for failure in failed:
        print(f"FAIL {failure}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
