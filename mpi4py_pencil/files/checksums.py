"""Checksums of fixed slabs of a global array: the same by whichever ranks its bytes are written.

The CRC-32 of a run of bytes follows from those of its parts, so that ranks which have the parts of a slab need not
exchange them.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Bytes of a slab.
SLAB = 4 * 1024 * 1024

# The polynomial of CRC-32, the coefficient of the lowest power in the highest bit.
_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31

# Where a run of bytes starts in the array, how long it is, and its CRC-32.
Run = tuple[int, int, int]


class Sums:
    """The checksums of the runs that a rank writes."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def __call__(self, offset: int, data: Array) -> None:
        """Take the bytes of a run, from an offset in the array on, slab by slab."""
        done = 0
        while done < data.size:
            part = data[done : done + SLAB - (offset + done) % SLAB]
            self.runs.append((offset + done, part.size, zlib.crc32(part.data)))
            done += part.size


def joined(runs: Iterable[Run], nbytes: int) -> list[int]:
    """The checksums of the slabs of an array of so many bytes, from those of all its runs.

    Raises
    ------
    ValueError
        Where the runs do not cover each byte once.
    """
    sums: list[int] = []
    end = 0
    for offset, size, crc in sorted(runs):
        if offset != end:
            raise ValueError(f"the ranks have written the bytes up to {end} of an array, and then those from {offset}")
        if offset % SLAB:
            sums[-1] = _appended(sums[-1], crc, size)
        else:
            sums.append(crc)
        end = offset + size
    if end != nbytes:
        raise ValueError(f"the ranks have written {end} bytes of an array of {nbytes}")
    return sums


def _appended(first: int, second: int, size: int) -> int:
    """The CRC-32 of bytes, from that of the first ones and that of the last `size` of them."""
    return _times(_power(8 * size), first) ^ second


@functools.lru_cache(maxsize=256)
def _power(n: int) -> int:
    """The polynomial x**n modulo that of the CRC."""
    result, square = _ONE, _ONE >> 1
    while n:
        result = _times(square, result) if n & 1 else result
        square = _times(square, square)
        n >>= 1
    return result


def _times(a: int, b: int) -> int:
    """The product of two polynomials modulo that of the CRC."""
    result = 0
    for _ in range(32):
        if a & _ONE:
            result ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return result


def my_slabs(sums: Sequence[int], rank: int, size: int) -> range:
    """The slabs that a rank of `size` looks at: consecutive ones, about as many as any other."""
    return range(rank * len(sums) // size, (rank + 1) * len(sums) // size)
