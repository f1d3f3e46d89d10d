"""What every test shares: the report's header and the profiles of hypothesis."""

import importlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import clibrary
import hypothesis
import pytest

# No test depends on time. In CI the examples are always the same: a failure is the change's.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("repeatable" if os.environ.get("CI") else "local")


# A shell's background job ignores Ctrl-C, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header(config: pytest.Config) -> str:
    """Say which build is tested, and on which instruction set."""
    import bcelogits

    return (
        f"bcelogits {bcelogits.__version__} from {os.path.dirname(bcelogits.__file__)}, "
        f"instruction set {bcelogits.active_isa()} of {', '.join(bcelogits.supported_isas())}"
    )


@pytest.fixture(scope="session")
def import_from() -> Callable[[str, str], ModuleType]:
    """Return a function that imports a module, by its name, from a folder of the repository."""

    def load(folder: str, name: str) -> ModuleType:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(clibrary.ROOT / folder))
            return importlib.import_module(name)

    return load


@pytest.fixture(scope="session")
def c_library(tmp_path_factory: pytest.TempPathFactory) -> clibrary.Installed:
    """Return the C library, built and installed where no file of the repository is."""
    return clibrary.Installed(tmp_path_factory.mktemp("c-library"))


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs ``bcelogits score``, expects a failure and returns its line."""
    from bcelogits.cli import main

    def run(*arguments: str | Path) -> str:
        assert main(["score", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("bcelogits: ")
        assert captured.err.endswith("\n")
        assert captured.err.count("\n") == 1
        assert captured.err[:-1].isprintable()
        return captured.err.removeprefix("bcelogits: ").removesuffix("\n")

    return run


@pytest.fixture(scope="module")  # not longer: its threads would be about in the tests of others
def cluster_address() -> Iterator[str]:
    """Return the address of a dask cluster of two processes of one thread each."""
    distributed = pytest.importorskip(
        "distributed", reason="dask.distributed is not installed (extra: dask)"
    )
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address
