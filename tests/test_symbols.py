"""What the binaries show, and what they need: public functions alone, and nearly nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from clibrary import Installed, compiler, require, run

from bcelogits import _core

needs_elf = pytest.mark.skipif(sys.platform != "linux", reason="looks into ELF files")

# What a compiler may call of itself, or a hardened build add.
FROM_COMPILERS = {"memcpy", "memmove", "memset", "memcmp", "__stack_chk_fail", "__memcpy_chk"}
FROM_C_LIBRARIES = {"strcmp"}
# Of the start files of a shared object; weak.
FROM_START_FILES = {
    "_ITM_deregisterTMCloneTable",
    "_ITM_registerTMCloneTable",
    "__cxa_finalize",
    "__gmon_start__",
}


@pytest.fixture(scope="module")
def abi(import_from: Callable[[str, str], ModuleType]) -> ModuleType:
    return import_from("tools", "abi")


def dynamic_symbols(path: Path | str, which: str) -> set[str]:
    """Return the --defined-only or --undefined-only symbols that the loader sees."""
    require("nm")
    lines = run("nm", "-D", which, "--format=posix", path).splitlines()
    return {line.split()[0].split("@")[0] for line in lines}


@needs_elf
class TestExports:
    def test_of_the_shared_library(self, c_library: Installed, abi: ModuleType):
        exported = dynamic_symbols(c_library.library("shared"), "--defined-only")
        assert exported == set(abi.functions())

    def test_of_a_shared_object_that_holds_the_static_library(
        self, c_library: Installed, tmp_path: Path
    ):
        library = c_library.library("static")
        plugin = tmp_path / "plugin.so"
        whole = ["-Wl,--whole-archive", str(library), "-Wl,--no-whole-archive"]
        run(*compiler().split(), "-shared", "-Wl,-z,defs", "-o", plugin, *whole)
        defined = run("nm", plugin)
        assert " t bcel_map" in defined  # it is in there
        assert dynamic_symbols(plugin, "--defined-only") == set()

    def test_of_the_extension_module(self):
        assert dynamic_symbols(_core.__file__, "--defined-only") == {"PyInit__core"}


@needs_elf
class TestNeeds:
    """Without malloc, threads, locks, errno or files among them, there is none in the library."""

    def test_imports(self, c_library: Installed):
        imported = dynamic_symbols(c_library.library("shared"), "--undefined-only")
        assert imported <= FROM_COMPILERS | FROM_C_LIBRARIES | FROM_START_FILES

    def test_libraries(self, c_library: Installed):
        require("readelf")
        needed = re.findall(r"NEEDED.*\[(.*?)\]", run("readelf", "-d", c_library.library("shared")))
        assert {name.split(".")[0] for name in needed} <= {"libc"}

    def test_the_only_variable_is_the_choice_of_an_instruction_set(self, c_library: Installed):
        require("objdump")
        symbols = run("objdump", "-t", c_library.library("static"))
        objects = re.findall(r" O (\S+)\t\S+ +(?:\.hidden )?(\S+)$", symbols, re.MULTILINE)
        writable = [
            name
            for section, name in objects
            if section.startswith((".bss", ".data", ".tbss", ".tdata", "*COM*"))
            and not section.startswith(".data.rel.ro")  # pointers, read-only once relocated
        ]
        assert writable == ["active"]

    def test_no_start_up_code_changes_the_floating_point_environment(self, c_library: Installed):
        """That is what -ffast-math links in."""
        require("nm")
        assert "set_fast_math" not in run("nm", c_library.library("shared"))


@pytest.fixture(scope="module")
def described(abi: ModuleType) -> list[str]:
    try:
        return abi.describe()
    except abi.CannotDescribeError as error:
        pytest.skip(str(error))


class TestInterface:
    def test_is_the_recorded_one(self, abi: ModuleType, described: list[str]):
        changed = abi.difference(abi.recorded(), described)
        assert not changed, f"{changed}\n{abi.FILE.name} says what this asks for; then: make abi"

    def test_is_read_whole(self, abi: ModuleType, described: list[str]):
        """As far as counting words of the header tells."""
        header = re.sub(r"/\*.*?\*/", "", abi.HEADER.read_text("utf-8"), flags=re.DOTALL)
        assert len(abi.functions()) == header.count("\nBCEL_API ") >= 24
        assert len(abi.structs()) == header.count("typedef struct ") >= 5
        assert {f"value {name}" for name in re.findall(r"\bBCEL_[A-Z0-9_]+(?= = )", header)} < {
            line.rsplit(" ", 1)[0] for line in described
        }

    def test_difference_names_what_changed(self, abi: ModuleType):
        before, after = ["size a 8", "size b 16"], ["size a 8", "size b 24", "size c 4"]
        assert abi.difference(before, after).splitlines()[2:] == [
            "-size b 16",
            "+size b 24",
            "+size c 4",
        ]
        assert abi.difference(before, before) == ""
