"""Build the extension module. Everything that can be said without code is in pyproject.toml.

BCELOGITS_BUILD chooses the flavour: release (the default), debug, sanitize, tsan or werror. Each
has its own folder under build/.
"""

import gzip
import io
import os
import re
import sys
import tarfile
from glob import glob
from pathlib import Path

import numpy as np
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HEADER = Path("csrc/include/bcelogits.h")

FLAVOURS = {
    "release": ["-O3", "-g0"],
    "debug": ["-O0", "-g3", "-UNDEBUG"],
    "sanitize": ["-O1", "-g1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
                 "-fno-sanitize-recover=undefined"],
    "tsan": ["-O1", "-g1", "-fsanitize=thread"],
    "werror": ["-O3", "-g0", "-Wall", "-Wextra", "-Werror"],
}
# The caller's CFLAGS come first on the command line: undo what would change a result; csrc/build.h
# refuses what is left. To the linker -fno-fast-math does not undo -funsafe-math-optimizations.
COMMON = [
    "-fno-fast-math",
    "-fno-unsafe-math-optimizations",
    "-ffp-contract=off",
    "-fvisibility=hidden",
]
FLAVOUR = os.environ.get("BCELOGITS_BUILD") or "release"
if FLAVOUR not in FLAVOURS:
    sys.exit(f"BCELOGITS_BUILD={FLAVOUR!r} is unknown; choose one of {', '.join(FLAVOURS)}")


def version() -> str:
    """Return the version that the macros of the public header state."""
    macros = dict(re.findall(r"#define BCELOGITS_VERSION_(\w+) +(\d+)", HEADER.read_text("utf-8")))
    return "{MAJOR}.{MINOR}.{PATCH}".format_map(macros)


class BuildExt(build_ext):
    """Choose the flags once the compiler is known."""

    def finalize_options(self):
        super().finalize_options()
        self.cython_c_in_temp = True

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            compile_args, link_args = ["/O2", "/fp:precise"], []
        else:
            compile_args = COMMON + FLAVOURS[FLAVOUR]
            # The linker too heeds -ffast-math (it flips flush-to-zero at load time) and -fsanitize.
            link_args = [*compile_args]
            if sys.platform == "linux":
                # A canary in each function with an array on its stack: for a chunk, not an element.
                compile_args = [*compile_args, "-fstack-protector-strong"]
                link_args += ["-Wl,-z,relro,-z,now"]
        for extension in self.extensions:
            extension.extra_compile_args = compile_args
            extension.extra_link_args = link_args
        super().build_extensions()


class BuildPy(build_py):
    """Put the public C header into the package; an editable install has it in src."""

    def run(self):
        super().run()
        root = "src" if self.editable_mode else self.build_lib
        folder = os.path.join(root, "bcelogits", "include")
        self.mkpath(folder)
        self.copy_file(str(HEADER), folder)


class Sdist(sdist):
    """With SOURCE_DATE_EPOCH the archive depends on the sources alone, not on times or owners."""

    def make_archive(self, *args, **kwargs):
        file = super().make_archive(*args, **kwargs)
        if (epoch := os.environ.get("SOURCE_DATE_EPOCH")) and file.endswith(".tar.gz"):
            self.normalise(file, int(epoch))
        return file

    @staticmethod
    def normalise(file, epoch):
        text = io.BytesIO()
        with tarfile.open(file) as old, tarfile.open(fileobj=text, mode="w") as new:
            for member in sorted(old, key=lambda member: member.name):
                member.mtime, member.uid, member.gid = epoch, 0, 0
                member.uname = member.gname = ""
                member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                member.pax_headers = {}
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
        with open(file, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=epoch) as packed:
            packed.write(text.getvalue())


setup(
    version=version(),
    ext_modules=[
        Extension(
            "bcelogits._core",
            sources=["src/bcelogits/_core.pyx", *sorted(glob("csrc/*.c") + glob("csrc/isa/*.c"))],
            depends=sorted(glob("csrc/**/*.h", recursive=True) + glob("src/bcelogits/*.pxd")),
            include_dirs=["csrc/include", np.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        )
    ],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy, "sdist": Sdist},
    options={"build": {"build_base": f"build/{FLAVOUR}"}},
)
