"""The entropy that normalized entropy divides by."""

from __future__ import annotations

import math


def entropy(rate: float) -> float:
    """Return the entropy, in nats, of a target that is 1 at this rate; NaN outside [0, 1].

    It is the mean loss of always predicting the rate.
    """
    if not 0 < rate < 1:
        return 0.0 if rate in (0, 1) else math.nan
    return -(rate * math.log(rate) + (1 - rate) * math.log1p(-rate))
