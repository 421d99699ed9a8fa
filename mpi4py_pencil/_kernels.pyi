from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

Table = np.ndarray[Any, np.dtype[np.intp]]

def address(array: np.ndarray[Any, Any]) -> int: ...
def known_sums(at: int, table: tuple[int, int, int, int], work: int, state: int, double: bool) -> None: ...
def lower_sums(state: int, columns: int, top: int) -> None: ...
def philox(start: int, key: int, numbers: int, count: int, out: int) -> None: ...
def rounded_sums(state: int, columns: int, totals: int, double: bool) -> None: ...

class Operation:
    count: int
    essential: bool
    def run(self, source_at: int, target_at: int, start: int, stop: int, normalize: bool) -> None: ...
    def __call__(self, source_at: int = 0, target_at: int = 0, normalize: bool = False) -> None: ...

class Call(Operation):
    def __init__(
        self,
        called: Callable[[int, int], object],
        essential: bool = False,
        abandoned: Callable[[], object] | None = None,
    ) -> None: ...

class Each(Operation):
    def __init__(self, count: int, called: Callable[[int, int], object]) -> None: ...

class Foreign(Operation):
    def __init__(
        self,
        count: int,
        function: int,
        tiles: Sequence[tuple[int, int]],
        points: int,
        plane_bytes: int,
        values: np.ndarray[Any, np.dtype[np.float64]],
    ) -> None: ...

class Sweep(Operation):
    def __init__(
        self,
        source: Table,
        target: Table,
        outer: Table,
        columns: tuple[int, int],
        batches: tuple[int, int],
        tiles: Sequence[tuple[int, int, int]],
        executes: Sequence[Callable[[], Any]],
        gathered: bool,
        edits: Sequence[Table],
        scales: np.ndarray[Any, np.dtype[np.longdouble]],
        stream: bool,
    ) -> None: ...

class Vertical(Operation):
    def __init__(
        self,
        instructions: int,
        kind: str,
        length: int,
        points: int,
        along: bool,
        passes: tuple[Table, np.ndarray[Any, Any], np.ndarray[Any, Any]],
        sides: Sequence[tuple[Table, Table]],
        outer: Table,
        columns: int,
        batches: int,
        step: int,
        scales: np.ndarray[Any, np.dtype[np.longdouble]],
        stream: bool,
        workspace: np.ndarray[Any, np.dtype[np.uint8]],
    ) -> None: ...

def instruction_sets() -> list[tuple[str, int]]: ...

class Copy(Operation):
    def __init__(
        self, source: tuple[int, Table], target: tuple[int, Table], extents: Table, width: int, stream: bool
    ) -> None: ...

ABSOLUTE: int
SOURCE: int
TARGET: int
PLANE: int

Instruction = tuple[Operation, int, int]

class Program(Operation):
    def __init__(self, instructions: Sequence[Instruction]) -> None: ...
    def execute(
        self,
        source_at: int,
        target_at: int,
        normalize: bool,
        agreed: bool = False,
        seconds: np.ndarray[Any, np.dtype[np.float64]] | None = None,
    ) -> None: ...

class Planes(Operation):
    def __init__(
        self, listed: Sequence[Instruction], memory: np.ndarray[Any, np.dtype[np.uint8]], plane_bytes: int
    ) -> None: ...

class Polled(Operation):
    def __init__(self, operation: Operation, called: Callable[[], object], every: float) -> None: ...

class Threads(Operation):
    def __init__(self, submit: Callable[..., Future[None]], programs: Sequence[Program]) -> None: ...

class Counters:
    def __init__(
        self,
        written: Table,
        read: Table,
        me: int,
        waited: Callable[[Table, int], None],
        leave: Callable[[], None],
    ) -> None: ...

class Claim(Operation):
    def __init__(self, counters: Counters) -> None: ...

class Fence(Operation):
    def __init__(self, counters: Counters, turns: int = 1) -> None: ...

class Release(Operation):
    def __init__(self, counters: Counters) -> None: ...

class Mapping:
    def __init__(self, descriptor: int, nbytes: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def signal(flag: int, value: int) -> None: ...
def arrived(flags: Table, value: int, looks: int) -> bool: ...
