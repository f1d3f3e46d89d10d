"""The configuration of builds that run elsewhere: wheels for every platform, and the workflows."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ["cp311", "cp312", "cp313", "cp314", "cp314t"]
PLATFORMS = {
    "linux": [
        f"{libc}_{machine}"
        for libc in ("manylinux", "musllinux")
        for machine in ("x86_64", "aarch64")
    ],
    "macos": ["macosx_x86_64", "macosx_arm64"],
    "windows": ["win_amd64", "win_arm64"],
}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def run(*command):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CIBW_")}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("platform", PLATFORMS)
def test_wheels_that_are_built(platform):
    """Each Python on each platform, and nothing more."""
    pytest.importorskip("cibuildwheel", reason="cibuildwheel lists them (extra: wheels)")
    process = run("cibuildwheel", "--print-build-identifiers", "--platform", platform, ".")
    assert process.returncode == 0, process.stderr
    expected = {f"{python}-{name}" for python in PYTHONS for name in PLATFORMS[platform]}
    assert set(process.stdout.split()) == expected


def test_pyproject_is_valid():
    pytest.importorskip("validate_pyproject", reason="validate-pyproject reads it (extra: wheels)")
    process = run("validate_pyproject", "pyproject.toml")
    assert process.returncode == 0, process.stdout + process.stderr


def test_dependencies_are_few_and_bounded():
    """What is compiled against, to the next version that may break it; the rest from below."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    build, runtime = project["build-system"]["requires"], project["project"]["dependencies"]
    both = r"[\w-]+>=\d+(\.\d+)*,<\d+"
    assert len(runtime) == 1
    assert re.fullmatch(both, runtime[0])
    assert runtime[0] in build
    for name in ("cython", "numpy"):
        assert any(re.fullmatch(both, item) for item in build if item.startswith(name))
    for item in itertools.chain(build, *project["project"]["optional-dependencies"].values()):
        assert re.match(r"[\w-]+(\[[\w,]+\])?(>=|==)\d", item), item


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned(file):
    """By the hash of a commit, which nobody can move, with the version for readers."""
    used = re.findall(r"(?m)^\s*(?:- )?uses: (.*)$", file.read_text("utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)+|\./\.github/.*", action), action


def test_there_are_workflows():
    assert [file.name for file in WORKFLOWS] == ["release.yml", "tests.yml", "wheels.yml"]


def test_sdist_is_reproducible(tmp_path):
    """From two checkouts that differ in the times and modes of files: byte for byte the same."""
    pytest.importorskip("Cython", reason="setup.py needs Cython")
    made = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
    hashes = []
    for time in (1_000_000_000, 1_500_000_000):
        tree = tmp_path / str(time)
        skipped = shutil.ignore_patterns(*made)
        shutil.copytree(ROOT, tree, ignore=skipped)
        for file in tree.rglob("*"):
            os.utime(file, (time, time))
        (tree / "README.md").chmod(0o600 if time > 1_200_000_000 else 0o664)
        code = "import setuptools.build_meta as b; print(b.build_sdist('.'))"
        environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
        subprocess.run([sys.executable, "-c", code], cwd=tree, env=environment, check=True,
                       capture_output=True)  # fmt: skip
        (archive,) = tree.glob("*.tar.gz")
        hashes.append(hashlib.sha256(archive.read_bytes()).hexdigest())
    assert hashes[0] == hashes[1]
