"""What is installed and in use: instruction sets, configuration, the C header."""

from __future__ import annotations

import os
import sys

import numpy as np

from bcelogits import _core
from bcelogits._threads import get_num_threads


def supported_isas() -> tuple[str, ...]:
    """Return the names of the instruction sets whose kernels this processor runs, best first.

    Returns
    -------
    tuple of str
        Among 'avx512', 'avx2', 'neon' and 'baseline'.

    See Also
    --------
    active_isa
    """
    return tuple(name for name in _core.built_isas() if _core.supports_isa(name))


def active_isa() -> str:
    """Return the name of the instruction set in use.

    It is the best that the processor supports, unless the environment variable ``BCELOGITS_ISA``
    named another when the package was imported.

    Returns
    -------
    str

    See Also
    --------
    supported_isas
    """
    return _core.active_isa()


def get_include() -> str:
    """Return the folder of the C header ``bcelogits.h``.

    Returns
    -------
    str
        To be given to a C compiler with ``-I``.
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")


def show_config() -> None:
    """Print the versions, the instruction sets and the number of threads: what a bug report needs.

    See Also
    --------
    supported_isas, active_isa, get_num_threads
    """
    import platform  # not at import: it is needed here alone

    rows = {
        "bcelogits": f"{_core.__version__}, C interface {_core.ABI_VERSION}",
        "instruction set": active_isa(),
        "  supported": ", ".join(supported_isas()),
        "  built in": ", ".join(_core.built_isas()),
        "threads": str(get_num_threads()),
        "NumPy": np.__version__,
        "Python": platform.python_version(),
        "platform": f"{sys.platform}, {platform.machine()}",
        "C header": get_include(),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")


def _select_isa() -> None:
    name = os.environ.get("BCELOGITS_ISA")
    if not name:
        return
    supported = supported_isas()
    if name not in supported:
        known = name in _core.built_isas()
        raise ImportError(
            f"BCELOGITS_ISA={name} is {'not supported by this processor' if known else 'unknown'}; "
            f"supported: {', '.join(supported)}"
        )
    _core.select_isa(name)


_select_isa()
