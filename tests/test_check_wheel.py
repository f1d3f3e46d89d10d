"""What wheels/check_wheel.py and wheels/baseline.py object to, on wheels that are made wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

pytest.importorskip("elftools", reason="wheels are checked with pyelftools (extra: wheels)")
pytest.importorskip("packaging", reason="wheels are checked with packaging (extra: wheels)")
pytest.importorskip("twine", reason="wheels are checked with twine (extra: wheels)")

TAG = "cp311-cp311-manylinux_2_17_x86_64"
EXTENSION = "bcelogits/_core.cpython-311-x86_64-linux-gnu.so"
INFO = "bcelogits-0.1.0.dist-info"

if sys.platform != "linux" or shutil.which("gcc") is None or shutil.which("llvm-objdump") is None:
    pytest.skip("needs Linux, gcc and llvm-objdump", allow_module_level=True)
if subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True).stdout[:6] != "x86_64":
    pytest.skip("the instructions of these tests are those of x86-64", allow_module_level=True)


@pytest.fixture(scope="module")
def tool(import_from):
    return import_from("wheels", "check_wheel")


PLAIN = '__attribute__((visibility("default"))) void *PyInit__core(void) { return 0; }'
SUM = """
#include <immintrin.h>
__attribute__((target("{target}"), noinline)) static {type} {name}({type} x)
{{
    return {expression};
}}
__attribute__((visibility("hidden"))) {type} (*use_{name})({type}) = {name};
"""
AVX2 = SUM.format(
    target="avx2", type="__m256i", name="avx2_add", expression="_mm256_add_epi32(x, x)"
)
AVX512 = SUM.format(
    target="avx512f", type="__m512i", name="avx512_add", expression="_mm512_add_epi32(x, x)"
)
SSE41 = SUM.format(
    target="sse4.1", type="__m128i", name="sse41_mul", expression="_mm_mullo_epi32(x, x)"
)
POPCNT = SUM.format(
    target="popcnt", type="unsigned", name="count", expression="__builtin_popcount(x)"
)
BMI2 = SUM.format(target="bmi2", type="unsigned", name="deposit", expression="_pdep_u32(x, x + 1)")
XGETBV = SUM.format(
    target="xsave", type="unsigned", name="{name}", expression="x + (unsigned)_xgetbv(0)"
)


@pytest.fixture(scope="module")
def compile(tmp_path_factory):
    """Link sources, given by the names of their files, into a shared library."""

    def compile(*options, **sources):
        folder = tmp_path_factory.mktemp("compiled")
        files = []
        for unit, text in ({"core": PLAIN} | sources).items():
            files.append(folder / f"{unit}.c")
            files[-1].write_text(text)
        library = folder / "library.so"
        gcc = ["gcc", "-O2", "-g0", "-Wno-psabi", "-fvisibility=hidden", "-fPIC", "-shared"]
        hardened = ["-fstack-protector-all", "-Wl,-z,relro,-z,now"]
        subprocess.run([*gcc, *hardened, *options, *files, "-o", library], check=True)
        return library.read_bytes()

    return compile


@pytest.fixture(scope="module")
def sound(tool, compile):
    """The files of a wheel with nothing wrong."""
    metadata = (
        "Metadata-Version: 2.4\nName: bcelogits\nVersion: 0.1.0\nSummary: words\n"
        "Description-Content-Type: text/markdown\n\n# Words\n"
    )
    wheel = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {TAG}\n"
    files = dict.fromkeys(tool.package_files(), b"")
    files |= {f"{INFO}/{name}": b"" for name in tool.METADATA}
    files |= {f"{INFO}/METADATA": metadata.encode(), f"{INFO}/WHEEL": wheel.encode()}
    files |= {"bcelogits/include/bcelogits.h": tool.HEADER.read_bytes(), EXTENSION: compile()}
    return files


@pytest.fixture
def problems(tool, sound, tmp_path):
    """Check a wheel that differs from the sound one by some files; None takes a file away."""

    def problems(changes=(), tag=TAG, check=tool.check_wheel):
        file = tmp_path / f"bcelogits-0.1.0-{tag}.whl"
        with ZipFile(file, "w") as wheel:
            for name, content in (sound | dict(changes)).items():
                if content is not None:
                    wheel.writestr(name, content)
        return check(file)

    return problems


def test_nothing_is_wrong(problems, tool):
    assert problems(check=tool.check) == []


def test_missing_and_foreign_files(problems):
    changes = {"bcelogits/py.typed": None, "bcelogits/_core.c": b"", "tests/test_x.py": b""}
    assert problems(changes) == [
        "bcelogits/py.typed is missing",
        "bcelogits/_core.c does not belong into a wheel",
        "tests/test_x.py does not belong into a wheel",
    ]


def test_other_header(problems):
    assert problems({"bcelogits/include/bcelogits.h": b"/* old */"}) == [
        "bcelogits/include/bcelogits.h is not the header of the repository"
    ]


def test_size(problems):
    (problem,) = problems({"bcelogits/_loss.py": bytes(1_500_000)})
    assert "not less than 1500000" in problem


def test_platform_of_one_machine(problems):
    wheel = f"Root-Is-Purelib: false\nTag: {TAG.replace('manylinux_2_17', 'linux')}\n".encode()
    found = problems({f"{INFO}/WHEEL": wheel}, TAG.replace("manylinux_2_17", "linux"))
    assert found == ["the platform linux_x86_64 is that of one machine, or unknown"]


def test_tags_that_disagree(problems):
    found = problems(tag="cp312-cp312-manylinux_2_17_x86_64")
    other = "bcelogits/_core.cpython-312-x86_64-linux-gnu.so"
    assert f"{other} is missing" in found
    assert f"its metadata states the tags {TAG}" in found


@pytest.mark.parametrize(
    ("abi", "platform", "suffix"),
    [
        ("cp313", "manylinux_2_17_aarch64", ".cpython-313-aarch64-linux-gnu.so"),
        ("cp314t", "musllinux_1_2_x86_64", ".cpython-314t-x86_64-linux-musl.so"),
        ("cp312", "macosx_11_0_arm64", ".cpython-312-darwin.so"),
        ("cp314t", "win_arm64", ".cp314t-win_arm64.pyd"),
    ],
)
def test_names_of_extension_modules(tool, abi, platform, suffix):
    assert tool.extension_suffix(abi, platform) == suffix


def test_metadata(problems, tool):
    """What twine objects to: a description in a markup that is no markup."""
    broken = b"Metadata-Version: 2.4\nName: bcelogits\nVersion: 0.1.0\n\n`unclosed\n"
    (problem,) = problems({f"{INFO}/METADATA": broken}, check=tool.check)
    assert "FAILED" in problem


def test_symbols(problems, compile):
    shown = PLAIN.replace("PyInit__core", "bcel_map")
    assert problems({EXTENSION: compile(api=shown)}) == [
        f"{Path(EXTENSION).name} shows the symbol bcel_map"
    ]


def test_needed_libraries(problems, compile):
    gomp = compile(
        "-fopenmp",
        api="int omp_get_num_threads(void); int f(void) { return omp_get_num_threads(); }",
    )
    assert f"{Path(EXTENSION).name} needs libgomp.so.1" in problems({EXTENSION: gomp})


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("-Wl,-z,norelro", "can have its relocations overwritten (no relro)"),
        ("-Wl,-z,lazy", "binds symbols lazily"),
        ("-Wl,-z,execstack", "wants an executable stack"),
        ("-fno-stack-protector", "has no stack canaries"),
    ],
)
def test_hardening(problems, compile, option, problem):
    assert problems({EXTENSION: compile(option)}) == [f"{Path(EXTENSION).name} {problem}"]


def test_stripped(problems, compile):
    (problem,) = problems({EXTENSION: compile("-s")})
    assert "is stripped" in problem


@pytest.mark.parametrize(
    "sources",
    [
        {"avx2": AVX2},
        {"avx512": AVX512 + AVX2},
        {"cpu": XGETBV.replace("{name}", "bcel_cpu_features")},
    ],
    ids=lambda sources: next(iter(sources)),
)
def test_instructions_in_their_place(problems, compile, sources):
    assert problems({EXTENSION: compile(**sources)}) == []


@pytest.mark.parametrize(
    ("sources", "unit", "needs"),
    [
        ({"api": AVX2}, "api.c: avx2_add", "VEX"),
        ({"sse2": AVX512}, "sse2.c: avx512_add", "EVEX"),
        ({"avx2": AVX512}, "avx2.c: avx512_add", "EVEX"),
        ({"avx2": BMI2}, "avx2.c: deposit", "BMI"),
        ({"sum": SSE41}, "sum.c: sse41_mul", "SSSE3 or later"),
        ({"plan": POPCNT}, "plan.c: count", "POPCNT"),
        ({"view": XGETBV.replace("{name}", "ask")}, "view.c: ask", "system"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_instructions_out_of_place(problems, compile, sources, unit, needs):
    (problem,) = problems({EXTENSION: compile(**sources)})
    assert problem.startswith(f"{unit}: ")
    assert f"({needs})" in problem
