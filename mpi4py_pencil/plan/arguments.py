"""What users pass to a plan, parsed and refused in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engines import checked_engine, default_engine
from ..exchange import checked_method
from ..layout.arrays import said, truth, whole_number
from ..layout.pencil import lengths, whole_axis
from ..layout.subcomm import complete, dimensions
from ..layout.way import Way
from ..transforms import Ball, Fourier, Line, Transform
from .grids import choose_grid
from .steps import Groups, alignments

NORMS = ("forward", "backward", "ortho")


@dataclass(frozen=True)
class Request:
    """What a parallel transform was asked to be, every default filled in; the same on every rank.

    Attributes
    ----------
    shape : tuple of int
        Global shape as it was asked for: the modes along each axis.
    padding : tuple of float
        The factor of points for each axis.
    reach : tuple of (float or None)
        The largest wave number kept along each axis.
    points : tuple of int
        Global shape of the input.
    groups : tuple of tuple of int
        The transformed axes; those of a group are undivided together.
    transforms : tuple of Transform
        In the order in which forward carries them out.
    ball : Ball or None
        The modes that are kept.
    dims : tuple of int
        Processes along each axis of the input.
    dtype : numpy.dtype
        Of the input.
    backend, method, norm : str
        The engine, the exchange, and what is scaled.
    threads : int
        Of each rank.
    collapse : bool
        Whether groups that are undivided at the start join those after them.
    given : tuple of str
        Which of "grid", "method" and "backend" were given; the others may be chosen by tuning.
    tile_bytes : int or None
        About the size of a tile; None for what suits each rank's processor.
    tune : str or None
        "measure" where tuning is to measure what wisdom does not know.
    ranks_per_node : int or None
        So many consecutive ranks share a node; None where that is not so, or not known.
    wire : str or None
        "float32" where messages between nodes are in single precision.
    parts : int or None
        Into so many parts boxes are cut, where exchanges are; None for what suits their size. Tuning finds it.
    """

    shape: tuple[int, ...]
    padding: tuple[float, ...]
    reach: tuple[float | None, ...]
    points: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    transforms: tuple[Transform, ...]
    ball: Ball | None
    dims: tuple[int, ...]
    dtype: np.dtype[Any]
    backend: str
    method: str
    norm: str
    threads: int
    collapse: bool = False
    given: tuple[str, ...] = ()
    tile_bytes: int | None = None
    tune: str | None = None
    ranks_per_node: int | None = None
    wire: str | None = None
    parts: int | None = None

    @property
    def joined(self) -> Groups:
        """The groups, as they are transformed."""
        return _collapsed(self.groups, self.dims) if self.collapse else self.groups

    def arguments(self) -> dict[str, Any]:
        """What was asked for by the names of the arguments, those first that others follow from."""
        made = {
            f"transforms[{t.axis}]": f"{t.family!r} of {t.points} {t.input_dtype} to {t.length} {t.dtype}"
            for t in self.transforms
        }
        chosen = {"grid": self.dims, "method": self.method}
        return {
            "shape": self.shape,
            "axes": self.groups,
            "dtype": self.dtype,
            "padding": self.padding,
            "truncation": self.ball or self.reach,
            **made,
            "norm": self.norm,
            "collapse": self.collapse,
            **{name: value if name in self.given else f"{value} by default" for name, value in chosen.items()},
            # the default may not be the same on every rank yet
            "backend": self.backend if "backend" in self.given else "the default",
            "threads": self.threads,
            "tune": self.tune,
            "wire": self.wire,
        }


def request(
    size: int,
    shape: Any,
    *,
    axes: Any = None,
    dtype: Any = float,
    grid: Any = None,
    padding: Any = None,
    collapse: Any = False,
    backend: Any = None,
    transforms: Any = None,
    method: Any = "auto",
    truncation: Any = None,
    norm: Any = "forward",
    threads: Any = 1,
    tune: Any = None,
    wire: Any = None,
    ranks_per_node: int | None = None,
) -> Request:
    """The request that the arguments of a `PFFT` on `size` ranks make, so many of which share a node.

    Raises
    ------
    TypeError, ValueError
        Where an argument is wrong; the message names it, its value, and what would be right.
    """
    modes = lengths(shape)
    groups = axis_groups(axes, len(modes))
    chosen = [axis for group in groups for axis in group]
    kind = _dtype(dtype)
    families = _families(transforms, chosen, len(modes))
    if norm not in NORMS:
        raise ValueError(f"norm {norm!r} does not exist: use one of {', '.join(map(repr, NORMS))}")
    fourier = [axis for axis in chosen if isinstance(families[axis], Fourier)]
    factors = _padding(padding, len(modes), fourier)
    reach = _reach(truncation, len(modes), fourier)
    # a factor m / n is rounded: it stands for m points
    points = tuple(math.floor(math.nextafter(n * f, math.inf)) for n, f in zip(modes, factors, strict=True))
    made: list[Transform] = []
    current = kind
    for axis in reversed(chosen):
        made.append(families[axis].along(axis, modes[axis], points[axis], current, reach[axis], norm == "ortho"))
        current = made[-1].dtype
    explicit = {"grid": grid is not None, "method": method != "auto", "backend": backend is not None}
    return Request(
        shape=modes,
        padding=tuple(factors),
        reach=tuple(reach),
        points=points,
        groups=groups,
        transforms=tuple(made),
        ball=truncation if isinstance(truncation, Ball) else None,
        dims=_grid(grid, size, modes, groups, ranks_per_node),
        dtype=kind,
        backend=default_engine(lines_of(made)) if backend is None else checked_engine(backend, lines_of(made)),
        method=checked_method(method),
        norm=norm,
        threads=_threads(threads),
        collapse=truth("collapse", collapse),
        given=tuple(name for name, is_given in explicit.items() if is_given),
        tune=_tune(tune),
        wire=checked_wire(wire, kind, method),
        ranks_per_node=ranks_per_node,
    )


def scales(norm: str, points: int) -> tuple[np.longdouble, np.longdouble]:
    """What a transform of so many points multiplies with, and with what where its result is to be normalised."""
    one = np.longdouble(1)
    scale = one / np.longdouble(points)
    return (np.sqrt(scale), np.sqrt(scale)) if norm == "ortho" else (one, scale)


def normalized(norm: str, scaled: Way, normalize: Any) -> bool:
    """Whether a call that scales as `scaled` does is to normalise; by default as `norm` says.

    Raises
    ------
    TypeError, ValueError
        Where `normalize` is not true or false, or has no meaning.
    """
    if normalize is None:
        return str(scaled) == norm
    if norm == "ortho":
        raise ValueError(f"normalize={normalize!r} has no meaning where norm='ortho' scales both ways")
    return truth("normalize", normalize)


def lines_of(transforms: Sequence[Transform]) -> list[Line]:
    """What an engine must know to carry out transforms."""
    return [line for transform in transforms for line in transform.lines]


def _tune(tune: Any) -> str | None:
    """Whether to measure."""
    if tune is not None and tune != "measure":
        raise ValueError(f"tune must be None or 'measure', not {said(tune)}")
    return tune


def checked_wire(wire: Any, dtype: np.dtype[Any], method: str) -> str | None:
    """In what messages between nodes are that carry this dtype by this method: None for what there is.

    Raises
    ------
    ValueError
        Where there is no such thing, or it does not go with dtype or method.
    """
    if wire is None:
        return None
    if wire != "float32":
        raise ValueError(f"wire must be None or 'float32', not {said(wire)}")
    if dtype not in (np.dtype("d"), np.dtype("D")):
        raise ValueError(f"wire='float32' is for data in double precision, not for dtype {dtype}")
    if method in ("alltoallv", "alltoallw"):
        raise ValueError(
            f"wire='float32' needs method 'auto', 'hybrid', 'joined' or 'pairwise': {method!r} sends it all"
        )
    return "float32"


def axis_groups(axes: Any, ndim: int) -> tuple[tuple[int, ...], ...]:
    """The axes to transform, in groups, counted from the front."""
    if axes is None:
        return tuple((axis,) for axis in range(ndim))
    try:
        given = [axes] if whole_number(axes) else list(axes)
        grouped = [[axis] if whole_number(axis) else list(axis) for axis in given]
    except TypeError:
        raise TypeError(f"axes must be an int, or a sequence of ints or of groups of ints, not {said(axes)}") from None
    groups = tuple(tuple(whole_axis(axis, ndim, f"axes {axes!r}: ") for axis in group) for group in grouped)
    if not groups or not all(groups):
        raise ValueError(f"axes is empty, or a group in it is: name one axis at least, not {said(axes)}")
    chosen = [axis for group in groups for axis in group]
    twice = {axis for axis in chosen if chosen.count(axis) > 1}
    if twice:
        raise ValueError(f"axes {axes!r} name axis {min(twice)} twice")
    return groups


def _collapsed(groups: Groups, dims: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The groups, those whose axes are all undivided at the start joined to the one after, as mpi4py-fft does.

    But where more axes would have to be undivided together than are.
    """
    joined: list[tuple[int, ...]] = [()]
    for group in reversed(groups):
        if all(dims[axis] == 1 for axis in group) and len(group) + len(joined[0]) <= dims.count(1):
            joined[0] = (*group, *joined[0])
        else:
            joined.insert(0, tuple(group))
    return tuple(joined)


