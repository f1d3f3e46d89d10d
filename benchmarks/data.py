"""The arrays that are measured: logits and targets as they come from a classifier."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = Any
SHARE_OF_POSITIVES = 0.3
SPREAD = 3.0


def logits(shape: int | tuple[int, ...], dtype: Any = "float32", seed: int = 1) -> Array:
    """Return normal logits; those of narrow types are the float32 ones, rounded."""
    wide = "float64" if np.dtype(dtype) == np.float64 else "float32"
    x = np.random.default_rng(seed).standard_normal(shape, dtype=wide)
    x *= SPREAD
    return x if np.dtype(dtype) == wide else x.astype(dtype)


def targets(shape: int | tuple[int, ...], dtype: Any = "float32", seed: int = 2) -> Array:
    """Return targets 0 and 1."""
    n = shape if isinstance(shape, int) else math.prod(shape)
    draws = np.random.default_rng(seed).random(n, dtype="float32")
    return (draws < SHARE_OF_POSITIVES).astype(dtype).reshape(shape)


def weights(shape: int | tuple[int, ...], dtype: Any = "float32", seed: int = 3) -> Array:
    """Return weights between 0.5 and 2."""
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape).astype(dtype)


def available_memory() -> int:
    """Return how many bytes can be had, or a careful guess."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 << 30
