"""Zarr 3 written by all ranks at once: fields over time in a group of arrays, each step of one in shards.

A shard is a file, and the unit that is written: of two ranks that write to the same one, what the one has written is
lost. So arrays are brought to a division whose blocks are whole shards first. How large these are is found when a
variable is made, and the same for any number of ranks that go on with the file.

The metadata of all arrays, consolidated in one file that is replaced as a whole, tell which steps are there.
"""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI

from ..arrays import Block, Distribution, GlobalArray
from ..distarray import DistArray
from ..layout.arrays import said
from ..layout.partition import block
from ..layout.subcomm import complete
from ..ranks.agreement import told
from .chunks import chunk_of
from .disk import sync_directory
from .libraries import zarr
from .parts import Part, part_of
from .selection import Box
from .staged import remove_directory, temporary_name
from .variables import DOMAIN, Axis, There, Wanted, check_fits, check_holds, coordinates, level_of, row_of
from .variables import find as row_known

SUFFIXES = (".zarr",)

# Of a chunk, which is unpacked whole by whoever reads of it, and at most of a shard, which one rank has in memory.
_CHUNK_BYTES = 1024**2
_SHARD_BYTES = 64 * 1024**2
_TYPES = "?bBhHiIlLqQefdFD"


class Layout(NamedTuple):
    """One step of a variable in the file: its name, the index of the step, and the shape of a shard without time."""

    name: str
    row: int
    shard: tuple[int, ...]


def filters(compression: Any) -> dict[str, Any]:
    """What zarr makes a compressed array of; wrong arguments are refused, and so is a missing zarr."""
    codecs = zarr().codecs
    if compression is None:
        return {"compressors": None}
    if isinstance(compression, Mapping):
        return dict(compression)
    level = level_of(compression, "a dict for zarr's create_array, {'compressors': …}")
    return {"compressors": [codecs.BloscCodec(cname="zstd", clevel=level, shuffle="shuffle")]}


def refuse(path: Path, dtype: np.dtype[Any]) -> None:
    """Refuse, with TypeError, numbers that the file cannot hold."""
    if dtype.char not in _TYPES:
        raise TypeError(f"dtype {dtype} is no number that {path.suffix} files have")


@contextmanager
def _opened(path: Path, mode: str, consolidated: bool) -> Iterator[Any]:
    """The group in a ``with`` block, in which what is said of consolidated metadata, which is known, is not shown."""
    if not path.is_dir():
        number = errno.ENOTDIR if path.exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), str(path))
    library = zarr()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata|Object at .* is not recognized", UserWarning)
        try:
            group = library.open_group(path, mode=mode, use_consolidated=consolidated)
        except (KeyError, ValueError, TypeError, FileNotFoundError) as error:
            raise ValueError(f"{path} is no group of Zarr 3 that can be read: {error}") from error
        yield group


@contextmanager
def _changed(path: Path) -> Iterator[Any]:
    """The group in a ``with`` block, to be changed; what is seen by others is what `_seen` makes seen."""
    known = {name: there.steps for name, there in _there(path).items()}
    with _opened(path, "r+", False) as group:
        with _telling(path):
            arrays = dict(group.arrays())
        if known.keys() - arrays.keys():
            raise ValueError(f"{path} is damaged: the arrays {sorted(known.keys() - arrays.keys())} are missing")
        for name, array in arrays.items():
            if _is_time(array) and array.shape[0] > known.get(name, 0):  # of a program that was killed, or an error
                array.resize((known.get(name, 0), *array.shape[1:]))
        yield group


