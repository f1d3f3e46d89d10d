from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

LOSS: int
GRAD: int
GRAD_TARGET: int
GRAD_WEIGHT: int
GRAD_POS_WEIGHT: int
LOSS_AND_GRAD: int
GRAD_AND_HESS: int
SIGMOID: int
LOG_SIGMOID: int
SOFTPLUS: int

REDUCTIONS: dict[str, int]

BLOCK: int
ALONE: int

__version__: str
ABI_VERSION: int

def is_real(dtype: np.dtype[Any], /) -> bool: ...
def is_floating(dtype: np.dtype[Any], /) -> bool: ...
def find_negative(array: NDArray[Any], /) -> tuple[int, ...] | None: ...
def same_view(a: NDArray[Any], b: NDArray[Any], /) -> bool: ...

class TargetOutOfRangeError(RuntimeError): ...

class Accumulator:
    def __init__(self, size: int = 1) -> None: ...
    @property
    def size(self) -> int: ...
    def merge(self, other: Accumulator) -> None: ...
    def merge_into(self, into: Accumulator, parts: NDArray[np.intp]) -> None: ...
    def part(self, start: int, stop: int) -> Accumulator: ...
    def extend(self, size: int) -> None: ...
    def result(self, reduction: int, out: NDArray[Any]) -> None: ...
    def results(self, reduction: int, dtype: DTypeLike = ...) -> NDArray[Any]: ...
    def grad_results(
        self, function: int, reduction: int, scale: float, counted: Accumulator, dtype: DTypeLike
    ) -> NDArray[Any]: ...
    def weights(self) -> NDArray[np.float64]: ...
    def positives(self) -> NDArray[np.float64]: ...
    def counts(self) -> NDArray[np.int64]: ...
    def state(self) -> list[tuple[int, list[tuple[int, int]]]]: ...
    @staticmethod
    def from_state(parts: list[tuple[int, list[tuple[int, int]]]]) -> Accumulator: ...

class Call:
    def __init__(
        self,
        input: NDArray[Any],
        target: NDArray[Any] | None = None,
        weight: NDArray[Any] | None = None,
        pos_weight: NDArray[Any] | None = None,
        where: NDArray[Any] | None = None,
        grad_output: NDArray[Any] | None = None,
        *,
        label_smoothing: float = 0.0,
        hess_floor: float = 0.0,
        ignore_index: int | float | None = None,
        check: bool = True,
        float64: bool = False,
    ) -> None: ...
    @property
    def size(self) -> int: ...
    def reads_to_count(self, reduction: int) -> bool: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    def part(self, order: tuple[int, ...] | None, box: tuple[slice, ...]) -> Call: ...
    def find_bad_target(self) -> tuple[int, ...] | None: ...
    def refuse_target(self, index: tuple[int, ...]) -> NoReturn: ...
    def map(
        self, function: int, out: NDArray[Any], out2: NDArray[Any] | None = None
    ) -> None: ...
    def map_blocks(
        self,
        function: int,
        out: NDArray[Any],
        out2: NDArray[Any] | None,
        first_block: int,
        last_block: int,
    ) -> None: ...
    def reduce(
        self, reduction: int, out: NDArray[Any], order: tuple[int, ...] | None = None
    ) -> None: ...
    def value_and_grad(
        self, reduction: int, scale: float, value: NDArray[Any], grad: NDArray[Any]
    ) -> None: ...
    def reduce_blocks(
        self, sums: Accumulator, reduction: int, first_block: int, last_block: int
    ) -> None: ...
    def accumulate(self, sums: Accumulator) -> None: ...
    def accumulate_blocks(
        self, sums: Accumulator, first_block: int, last_block: int
    ) -> None: ...
    def accumulate_runs(
        self, sums: Accumulator, starts: NDArray[np.intp], parts: NDArray[np.intp]
    ) -> None: ...
    def accumulate_each(
        self,
        sums: Accumulator,
        kept: int,
        order: tuple[int, ...] | None = None,
        first_part: int = 0,
    ) -> None: ...
    def accumulate_each_blocks(
        self, sums: Accumulator, kept: int, first_block: int, last_block: int
    ) -> None: ...
    def reduce_each_blocks(
        self, sums: Accumulator, reduction: int, kept: int, first_block: int, last_block: int
    ) -> None: ...
    def count_blocks(
        self,
        counted: Accumulator,
        reduction: int,
        grad: NDArray[Any] | None,
        first_block: int,
        last_block: int,
    ) -> None: ...
    def value_and_grad_blocks(
        self,
        sums: Accumulator,
        reduction: int,
        scale: float,
        counted: Accumulator,
        grad: NDArray[Any],
        first_block: int,
        last_block: int,
    ) -> None: ...
    def reduce_grad(
        self,
        function: int,
        reduction: int,
        scale: float,
        out: NDArray[Any],
        order: tuple[int, ...] | None = None,
    ) -> None: ...
    def sum_grad(
        self, function: int, out: NDArray[Any], order: tuple[int, ...] | None = None
    ) -> None: ...
    def sum_grad_blocks(
        self, sums: Accumulator, function: int, kept: int, first_block: int, last_block: int
    ) -> None: ...
    def reduce_grad_part(
        self,
        function: int,
        reduction: int,
        scale: float,
        counted: Accumulator,
        out: NDArray[Any],
    ) -> None: ...
    def reduce_grad_blocks(
        self,
        function: int,
        reduction: int,
        scale: float,
        counted: Accumulator,
        out: NDArray[Any],
        first_block: int,
        last_block: int,
    ) -> None: ...

class Loss:
    weight: NDArray[Any] | None
    pos_weight: NDArray[Any] | None
    reduction: str
    label_smoothing: float
    ignore_index: int | float | None
    check: bool
    num_threads: int | None
    def __init__(
        self,
        *,
        weight: NDArray[Any] | None,
        reduction: str,
        pos_weight: NDArray[Any] | None,
        label_smoothing: float,
        ignore_index: int | float | None,
        check: bool,
        num_threads: int | None,
        plain: bool,
    ) -> None: ...
    def __call__(self, input: Any, target: Any) -> Any: ...

def built_isas() -> tuple[str, ...]: ...
def supports_isa(name: str) -> bool: ...
def active_isa() -> str: ...
def select_isa(name: str) -> None: ...

Float32s = NDArray[np.float32] | memoryview
Float64s = NDArray[np.float64] | memoryview

def mean_f32(input: Float32s, target: Float32s) -> float: ...
def mean_f64(input: Float64s, target: Float64s) -> float: ...
def sum_f32(input: Float32s, target: Float32s) -> float: ...
def sum_f64(input: Float64s, target: Float64s) -> float: ...
def loss_f32(input: Float32s, target: Float32s, out: Float32s) -> int: ...
def loss_f64(input: Float64s, target: Float64s, out: Float64s) -> int: ...
def grad_f32(input: Float32s, target: Float32s, out: Float32s) -> int: ...
def grad_f64(input: Float64s, target: Float64s, out: Float64s) -> int: ...
def mean_and_grad_f32(input: Float32s, target: Float32s, grad: Float32s) -> float: ...
def mean_and_grad_f64(input: Float64s, target: Float64s, grad: Float64s) -> float: ...
def sigmoid_f32(input: Float32s, out: Float32s) -> int: ...
def sigmoid_f64(input: Float64s, out: Float64s) -> int: ...
