"""The running total of ``--append``: sums of earlier runs in a JSON file."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from bcelogits import RunningLoss
from bcelogits._core import Accumulator
from bcelogits._running_state import pack
from bcelogits.cli.arguments import Options
from bcelogits.cli.errors import CommandError, shown
from bcelogits.cli.groups import spelling
from bcelogits.cli.totals import Totals

_FORMAT = 1
_MOST_BYTES = 1 << 30


class State:
    """The file as it is found, and as it is to be.

    Parameters
    ----------
    path : str
        It may not exist yet.
    options : Options
        Sums of other columns or with other weights are refused.

    Attributes
    ----------
    totals : Totals
        Of earlier runs.

    Raises
    ------
    CommandError
        If the file cannot be read, is none that this command wrote, or was made with other options.
    """

    def __init__(self, path: str, options: Options) -> None:
        self._path = path
        self._options = options
        self._content = self._read()
        self.totals = Totals(len(options.targets))
        self._names: set[str | None] = set()
        if self._content is not None:
            self._load(self._content)

    def check_unchanged(self) -> None:
        """Raise if another run has written the file meanwhile: its rows would be lost."""
        if self._read() != self._content:
            raise CommandError(f"{self._path}: was changed by another run meanwhile: run it again")

    def content(self, totals: Totals) -> bytes:
        """Return what the file is to be with these sums."""
        plain = {"pos_weight": None, "label_smoothing": 0.0, "ignore_index": None, "axis": 0,
                 "check": True}  # fmt: skip
        weights = self._options.pos_weight
        configuration = plain | {
            "pos_weight": None if weights is None else np.array(weights),
            "label_smoothing": self._options.label_smoothing,
        }
        shape = (totals.labels,)
        groups = [
            {
                "group": name,
                "loss": pack(configuration, shape, _parts(totals.losses, number, totals.labels)),
                "prediction": pack(plain, shape, _parts(totals.predictions, number, totals.labels)),
            }
            for name, number in totals.groups.items()
        ]
        state = {"format": _FORMAT, "arguments": self._arguments(), "groups": groups}
        return (json.dumps(state, allow_nan=False) + "\n").encode()

    def _arguments(self) -> dict[str, Any]:
        options = self._options
        return {
            "logit": list(options.logits),
            "target": list(options.targets),
            "weight": options.weight,
            "by": options.by,
        }

    def _read(self) -> bytes | None:
        try:
            with open(self._path, "rb") as file:
                if os.fstat(file.fileno()).st_size > _MOST_BYTES:
                    raise CommandError(f"{self._path}: is too large to be a state")
                return file.read(_MOST_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CommandError(
                f"{self._path}: {getattr(error, 'strerror', None) or error}"
            ) from None

    def _load(self, content: bytes) -> None:
        try:
            state = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"{self._path}: is no JSON: {error}") from None
        self._check_fields("the state", state, {"format", "arguments", "groups"})
        if state["format"] != _FORMAT:
            raise self._bad(f"format is {shown(state['format'])}; this version reads {_FORMAT}")
        arguments = self._arguments()
        self._check_fields("arguments", state["arguments"], set(arguments))
        for name, value in arguments.items():
            if state["arguments"][name] != value:
                theirs = shown(state["arguments"][name])
                raise self._bad(f"{name} is {theirs} there and {shown(value)} in this run")
        if not isinstance(state["groups"], list):
            raise self._bad(f"groups is {shown(state['groups'])}; it must be a list")
        for i, group in enumerate(state["groups"]):
            self._load_group(f"groups[{i}]", group)

    def _load_group(self, place: str, group: Any) -> None:
        self._check_fields(place, group, {"group", "loss", "prediction"})
        name = group["group"]
        if name is not None and not isinstance(name, str):
            raise self._bad(f"{place}: group is {shown(name)}; it must be a text or null")
        if name in self._names:
            raise self._bad(f"{place}: group {shown(name)} stands there twice")
        self._names.add(name)
        if self._options.by is None and name is not None:
            raise self._bad(f"{place}: group is {shown(name)} in a state without groups")
        expected = RunningLoss(
            pos_weight=self._options.pos_weight,
            label_smoothing=self._options.label_smoothing,
            axis=0,
        )
        losses = self._running(f"{place}: loss", group["loss"], expected)
        predictions = self._running(
            f"{place}: prediction", group["prediction"], RunningLoss(axis=0)
        )
        if losses.counts().tolist() != predictions.counts().tolist():
            raise self._bad(f"{place}: loss and prediction are of different numbers of rows")
        # Earlier versions had several names for some values.
        one = Totals(self.totals.labels, {spelling(name): 0}, losses, predictions)
        self.totals.merge(one)

    def _running(self, place: str, state: Any, expected: RunningLoss) -> Accumulator:
        try:
            running = RunningLoss.from_state_dict(state)
            expected.merge(running)
        except (ValueError, TypeError, OverflowError) as error:
            text = str(error).replace("in other", "there")
            raise self._bad(f"{place}: {text}") from None
        if running._shape != (self.totals.labels,):
            raise self._bad(
                f"{place}: shape is {running._shape}; it must be {(self.totals.labels,)}"
            )
        return running._sums

    def _check_fields(self, place: str, value: Any, names: set[str]) -> None:
        if not isinstance(value, dict):
            raise self._bad(f"{place} is {shown(value)}; it must be an object")
        for name in sorted(names - value.keys()):
            raise self._bad(f"{place} has no field {name!r}")
        for name in value.keys() - names:
            raise self._bad(f"{place} has an unknown field {shown(name)}")

    def _bad(self, problem: str) -> CommandError:
        return CommandError(f"{self._path}: {problem}")


def _parts(sums: Accumulator, number: int, labels: int) -> Accumulator:
    return sums.part(number * labels, (number + 1) * labels)
