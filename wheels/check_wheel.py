"""Check a wheel of bcelogits, or its sdist, as a file: nothing is installed and nothing is run.

Usage
-----
    python wheels/check_wheel.py dist/*.whl dist/*.tar.gz    # exit status 1 if something is wrong

A wheel is held to these, and every violation is printed:

- the tags of its name, of its metadata and of its extension module agree, and are those of a
  platform that an index accepts, not of the machine that built it;
- it holds the files of the package, the C header and the metadata, and nothing else, in less than
  1.5 MB;
- its extension module shows the function that Python looks for and no other symbol, and needs the
  C library alone;
- it is hardened: relocations are bound at load time and read-only after it, the stack is not
  executable, functions with arrays have canaries;
- no instruction is later than the baseline outside the instruction-set units (`baseline.py`).

The last three are for Linux: of other systems' wheels they are reported as not checked. Of an
sdist, the files are compared with what git holds. The metadata of both are checked by twine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

from baseline import beyond_baseline
from elftools.elf.elffile import ELFFile
from packaging.utils import parse_sdist_filename, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "bcelogits"
HEADER = ROOT / "csrc" / "include" / "bcelogits.h"

MOST_BYTES = 1_500_000
METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
PLATFORM = re.compile(
    r"(manylinux_2_\d+|manylinux1|manylinux2010|manylinux2014|musllinux_1_\d+)_(x86_64|aarch64)"
    r"|macosx_\d+_\d+_(x86_64|arm64)|win_(amd64|arm64)"
)
SYSTEM_LIBRARIES = re.compile(r"lib(c|m|pthread)\.so(\.\d+)?|ld-linux-\S+|libc\.musl-\S+")
DF_BIND_NOW, PF_X = 8, 1  # of elf.h
MACHINES = {"x64": "x86_64", "AArch64": "aarch64"}


def extension_suffix(abi: str, platform: str) -> str:
    """Return how Python calls an extension module for this tag."""
    version = abi.removeprefix("cp")
    system = platform.partition("_")[0]
    if platform.startswith("win_"):
        return f".{abi}-{platform}.pyd"
    if system.startswith("macosx"):
        return f".cpython-{version}-darwin.so"
    machine = "aarch64" if platform.endswith("aarch64") else "x86_64"
    libc = "musl" if system.startswith("musllinux") else "gnu"
    return f".cpython-{version}-{machine}-linux-{libc}.so"


def package_files() -> set[str]:
    """Return the files of the package in the repository, as a wheel names them."""
    files = {
        path.relative_to(PACKAGE.parent).as_posix()
        for pattern in ("*.py", "*.pyi", "*.pxd", "py.typed")
        for path in PACKAGE.rglob(pattern)
    }
    return files | {"bcelogits/include/bcelogits.h"}


def check_contents(wheel: ZipFile, folder: str, extension: str) -> Iterator[str]:
    """Compare the names in a wheel, and its C header, with the repository."""
    names = {name for name in wheel.namelist() if not name.endswith("/")}
    expected = package_files() | {f"{folder}/{name}" for name in METADATA} | {extension}
    for name in sorted(expected - names):
        yield f"{name} is missing"
    for name in sorted(names - expected):
        yield f"{name} does not belong into a wheel"
    header = "bcelogits/include/bcelogits.h"
    if header in names and wheel.read(header) != HEADER.read_bytes():
        yield f"{header} is not the header of the repository"


def check_elf(file: Path, machine: str) -> Iterator[str]:
    """Check an extension module for Linux: what it shows, what it needs, what it runs on."""
    with file.open("rb") as stream:
        elf = ELFFile(stream)
        found = MACHINES.get(elf.get_machine_arch(), elf.get_machine_arch())
        if found != machine:
            yield f"{file.name} is for {found}, not {machine}"
            return
        symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
        shown = {
            symbol.name
            for symbol in symbols
            if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] != "STB_LOCAL"
        }
        tags = list(elf.get_section_by_name(".dynamic").iter_tags())
        needed = [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
        flags = {tag.entry.d_tag: tag.entry.d_val for tag in tags}
        segments = {segment["p_type"]: segment["p_flags"] for segment in elf.iter_segments()}
    for name in sorted(shown - {"PyInit__core"}):
        yield f"{file.name} shows the symbol {name}"
    if "PyInit__core" not in shown:
        yield f"{file.name} has no PyInit__core"
    for name in needed:
        if not SYSTEM_LIBRARIES.fullmatch(name):
            yield f"{file.name} needs {name}"
    if "PT_GNU_RELRO" not in segments:
        yield f"{file.name} can have its relocations overwritten (no relro)"
    if not flags.get("DT_FLAGS", 0) & DF_BIND_NOW:
        yield f"{file.name} binds symbols lazily"
    if segments.get("PT_GNU_STACK", PF_X) & PF_X:
        yield f"{file.name} wants an executable stack"
    if "__stack_chk_fail" not in {symbol.name for symbol in symbols}:
        yield f"{file.name} has no stack canaries"
    try:
        wrong, _ = beyond_baseline(file)
    except (ValueError, FileNotFoundError) as error:
        wrong = [str(error)]
    yield from wrong


def check_wheel(file: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    problems = []
    name, version, _, tags = parse_wheel_filename(file.name)
    tag = min(tags, key=str)
    platforms = sorted({tag.platform for tag in tags})
    if name != "bcelogits":
        problems.append(f"its name is {name}")
    for platform in platforms:
        if not PLATFORM.fullmatch(platform):
            problems.append(f"the platform {platform} is that of one machine, or unknown")
    if {(tag.interpreter, tag.abi) for tag in tags} != {(tag.abi.removesuffix("t"), tag.abi)}:
        problems.append(f"the tags {', '.join(sorted(map(str, tags)))} are not of one CPython")
    if file.stat().st_size >= MOST_BYTES:
        problems.append(f"it has {file.stat().st_size} bytes, not less than {MOST_BYTES}")
    extension = f"bcelogits/_core{extension_suffix(tag.abi, platforms[0])}"
    folder = f"bcelogits-{version}.dist-info"
    with ZipFile(file) as wheel:
        problems += check_contents(wheel, folder, extension)
        names = wheel.namelist()
        if f"{folder}/WHEEL" in names:
            text = wheel.read(f"{folder}/WHEEL").decode()
            stated = set(re.findall(r"(?m)^Tag: (\S+)", text))
            if stated != set(map(str, tags)):
                problems.append(f"its metadata states the tags {', '.join(sorted(stated))}")
            if "Root-Is-Purelib: false" not in text:
                problems.append("it claims to be for every platform")
        if extension in names and "linux" in platforms[0]:
            with tempfile.TemporaryDirectory() as temporary:
                machine = "aarch64" if platforms[0].endswith("aarch64") else "x86_64"
                problems += check_elf(Path(wheel.extract(extension, temporary)), machine)
    return problems


def tracked() -> set[str]:
    """Return the files that git holds, but for those about git itself; none without git."""
    if shutil.which("git") is None:
        return set()
    git = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return set(git.stdout.split()) - {".gitignore"}


def check_sdist(file: Path) -> list[str]:
    """Return what is wrong with an sdist."""
    name, version = parse_sdist_filename(file.name)
    folder = f"bcelogits-{version}/"
    problems = [] if name == "bcelogits" else [f"its name is {name}"]
    with tarfile.open(file) as sdist:
        names = {member.name for member in sdist if member.isfile()}
    problems += [f"{name} is outside {folder}" for name in names if not name.startswith(folder)]
    names = {name.removeprefix(folder) for name in names}
    made = {"PKG-INFO", "setup.cfg"} | {name for name in names if ".egg-info/" in name}
    expected = tracked()
    if expected:
        problems += [f"{name} is missing" for name in sorted(expected - names)]
        problems += [f"{name} is not under git" for name in sorted(names - expected - made)]
    return problems


def check_metadata(file: Path) -> list[str]:
    """Return what twine finds wrong with the metadata."""
    command = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", str(file)]
    twine = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if twine.returncode == 0 else [(twine.stdout + twine.stderr).strip()]


def check(file: Path) -> list[str]:
    """Return what is wrong with a wheel or an sdist."""
    own = check_wheel(file) if file.suffix == ".whl" else check_sdist(file)
    return own + check_metadata(file)


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        print("usage: check_wheel.py FILE...", file=sys.stderr)
        return 2
    failed = 0
    for argument in arguments:
        file = Path(argument)
        problems = check(file)
        failed |= bool(problems)
        print(f"{'FAIL' if problems else 'ok  '} {file.name}, {file.stat().st_size:,} bytes")
        for problem in problems:
            print(f"     {problem}")
        if file.suffix == ".whl" and "linux" not in file.name:
            print("     not checked: symbols and instructions, which are read from ELF alone")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