def _families(transforms: Any, axes: Sequence[int], ndim: int) -> dict[int, Any]:
    """What is computed along each of the axes."""
    families: dict[int, Any] = {axis: Fourier() for axis in axes}
    if transforms is None:
        return families
    if not isinstance(transforms, Mapping):
        raise TypeError(
            f"transforms must be a dict of axes to transforms such as {{0: DCT(2)}}, not {said(transforms)}"
        )
    named: list[int] = []
    for key, family in transforms.items():
        if isinstance(family, type) or not hasattr(family, "along"):
            raise TypeError(
                f"transforms[{key!r}] is {family!r}: use Fourier(), DCT(2), DST(2), Hartley(), Chebyshev(), Legendre() "
                "or LinearMap(forward, backward) for matrices or functions"
            )
        group = [whole_axis(a, ndim, f"transforms[{key!r}]: ") for a in (key if isinstance(key, tuple) else (key,))]
        outside = [axis for axis in group if axis not in axes]
        if outside:
            raise ValueError(f"transforms name axis {outside[0]}, which is not transformed: the axes are {tuple(axes)}")
        named += group
        families.update(dict.fromkeys(group, family))
    twice = {axis for axis in named if named.count(axis) > 1}
    if twice:
        raise ValueError(f"transforms name axis {min(twice)} twice")
    return families


