"""What a build of the C library refuses, undoes and leaves out, whatever flags it is given."""

from __future__ import annotations

import json
import platform
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from clibrary import ROOT, compiler, require, run

CSRC = ROOT / "csrc"
INCLUDE = f"-I{CSRC / 'include'}"
SOURCES = sorted(CSRC.glob("*.c")) + sorted(CSRC.glob("isa/*.c"))

on_x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="flags of x86-64 compilers"
)


def gnu_compilers() -> list[str]:
    """Return those that take the flags of gcc."""
    names = dict.fromkeys([compiler().split()[0], "gcc", "clang"])
    return [name for name in names if shutil.which(name) and "cl" not in name.split("-")]


def is_clang(name: str) -> bool:
    return "__clang__" in run(name, "-dM", "-E", "-x", "c", "/dev/null")


def complaint(command: list[str | Path]) -> str:
    """Return what a compiler that must refuse says."""
    process = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert process.returncode != 0, f"{shlex.join(map(str, command))} succeeded"
    return process.stderr


def macros(name: str, *flags: str) -> set[str]:
    """Return the names that build.h defines, among others."""
    text = run(name, *flags, "-dM", "-E", CSRC / "build.h")
    return set(re.findall(r"^#define (\w+)", text, re.MULTILINE))


class TestRefused:
    """With a text that says what is wrong and what to do."""

    @pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
    def test_every_source_refuses_fast_math(self, source: Path):
        for name in gnu_compilers():
            for flag in ("-ffast-math", "-Ofast"):
                text = complaint([name, "-Wfatal-errors", flag, INCLUDE, "-E", source])
                assert "must not be built with -ffast-math" in text
                assert "-fno-fast-math" in text

    @pytest.mark.parametrize(
        "flags",
        [
            "-ffinite-math-only",
            "-fno-signed-zeros",
            "-freciprocal-math",
            "-funsafe-math-optimizations",
            "-fassociative-math -fno-signed-zeros -fno-trapping-math",
        ],
    )
    def test_parts_of_fast_math(self, flags: str):
        for name in gnu_compilers():
            if is_clang(name) and flags != "-ffinite-math-only":
                continue  # it tells of no other
            if "-fno-signed-zeros" in flags and "__NO_SIGNED_ZEROS__" not in run(
                name, *flags.split(), "-dM", "-E", "-x", "c", "/dev/null"
            ):
                continue  # nor does gcc before version 12
            text = complaint([name, *flags.split(), "-E", CSRC / "build.h"])
            assert "must not be built with -ffast-math" in text

    def test_what_is_undone_is_not_refused(self):
        undo = ["-fno-fast-math", "-ffp-contract=off"]
        for name in gnu_compilers():
            for flag in ("-ffast-math", "-Ofast", "-ffinite-math-only", "-fno-signed-zeros"):
                assert "BCEL_BUILD_H" in macros(name, "-O3", flag, "-O3", *undo)

    def test_constants_of_single_precision(self):
        for name in gnu_compilers():
            if not is_clang(name):
                flags = ["-fsingle-precision-constant", "-fsyntax-only", INCLUDE]
                text = complaint([name, *flags, CSRC / "sum.c"])
                assert "constants_of_type_double_are_doubles" in text

    @on_x86
    def test_x87(self):
        for name in gnu_compilers():
            text = complaint([name, "-m32", "-mno-sse2", "-E", CSRC / "build.h"])
            assert "-msse2 -mfpmath=sse" in text
            sse = ["-m32", "-msse2", "-mfpmath=sse"]
            assert "BCEL_X86_64" not in macros(name, *sse)
            if not is_clang(name):
                text = complaint([name, "-mfpmath=387", "-E", CSRC / "build.h"])
                assert "FLT_EVAL_METHOD is not 0" in text

    @on_x86
    def test_half_precision_is_no_obstacle(self):
        """There FLT_EVAL_METHOD is 16, which speaks of _Float16."""
        assert {"BCEL_AVX"} <= macros(gnu_compilers()[0], "-DFLT_EVAL_METHOD=16", "-w")


class TestContraction:
    """csrc/build.h turns it off, though the command line asks for it."""

    def disassembly(self, name: str, source: Path, folder: Path, *flags: str) -> str:
        require("objdump")
        output = folder / "object.o"
        include = [INCLUDE, f"-I{CSRC}"]
        run(name, "-O2", *flags, *include, "-c", source, "-o", output)
        return run("objdump", "-d", "--no-show-raw-insn", output)

    @on_x86
    @pytest.mark.parametrize("source", ["csrc/sum.c", "tests/c/contraction_avx2.c"])
    def test_code_is_that_without(self, source: str, tmp_path: Path):
        for name in gnu_compilers():
            without = self.disassembly(
                name, ROOT / source, tmp_path, "-mfma", "-std=c11", "-ffp-contract=off"
            )
            # Their defaults. clang heeds no pragma where it is told to fuse everywhere.
            flag = "on" if is_clang(name) else "fast"
            asked = self.disassembly(
                name, ROOT / source, tmp_path, "-mfma", f"-ffp-contract={flag}"
            )
            assert without == asked


