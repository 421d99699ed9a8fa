from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Table = np.ndarray[Any, np.dtype[np.intp]]

class Sweep:
    count: int
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
    def run(self, source_at: int, target_at: int, start: int, stop: int, normalize: bool) -> None: ...

class Vertical:
    count: int
    def __init__(
        self,
        instructions: int,
        kind: str,
        length: int,
        points: int,
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
    def run(self, source_at: int, target_at: int, start: int, stop: int, normalize: bool) -> None: ...

def instruction_sets() -> list[tuple[str, int]]: ...
def copy(
    source: int,
    source_strides: Table,
    target: int,
    target_strides: Table,
    extents: Table,
    width: int,
    stream: bool,
) -> None: ...

class Mapping:
    def __init__(self, descriptor: int, nbytes: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def signal(flag: int, value: int) -> None: ...
def arrived(flags: Table, value: int, looks: int) -> bool: ...