@contextmanager
def _telling(path: Path, name: str = "") -> Iterator[None]:
    """Make errors of zarr's that tell of damage ValueErrors that tell where; those of the system are what they are."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # of the codecs too
        raise ValueError(f"{path / name} is damaged: {type(error).__name__}: {error}") from error


def _is_time(array: Any) -> bool:
    """Whether the first dimension of an array is time."""
    names = array.metadata.dimension_names
    return bool(names) and names[0] is not None and names[0].startswith("time")


def _there(path: Path) -> dict[str, There]:
    """All arrays over time as others see them: fields, slices, times and steps."""
    with _opened(path, "r", True) as group:
        return {n: There(a.shape[1:], a.dtype, a.shape[0]) for n, a in group.arrays() if _is_time(a)}


def _is_field(name: str) -> bool:
    """Whether a variable over time is a field, or a slice of one."""
    return not re.fullmatch("(time|step)(_.*)?", name)


def check(path: Path) -> None:
    """Refuse, with OSError or ValueError, what is no such file."""
    with _opened(path, "r", True) as group:
        if DOMAIN not in group.attrs:
            raise ValueError(f"{path} was not written by mpi4py_pencil.files.File: zarr reads it")


def create(comm: MPI.Intracomm, path: Path, domain: list[Any] | None) -> None:
    """A group without steps, in place of what was there. Collective."""
    told(comm, lambda: _created(path, domain))


def _created(path: Path, domain: list[Any] | None) -> None:
    """A group that has its name when it is whole. Local."""
    if path.exists() and not (path / "zarr.json").is_file():
        raise ValueError(f"{path} is there and no group of Zarr's: it is not replaced")
    temporary = temporary_name(path)
    try:
        temporary.mkdir()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # under the name that the caller knows
    try:
        zarr().create_group(temporary, attributes={DOMAIN: json.dumps(domain)})
        _seen(temporary, [])
        if path.exists():
            remove_directory(path)
        temporary.rename(path)
        sync_directory(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _seen(path: Path, names: Sequence[str]) -> None:
    """Let others see what arrays hold, once it is on the disk."""
    with _opened(path, "r+", False) as group:
        for name in names:
            _sync(path, [path / name / "zarr.json"])
        zarr().consolidate_metadata(group.store)
    _sync(path, [path / "zarr.json"])


def _sync(path: Path, files: Sequence[Path]) -> None:
    """Wait until files of a group, and their names, are on the disk. Zarr leaves out those that hold nothing but 0."""
    folders = {path}
    for each in files:
        with suppress(FileNotFoundError), each.open("rb") as file:
            os.fsync(file.fileno())
            folders.update(itertools.takewhile(lambda parent: parent != path, each.parents))
    for folder in folders:
        sync_directory(folder)


def make_room(path: Path, wanted: Sequence[Wanted], step: int, filters: dict[str, Any], ranks: int) -> list[Layout]:
    """Room for one step of variables, which nobody sees yet.

    Raises
    ------
    OSError, ValueError
        Where there is none, or the step or a variable does not fit those before.
    """
    there = _there(path)
    with _changed(path) as group:
        rows = {}
        for kind in {each.kind for each in wanted}:
            known = group[f"step{kind}"][...] if f"step{kind}" in there else []
            rows[kind] = row_of(path, known, step)
        for each in wanted:
            # zarr tells of types in the byte order of this machine
            native = each._replace(dtype=each.dtype.newbyteorder("="))
            check_fits(path, native, there.get(each.name), rows[each.kind])
        for each in wanted:
            if each.name not in there:
                _create(group, each, filters, ranks)
            group[each.name].resize((rows[each.kind] + 1, *each.shape))
        return [
            Layout(each.name, rows[each.kind], tuple((group[each.name].shards or group[each.name].chunks)[1:]))
            for each in wanted
        ]


def units(shape: tuple[int, ...], itemsize: int, ranks: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the chunks and the shards of a variable.

    Both have whole lines, and whole planes where they can. There are as many shards as ranks, or a few more, where
    chunks are not larger than that; along each axis a shard has whole chunks.
    """
    nbytes = math.prod(shape) * itemsize
    chunk = chunk_of(shape, itemsize, min(_CHUNK_BYTES, max(1, nbytes // ranks)))
    shard = chunk_of(shape, itemsize, min(_SHARD_BYTES, max(1, nbytes // ranks)))
    return chunk, tuple(-(-s // c) * c for s, c in zip(shard, chunk, strict=True))


def _create(group: Any, each: Wanted, filters: dict[str, Any], ranks: int) -> None:
    """A variable without steps, with its dimensions."""
    for name in (f"time{each.kind}", f"step{each.kind}"):
        if name not in group:
            dtype = "f8" if name.startswith("time") else "i8"
            group.create_array(name, shape=(0,), dtype=dtype, chunks=(512,), dimension_names=[f"time{each.kind}"])
    dims = [_dimension(group, axis) for axis in each.axes]
    chunk, shard = units(each.shape, each.dtype.itemsize, ranks)
    group.create_array(
        each.name,
        shape=(0, *each.shape),
        dtype=each.dtype,
        chunks=(1, *chunk),
        shards=None if shard == chunk else (1, *shard),
        dimension_names=[f"time{each.kind}", *dims],
        overwrite=True,  # what a program has left that was killed
        **filters,
    )


def _dimension(group: Any, axis: Axis) -> str:
    """The name of the dimension of an axis, with coordinates where they are known."""
    lengths = {
        dim: n
        for _, array in group.arrays()
        for dim, n in zip(array.metadata.dimension_names or (), array.shape, strict=False)
    }
    name = next(name for name in axis.names if lengths.get(name, axis.length) == axis.length)
    values = coordinates(json.loads(group.attrs[DOMAIN]), axis)
    if values is not None and name not in group:
        group.create_array(name, data=values, dimension_names=[name])
    return name


def part(u: Any, box: Box, itemsize: int, layout: Layout) -> Part:
    """What this rank writes of a box of an array: whole shards. Collective over its ranks."""
    whole: GlobalArray = u.as_global() if isinstance(u, DistArray) else u
    if not box.whole:
        whole = whole[tuple(at if k in box.dropped else slice(at, at + n) for k, (at, n) in enumerate(box.runs))]
    return part_of(whole.within(aligned(box.kept, layout.shard, whole.context.size)))


def aligned(shape: tuple[int, ...], shard: tuple[int, ...], ranks: int) -> Distribution:
    """The distribution of an array in which each shard lies on one rank. Local."""
    counts = [-(-n // s) for n, s in zip(shape, shard, strict=True)]
    several = [k for k, count in enumerate(counts) if count > 1]
    longest = sorted(several, key=lambda k: -counts[k])
    if longest and counts[longest[0]] >= ranks:
        several = longest[:1]
    dims = complete(ranks, [0] * max(1, len(several)))
    order = {k: d for d, k in enumerate(several)}
    axes = []
    for k, (n, s) in enumerate(zip(shape, shard, strict=True)):
        parts = dims[order[k]] if k in order else 1
        runs = [block(counts[k], parts, r) for r in range(parts)]
        axes.append(Block.of_sizes([min(n, (at + count) * s) - min(n, at * s) for at, count in runs]))
    fixed = {} if several else {0: 0}
    return Distribution(axes, [order.get(k) for k in range(len(shape))], dims, fixed)


def prepared(comm: MPI.Intracomm, parts: Sequence[Part], layouts: Sequence[Layout]) -> Sequence[Part]:
    """What this rank writes of each variable: nothing is to be exchanged."""
    return parts


def write(path: Path, layouts: Sequence[Layout], data: Sequence[Part]) -> None:
    """Write this rank's shards, down to the disk. Local, and in any thread."""
    for mine, layout in zip(data, layouts, strict=True):
        if not mine.block.size:
            continue
        with _telling(path, layout.name):
            array = zarr().open_array(path, path=layout.name, mode="r+")
        where = tuple(slice(at, at + n) for at, n in zip(mine.start, mine.block.shape, strict=True))
        array[(layout.row, *where)] = mine.block
        touched = [range(w.start // s, -(-w.stop // s)) for w, s in zip(where, layout.shard, strict=True)]
        folder = path / layout.name / "c" / str(layout.row)
        _sync(path, [folder.joinpath(*map(str, index)) for index in itertools.product(*touched)])


def finish(
    comm: MPI.Intracomm,
    path: Path,
    wanted: Sequence[Wanted],
    layouts: Sequence[Layout],
    stored: Any,
    step: int,
    time: float,
) -> None:
    """Say that a step is there. Collective."""
    told(comm, lambda: _finished(path, wanted, layouts, step, time))


def _finished(path: Path, wanted: Sequence[Wanted], layouts: Sequence[Layout], step: int, time: float) -> None:
    """Write the number and the time of a step, and let it be seen. Local."""
    names = {each.name for each in wanted}
    with _opened(path, "r+", False) as group:
        for kind, row in {each.kind: layout.row for each, layout in zip(wanted, layouts, strict=True)}.items():
            for name, value in ((f"time{kind}", time), (f"step{kind}", step)):
                array = group[name]
                if array.shape[0] == row:
                    array.resize((row + 1,))
                    array[row] = value
                    _sync(path, [path / name / "c" / str(row // array.chunks[0])])
                names.add(name)
        names.update(name for name, array in group.arrays() if not _is_time(array))
    _seen(path, sorted(names))


def undo(path: Path, wanted: Sequence[Wanted]) -> None:
    """Remove what has been made of a step that cannot be written; what cannot be removed now, the next one removes."""
    with suppress(OSError), _changed(path) as group:
        there = _there(path)
        for each in wanted:
            if each.name not in there and each.name in group:
                del group[each.name]


def _field(path: Path, name: Any) -> There:
    """What there is of a variable.

    Raises
    ------
    ValueError
        Where there is none.
    """
    there = _there(path)
    fields = [each for each in there if _is_field(each)]
    if name not in fields:
        raise ValueError(f"{path} has no field {name!r}, but {fields}")
    return there[name]


def steps(path: Path, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The numbers and the times of the steps of a variable."""
    number = _field(path, name).steps
    with _opened(path, "r", True) as group:
        kind = group[name].metadata.dimension_names[0].removeprefix("time")
        with _telling(path, f"step{kind}"):
            return group[f"step{kind}"][:number], group[f"time{kind}"][:number]


def find(path: Path, name: str, step: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """The index of a step of a variable that fits an array."""
    row = row_known(path, name, step, steps(path, name)[0].tolist())
    check_holds(path, name, _field(path, name), shape, dtype)
    return row


def read(path: Path, name: str, row: int, part: Part) -> None:
    """Read a rank's part of a step of a variable into ``part.block``. Local."""
    if part.block.size:
        box = tuple(slice(at, at + n) for at, n in zip(part.start, part.block.shape, strict=True))
        with _telling(path, name):
            part.block[...] = zarr().open_array(path, path=name, mode="r")[(row, *box)]


def annotate(path: Path, variable: str | None, attrs: dict[str, Any]) -> None:
    """Give the file, or a variable, attributes."""
    if DOMAIN in attrs:
        raise ValueError(f"the attribute {DOMAIN!r} is the file's own")
    if variable is not None:
        _field(path, variable)
    with _changed(path) as group:
        target = group if variable is None else group[variable]
        target.update_attributes(json.loads(json.dumps(attrs, default=_plain)))
    _seen(path, [] if variable is None else [variable])


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy's as JSON knows them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"attrs must be texts, numbers, or lists of numbers, not {said(value)}")


def told_of(path: Path) -> Iterator[str]:
    """What a file holds, line by line."""
    with _opened(path, "r", True) as group:
        yield f"{path}: Zarr 3"
        for name, value in group.attrs.items():
            yield f"    {name} = {value!r}"
        for name, array in sorted(group.arrays()):
            dims = array.metadata.dimension_names or map(str, array.shape)
            packed = ", compressed" if array.compressors else ""
            yield f"    {name}({', '.join(dims)}): {' x '.join(map(str, array.shape))} {array.dtype}{packed}"