class TestInstructionSets:
    """What a compiler or a system makes of one may be a reason to leave it out."""

    @on_x86
    def test_gcc_for_windows_and_cygwin_has_the_baseline_alone(self):
        for name in gnu_compilers():
            for system in ("-D_WIN32", "-D__CYGWIN__"):
                found = macros(name, system)
                assert "BCEL_X86_64" in found
                assert ("BCEL_AVX" in found) == is_clang(name)

    def test_mingw(self, tmp_path: Path):
        require("x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-objdump", "x86_64-w64-mingw32-nm")
        tool = "x86_64-w64-mingw32-"
        for source in (*SOURCES[:-5], *(CSRC / f"isa/{name}.c" for name in ("avx2", "avx512"))):
            output = tmp_path / f"{source.stem}.o"
            run(f"{tool}gcc", "-O1", INCLUDE, "-c", source, "-o", output)
            assert not re.search("%[yz]mm", run(f"{tool}objdump", "-d", output)), source
        kernels = re.findall(r"U (bcel_kernels_\w+)", run(f"{tool}nm", tmp_path / "dispatch.o"))
        assert kernels == ["bcel_kernels_sse2"]

    def test_arm64ec_has_portable_c_alone(self):
        """It calls itself x86-64."""
        for name in gnu_compilers():
            found = macros(name, "-D_M_ARM64EC=100", "-D_M_X64=100", "-D_M_AMD64=100")
            assert not found & {"BCEL_X86_64", "BCEL_AVX", "BCEL_AARCH64"}


class TestNoMathLibrary:
    """Nothing is asked of libm, whatever is optimised: a host may have a target of its name."""

    @pytest.mark.parametrize("flags", ["-O0", "-O2", "-O0 -mfma", "-O2 -mfma"])
    def test_sums(self, flags: str, tmp_path: Path):
        if "-mfma" in flags and platform.machine() not in ("x86_64", "AMD64"):
            pytest.skip("a flag of x86-64 compilers")
        require("nm")
        for name in gnu_compilers():
            for source in ("sum.c", "convert.c"):
                output = tmp_path / "object.o"
                run(name, *flags.split(), INCLUDE, "-c", CSRC / source, "-o", output)
                called = set(re.findall(r" U (\w+)", run("nm", "-u", output)))
                ours = {symbol for symbol in called if symbol.startswith("bcel_")}
                assert called - ours <= {"memcpy", "memset", "memmove", "__stack_chk_fail"}


class TestCMake:
    """The flags that files of the library get in a project of others."""

    def commands(self, tmp_path: Path, **variables: str) -> dict[str, list[str]]:
        require("cmake", "make", compiler().split()[0])
        host = tmp_path / "host"
        host.mkdir()
        (host / "host.c").write_text("int host(void) { return 0; }\n")
        (host / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.21...4.0)\n"
            "project(host C)\n"
            f"add_subdirectory({CSRC.as_posix()} bcelogits)\n"
            "add_library(host STATIC host.c)\n"
            "target_link_libraries(host PRIVATE bcelogits::bcelogits)\n"
        )
        definitions = [f"-D{name}={value}" for name, value in variables.items()]
        export = "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"
        run("cmake", "-S", host, "-B", tmp_path / "build", export, *definitions, quiet=True)
        entries = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
        return {Path(entry["file"]).name: shlex.split(entry["command"]) for entry in entries}

    def is_optimised(self, command: list[str]) -> bool:
        """Ask the compiler."""
        source = command[-1]
        flags = command[: command.index("-o")]
        return "__OPTIMIZE__" in run(*flags, "-dM", "-E", source)

    @pytest.mark.parametrize("configuration", ["Debug", "", "Profile"])
    def test_library_is_optimised_whatever_the_host_is(self, tmp_path: Path, configuration: str):
        commands = self.commands(tmp_path, CMAKE_BUILD_TYPE=configuration)
        assert not self.is_optimised(commands.pop("host.c"))
        assert len(commands) == len(SOURCES)
        assert all(self.is_optimised(command) for command in commands.values())

    def test_unless_told_otherwise(self, tmp_path: Path):
        commands = self.commands(tmp_path, CMAKE_BUILD_TYPE="Debug", BCELOGITS_OPTIMIZE="OFF")
        assert not any(self.is_optimised(command) for command in commands.values())

    def test_levels_of_other_configurations_stay(self, tmp_path: Path):
        commands = self.commands(tmp_path, CMAKE_BUILD_TYPE="RelWithDebInfo")
        assert "-O2" in commands["sum.c"]
        assert "-O3" not in commands["sum.c"]


class TestExtension:
    """The flags of setup.py, behind those that the environment may hold."""

    @pytest.fixture
    def flags(self) -> list[str]:
        text = (ROOT / "setup.py").read_text("utf-8")
        common = re.search(r"^COMMON = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
        assert common
        return re.findall(r'"([^"]+)"', common[1])

    @pytest.mark.parametrize("theirs", ["-Ofast", "-ffast-math", "-funsafe-math-optimizations"])
    def test_flags_of_the_environment_are_undone(
        self, flags: list[str], theirs: str, tmp_path: Path
    ):
        """For the linker too: what it adds flushes subnormal numbers in all of the process."""
        require("nm")
        source = tmp_path / "empty.c"
        source.write_text("int empty(void) { return 0; }\n")
        for name in gnu_compilers():
            assert "BCEL_BUILD_H" in macros(name, theirs, *flags, "-O3")
            shared = tmp_path / "shared.so"
            run(name, "-shared", "-fPIC", theirs, source, *flags, "-O3", "-o", shared)
            assert "set_fast_math" not in run("nm", shared)
