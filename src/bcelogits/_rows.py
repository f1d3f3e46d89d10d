"""Scores, labels and weights that come from another library, under the names they have there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from bcelogits import _parallel
from bcelogits._arrays import Arguments, as_logits, as_real_array, as_row_weight
from bcelogits._missing import place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Names(NamedTuple):
    """What errors call the operands."""

    score: str
    label: str
    weight: str


class Rows:
    """Operands of one shape, with a weight for each row, each looked at under its own name.

    Parameters
    ----------
    names : Names
    score, label, weight
        As the user, or the library, gave them.
    pos_weight : ndarray or None
        As `as_pos_weight` returns it.
    """

    __slots__ = ("label", "names", "score", "weight")

    def __init__(
        self, names: Names, score: Any, label: Any, weight: Any, pos_weight: NDArray[Any] | None
    ) -> None:
        self.names = names
        self.score = as_logits(names.score, score)
        self.label = as_real_array(names.label, label)
        shape = self.label.shape
        if self.score.shape != shape:
            raise ValueError(
                f"{names.score} has shape {self.score.shape}, {names.label} has shape {shape}; "
                "they must be the same"
            )
        self.weight = as_row_weight(names.weight, weight, len(shape))
        check_broadcast(names.weight, self.weight, names.label, shape)
        check_broadcast("pos_weight", pos_weight, names.score, shape)

    @contextmanager
    def naming_a_bad_label(
        self, ignore_index: Any = None, check: bool = True, hint: str = ""
    ) -> Iterator[None]:
        """Let the error about a label outside [0, 1] name it as one, with a hint at the way out."""
        try:
            yield
        except ValueError:
            if not check:
                raise
            arguments = Arguments(
                input=self.score,
                target=self.label,
                weight=None,
                pos_weight=None,
                label_smoothing=0.0,
                ignore_index=ignore_index,
                where=None,
                check=True,
            )
            index = _parallel.find_bad_target(arguments.call())
            if index is None:
                raise
            name, value = self.names.label, self.label[index]
            if value != value:
                refuse_missing_label(name, index, value)
            raise ValueError(f"{name}{place(index)} is {value}, outside [0, 1]{hint}") from None


def refuse_missing_label(name: str, index: tuple[int, ...], value: Any) -> NoReturn:
    """Raise a ValueError that names the place of a label that is None or NaN."""
    where = f"{name}{place(index)}"
    raise ValueError(f"{where} is {value}: a missing label is neither 0 nor 1") from None


def check_broadcast(
    name: str, array: NDArray[Any] | None, whole: str, shape: tuple[int, ...]
) -> None:
    """Raise unless an argument broadcasts to the shape of another, called `whole`."""
    if array is None or array.shape in ((), shape):
        return
    try:
        fits = np.broadcast_shapes(array.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} of shape {array.shape} does not broadcast to the shape of {whole}, {shape}"
        )
