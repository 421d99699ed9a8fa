"""``mpi4py_fft.io.generate_xdmf``: texts by which ParaView and VisIt read the fields of an `HDF5File`.

Their x axis is the last of an array's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...files.libraries import h5py
from .parts import opened


class _Step(NamedTuple):
    """A scalar field at a step: its name, the slices that were written (none of the whole), the step, and its data."""

    name: str
    slices: str
    step: int
    data: Any


def generate_xdmf(h5filename: str, periodic: Any = True, order: str = "paraview") -> None:
    """Write texts beside an HDF5 file: ``name.xdmf`` for whole fields, ``name_slice_4_slice.xdmf`` for slices. Local.

    Parameters
    ----------
    h5filename : str
        The file.
    periodic : bool or sequence of bool, optional
        Whether the points of each axis, where the domain is given as origin and length, leave out the end.
    order : str, optional
        "paraview" or "visit", which read the same text here.
    """
    if order.lower() not in ("paraview", "visit"):
        raise ValueError(f"order must be 'paraview' or 'visit', not {order!r}")
    path = Path(h5filename)
    with opened(path, "r") as file:
        found = list(_steps(file))
        for slices in sorted({each.slices for each in found}):
            text = _text(path.name, file, [each for each in found if each.slices == slices], periodic)
            target = path.with_name("_".join(filter(None, (path.name[:-3], slices))) + ".xdmf")
            target.write_text(text, encoding="utf-8")


def _steps(file: Any) -> Iterator[_Step]:
    """The scalar fields of two and three dimensions, step by step."""
    for name, group in file.items():
        if group.attrs.get("rank", 1) or len(group.attrs["shape"]) > 3:
            continue
        for kind in ("2D", "3D"):
            for key, each in group.get(kind, {}).items():
                if isinstance(each, h5py().Dataset):
                    yield _Step(name, "", int(key), each)
                else:
                    yield from (_Step(name, key, int(step), data) for step, data in each.items())


def _text(source: str, file: Any, found: Sequence[_Step], periodic: Any) -> str:
    """The text for fields of one kind."""
    if any(each.data.dtype.kind == "c" for each in found):
        raise TypeError("XDMF has no complex numbers: write real fields")
    steps = sorted({each.step for each in found})
    geometry = _geometry(file[found[0].name], found[0].slices, periodic)
    grids = "\n".join(
        f'<Grid GridType="Uniform">\n<Time Value="{step}"/>\n{geometry}\n'
        + "\n".join(_attribute(source, each) for each in found if each.step == step)
        + "\n</Grid>"
        for step in steps
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<Xdmf Version="2.1">\n<Domain>\n'
        f'<Grid Name="Structured Grid" GridType="Collection" CollectionType="Temporal">\n{grids}\n</Grid>\n'
        "</Domain>\n</Xdmf>\n"
    )


def _geometry(group: Any, slices: str, periodic: Any) -> str:
    """The mesh: in three dimensions, in which a plane has one point along an axis."""
    shape = [int(n) for n in group.attrs["shape"]]
    axes = [_coordinates(group, k, n, periodic) for k, n in enumerate(shape)]
    for k, entry in enumerate(slices.split("_") if slices else []):
        axes[k] = axes[k][_run(entry)]
    axes = [np.zeros(1)] * (3 - len(axes)) + axes
    lines = "\n".join(
        f'<DataItem Format="XML" NumberType="Float" Precision="8" Dimensions="{len(values)}">'
        f"{' '.join(map(repr, values.tolist()))}</DataItem>"
        for values in reversed(axes)
    )
    sizes = " ".join(str(len(values)) for values in axes)
    return f'<Topology Dimensions="{sizes}" Type="3DRectMesh"/>\n<Geometry Type="VXVYVZ">\n{lines}\n</Geometry>'


def _run(entry: str) -> slice:
    """The points along an axis of which a name says "slice", "4" or "0to4"."""
    if entry == "slice":
        return slice(None)
    start, _, stop = entry.partition("to")
    return slice(int(start), int(stop or int(start) + 1))


def _coordinates(group: Any, axis: int, n: int, periodic: Any) -> Any:
    """The coordinates of the points along an axis."""
    if "mesh" in group:
        return np.asarray(group["mesh"][f"x{axis}"][...], float)
    origin, length = group["domain"][f"x{axis}"][...]
    whole = periodic if isinstance(periodic, (bool, np.bool_)) else periodic[axis]
    return origin + np.arange(n) * (length / (n if whole else max(1, n - 1)))


def _attribute(source: str, each: _Step) -> str:
    """A field at a step."""
    sizes = list(each.data.shape)
    for k, entry in enumerate(each.slices.split("_") if each.slices else []):
        if entry.isdigit():
            sizes.insert(k, 1)
    sizes = [1] * (3 - len(sizes)) + sizes
    return (
        f'<Attribute Name="{each.name}" Center="Node">\n<DataItem Format="HDF" NumberType="Float" '
        f'Precision="{each.data.dtype.itemsize}" Dimensions="{" ".join(map(str, sizes))}">'
        f"{source}:{each.data.name}</DataItem>\n</Attribute>"
    )