def _dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype of the input."""
    kind = np.dtype(dtype)
    if kind.char not in "fdgFDG" or not kind.isnative:
        hint = ": half precision has no FFT engine, use float32" if kind == np.float16 else ""
        raise TypeError(f"dtype {kind} cannot be transformed{hint}; use float32, float64, longdouble or their complex")
    return kind


def _padding(padding: Any, ndim: int, axes: Sequence[int]) -> list[float]:
    """The factor of each axis; `axes` are those that can be padded."""
    if padding is None or padding is False:
        return [1.0] * ndim
    given = _one_each("padding", padding, ndim)
    try:
        if any(isinstance(f, (bool, str, bytes)) for f in given):
            raise TypeError
        factors = [float(f) for f in given]
    except (TypeError, ValueError):
        raise TypeError(f"padding {padding!r} must be a number, or a sequence of numbers") from None
    if not all(1 <= f < math.inf for f in factors):
        raise ValueError(f"padding {padding!r} must be at least 1 along each axis")
    _only_fourier("padding", padding, [f != 1 for f in factors], axes)
    return [f if k in axes else 1.0 for k, f in enumerate(factors)]


def _reach(truncation: Any, ndim: int, axes: Sequence[int]) -> list[float | None]:
    """The largest wave number kept along each axis, None where all are; `axes` are those that can be truncated."""
    reach = truncation.reach if isinstance(truncation, Ball) else truncation
    if reach is None:
        return [None] * ndim
    each = _one_each("truncation", reach, ndim)
    try:
        given = [None if k is None else float(k) for k in each]
    except (TypeError, ValueError):
        raise TypeError(
            f"truncation {truncation!r} must be a number, a sequence of numbers and None, or a Ball"
        ) from None
    if not all(k is None or 0 <= k < math.inf for k in given) or (isinstance(truncation, Ball) and 0 in given):
        raise ValueError(f"truncation {truncation!r} must name wave numbers of 0 or more, those of a Ball above 0")
    _only_fourier("truncation", reach, [k is not None for k in given], axes)
    return [k if axis in axes else None for axis, k in enumerate(given)]


def _one_each(name: str, given: Any, ndim: int) -> list[Any]:
    """One value for each axis, from one for all or as many."""
    values = [given] * ndim if np.ndim(given) == 0 else list(given)
    if len(values) != ndim:
        raise ValueError(f"{name} {given!r} must be one number, or one for each of the {ndim} axes")
    return values


def _only_fourier(name: str, given: Any, wanted: Sequence[bool], axes: Sequence[int]) -> None:
    """Refuse what is asked for axes that have no Fourier transform; one number for all means those that have."""
    other = [k for k, asked in enumerate(wanted) if asked and k not in axes]
    if other and (np.ndim(given) or not axes):
        raise ValueError(
            f"{name} {given!r} names axis {other[0]}: only axes with a Fourier transform, {tuple(axes)}, can"
        )


def _threads(threads: Any) -> int:
    """The number of threads."""
    if not hasattr(threads, "__index__") or threads < 1:
        raise ValueError(f"threads must be a whole number of 1 or more, not {said(threads)}")
    return int(threads)


def _grid(grid: Any, size: int, modes: Sequence[int], groups: Groups, per_node: int | None) -> tuple[int, ...]:
    """The processes along each axis of the input, chosen by the modes: so padded and plain plans belong together."""
    if grid is None:
        return choose_grid(modes, groups, size, per_node)
    if isinstance(grid, (int, np.integer)):
        raise TypeError(f"grid {grid!r} must have a number of ranks for each axis, as in ({grid!r}, 1, 1)")
    given = dimensions(grid, "grid")
    if len(given) > len(modes):
        raise ValueError(f"grid {given} has {len(given)} entries, shape has {len(modes)} axes")
    dims = [max(0, d) for d in given] + [1] * (len(modes) - len(given))
    for axis in reversed(groups[-1]):
        if dims[axis] not in (0, 1):
            raise ValueError(
                f"grid {dims} divides axis {axis}, which is transformed first: it must stay undivided (1 or 0)"
            )
        dims[axis] = 1
    if 0 in given and 0 not in dims and math.prod(dims) != size:
        raise ValueError(
            f"grid {given} leaves nothing open but axes {groups[-1]}, which are transformed first and stay undivided: "
            f"it cannot multiply to the number of ranks, {size}"
        )
    whole = complete(size, dims, "grid")
    try:
        list(alignments(whole, groups))
    except ValueError as error:
        raise ValueError(f"grid {list(whole)}: {error}") from None
    return whole
