"""The chunks of a variable: which ranks write where in them, and their compression by all ranks."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mpi4py import MPI

from ..layout.partition import overlap
from ..ranks.agreement import agreed, nothing
from .disk import unseen, write_block
from .libraries import h5py
from .parts import Part

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

# A chunk of plain numbers must be smaller than 4 GiB; one that is compressed is unpacked whole by whoever reads of it.
_PLAIN_BYTES = 1024**3
_PACKED_BYTES = 2 * 1024**2


@dataclass(frozen=True)
class Layout:
    """One step of a variable in the file.

    Attributes
    ----------
    dtype : numpy.dtype
        In the file.
    row : int
        The index of the step.
    chunk : tuple of int
        The shape of a chunk, time left out.
    offsets : dict
        Where each chunk lies in the file, by the indices at which it starts; none where it is compressed.
    filters : tuple
        What it is compressed by, as HDF5 numbers it; none where it is not.
    """

    dtype: np.dtype[Any]
    row: int
    chunk: tuple[int, ...]
    offsets: dict[Index, int] = field(default_factory=dict)
    filters: tuple[Any, ...] = ()

    @property
    def chunk_bytes(self) -> int:
        """Of one chunk."""
        return math.prod(self.chunk) * self.dtype.itemsize


def most_bytes(packed: bool) -> int:
    """How large a chunk is at the most."""
    return _PACKED_BYTES if packed else _PLAIN_BYTES


def chunk_of(shape: Sequence[int], itemsize: int, most: int) -> tuple[int, ...]:
    """The shape of the chunks of a variable: whole lines, and as many of them as `most` bytes have room for."""
    chunk = list(shape)
    for axis in range(len(shape)):
        rest = itemsize * math.prod(chunk[axis + 1 :])
        chunk[axis] = min(shape[axis], max(1, most // rest))
        if rest * chunk[axis] <= most:
            break
    return tuple(chunk)


def starts(shape: Sequence[int], chunk: Sequence[int]) -> Iterator[Index]:
    """Where the chunks of a variable start."""
    return itertools.product(*(range(0, n, c) for n, c in zip(shape, chunk, strict=True)))


def _shared(part: Part, chunk: Sequence[int]) -> Iterator[tuple[Index, Index, Array]]:
    """What a part has in each chunk: where the chunk starts, where that lies in it, and the numbers."""
    if not part.block.size:
        return
    touched = [range(at // c * c, at + n, c) for at, n, c in zip(part.start, part.block.shape, chunk, strict=True)]
    for first in itertools.product(*touched):
        runs = [
            overlap((at, n), (f, c)) for at, n, f, c in zip(part.start, part.block.shape, first, chunk, strict=True)
        ]
        inside = tuple(run[0] - f for run, f in zip(runs, first, strict=True))
        mine = tuple(slice(run[0] - at, run[0] - at + run[1]) for run, at in zip(runs, part.start, strict=True))
        yield first, inside, part.block[mine]


def write_part(file: int, part: Part, layout: Layout) -> None:
    """Write a rank's part of a variable that is not compressed. Local."""
    if not layout.filters:
        for first, inside, block in _shared(part, layout.chunk):
            write_block(file, layout.offsets[first], layout.chunk, inside, block, unseen)


Pieces = dict[Index, list[tuple[Index, Array]]]


def exchanged(comm: MPI.Intracomm, part: Part, layout: Layout) -> Pieces:
    """What the chunks that this rank compresses are made of: where they start, and the blocks in them.

    Collective over `comm`. A chunk is compressed by the rank that has most of it.
    """
    mine = {first: (inside, block) for first, inside, block in _shared(part, layout.chunk)}
    sizes = comm.allgather({first: block.size for first, (_, block) in mine.items()})
    owner: dict[Index, int] = {}
    for rank, theirs in enumerate(sizes):
        for first, size in theirs.items():
            if first not in owner or size > sizes[owner[first]][first]:
                owner[first] = rank
    me = comm.Get_rank()
    outgoing: list[Any] = [[] for _ in sizes]
    for first, (inside, block) in mine.items():
        if owner[first] != me:
            outgoing[owner[first]].append((first, inside, np.ascontiguousarray(block)))
    pieces: Pieces = defaultdict(list, {first: [piece] for first, piece in mine.items() if owner[first] == me})
    for first, inside, block in itertools.chain.from_iterable(comm.alltoall(outgoing)):
        pieces[first].append((inside, block))
    return pieces


def compressed(pieces: Pieces, layout: Layout) -> list[tuple[Index, int, bytes]]:
    """Chunks as HDF5 compresses them: where they start, which filters were left out, and their bytes.

    In a file in memory, by whichever filters there are. Local, and in any thread.
    """
    library = h5py()
    found = []
    with library.File("chunk", "w", driver="core", backing_store=False) as file:
        kind = library.h5p.create(library.h5p.DATASET_CREATE)
        kind.set_chunk(layout.chunk)
        for code, flags, values in layout.filters:
            kind.set_filter(code, flags, values)
        space = library.h5s.create_simple(layout.chunk)
        dataset = library.h5d.create(file.id, b"chunk", library.h5t.py_create(layout.dtype), space, kind)
        for first, parts in pieces.items():
            chunk = np.zeros(layout.chunk, layout.dtype)
            for inside, block in parts:
                chunk[tuple(slice(i, i + n) for i, n in zip(inside, block.shape, strict=True))] = block
            dataset.write(library.h5s.ALL, library.h5s.ALL, chunk)
            file.flush()
            mask, data = dataset.read_direct_chunk((0,) * len(layout.chunk))
            found.append((first, mask, bytes(data)))
    return found


def collect(comm: MPI.Intracomm, packed: list[Any], store: Callable[[list[Any]], None]) -> None:
    """Have rank 0 store the compressed chunks of all ranks, which it takes from one after the other. Collective."""
    if comm.Get_rank():
        comm.send(packed, 0)
        agreed(comm, lambda: None, nothing)
        return
    problem: Exception | None = None
    for rank in range(comm.Get_size()):
        theirs = packed if rank == 0 else comm.recv(source=rank)
        try:
            if problem is None:
                store(theirs)
        except Exception as error:  # raised below: all ranks must be heard first
            problem = error
    agreed(comm, lambda: _raise(problem), nothing)


def _raise(problem: Exception | None) -> None:
    """Raise what was caught."""
    if problem is not None:
        raise problem
