"""XDMF: a text by which ParaView and VTK read the fields of an HDF5 file.

Their x axis is the last of an array's, and so is the first component of a vector.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from . import rows


def description(path: Path) -> str:
    """The text for a file: its real fields of two and three dimensions at all their steps. Local.

    Raises
    ------
    ValueError
        Where there are none.
    """
    with rows.opened(path) as file:
        known = [name for name in rows.fields(file) if not rows.kind_of(file[name]) and file[name].dtype.kind != "c"]
        grids: dict[tuple[int, ...], list[str]] = {}
        for name in known:
            points, components = _split(file[name])
            if len(points) in (2, 3) and len(components) < 2:
                grids.setdefault(points, []).append(name)
        if not grids:
            raise ValueError(f"{path} has no real fields of two or three dimensions, which XDMF could show")
        body = "\n".join(_collection(file, path.name, points, names) for points, names in grids.items())
    return f'<?xml version="1.0"?>\n<Xdmf Version="2.2">\n<Domain>\n{body}\n</Domain>\n</Xdmf>\n'


def _split(field: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The points along the axes of a field, and its components."""
    shape = field.shape[1:]
    names = [field.dims[k + 1][0].name for k in range(len(shape))]
    rank = sum(name.startswith("/component") for name in names)
    return shape[rank:], shape[:rank]


def _collection(file: Any, source: str, points: tuple[int, ...], names: list[str]) -> str:
    """The fields on one mesh, step by step."""
    times = file["time"][...]
    geometry = _geometry(file, source, file[names[0]], points)
    steps = []
    for row, time in enumerate(times):
        fields = [_attribute(file[name], source, name, row) for name in names if row < file[name].attrs["steps"]]
        steps.append(
            f'<Grid Name="step {file["step"][row]}">\n<Time Value="{float(time)!r}"/>\n{geometry}\n'
            + "\n".join(fields)
            + "\n</Grid>"
        )
    inner = "\n".join(steps)
    return f'<Grid Name="fields" GridType="Collection" CollectionType="Temporal">\n{inner}\n</Grid>'


def _geometry(file: Any, source: str, field: Any, points: tuple[int, ...]) -> str:
    """The mesh: in three dimensions always, in which a plane has one point along the first axis."""
    shape = (1,) * (3 - len(points)) + points
    axes = [field.dims[k][0] for k in range(field.ndim - len(points), field.ndim)]
    topology = f'<Topology TopologyType="3DRectMesh" Dimensions="{_text(shape)}"/>'
    lines = ['<DataItem Format="XML" Dimensions="1">0</DataItem>'] * (3 - len(points))
    for axis in axes:
        n = len(axis)
        if axis.attrs["NAME"].startswith(b"This is a netCDF dimension"):
            lines.append(f'<DataItem Format="XML" Dimensions="{n}">{_text(range(n))}</DataItem>')
        else:
            lines.append(_stored(source, axis.name, axis))
    inner = "\n".join(reversed(lines))
    return f'{topology}\n<Geometry GeometryType="VXVYVZ">\n{inner}\n</Geometry>'


def _attribute(field: Any, source: str, name: str, row: int) -> str:
    """One step of a field."""
    points, components = _split(field)
    shape = (1,) * (3 - len(points)) + points
    if components and components[0] in (2, 3):
        order = list(reversed(range(components[0])))
        items = [_slab(field, source, name, (row, k), shape) for k in order]
        if len(order) == 2:
            zeros = (
                f'<DataItem ItemType="Function" Function="$0 - $0" Dimensions="{_text(shape)}">{items[0]}</DataItem>'
            )
            items.append(zeros)
        data = (
            f'<DataItem ItemType="Function" Function="JOIN($0, $1, $2)" Dimensions="{_text((*shape, 3))}">\n'
            + "\n".join(items)
            + "\n</DataItem>"
        )
        return f'<Attribute Name="{escape(name)}" AttributeType="Vector" Center="Node">\n{data}\n</Attribute>'
    several = [(f"{name}_{k}", (row, k)) for k in range(components[0])] if components else [(name, (row,))]
    return "\n".join(
        f'<Attribute Name="{escape(title)}" AttributeType="Scalar" Center="Node">\n'
        f"{_slab(field, source, name, at, shape)}\n</Attribute>"
        for title, at in several
    )


def _slab(field: Any, source: str, name: str, at: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """The points of a field at a step, and of one component."""
    rest = field.ndim - len(at)
    start, stride, count = (*at, *[0] * rest), [1] * field.ndim, (*[1] * len(at), *field.shape[len(at) :])
    which = f'<DataItem Format="XML" Dimensions="3 {field.ndim}">{_text((*start, *stride, *count))}</DataItem>'
    inner = f"{which}\n{_stored(source, '/' + name, field)}"
    return f'<DataItem ItemType="HyperSlab" Dimensions="{_text(shape)}">\n{inner}\n</DataItem>'


def _stored(source: str, name: str, dataset: Any) -> str:
    """A dataset of the file."""
    dtype = dataset.dtype
    kind = {"f": "Float", "i": "Int", "u": "UInt", "b": "Char"}[dtype.kind]
    endian = "Big" if dtype.byteorder == ">" else "Little"
    return (
        f'<DataItem Format="HDF" NumberType="{kind}" Precision="{dtype.itemsize}" Endian="{endian}" '
        f'Dimensions="{_text(dataset.shape)}">{source}:{name}</DataItem>'
    )


def _text(numbers: Any) -> str:
    """Numbers as a text."""
    return " ".join(map(str, numbers))
