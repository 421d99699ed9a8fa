"""The ranks that hold arrays together, how they divide them unless told otherwise, and what is kept for them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from ..layout.arrays import keep, said
from ..layout.subcomm import Grid, Subcomm, complete, dimensions
from ..ranks.agreement import Said, agreed, checking
from ..ranks.communicators import KEYVAL, cache_of, check_alive, communicator, free_cached
from .axes import Indices
from .distribution import Distribution
from .moves import Points, Product

T = TypeVar("T")

# Plans of redistributions kept for each communicator; beyond that the oldest is dropped, on every rank alike.
_PLANS = 64


@functools.cache
def namespace(name: str, *default: Any) -> Any:
    """What stands under a name in `mpi4py_pencil.arrays`, which is made of all that stands on this file.

    Raises
    ------
    AttributeError
        Where nothing does, and no default is given.
    """
    from .. import arrays

    return getattr(arrays, name, *default)


def makes_arrays(found: Any) -> bool:
    """Whether what stands in the namespace is a function that makes arrays, over the ranks of its `context`."""
    return isinstance(found, FunctionType) and "context" in (found.__kwdefaults__ or {})


class Context:
    """A communicator and a grid of its ranks, over which arrays are divided; also a namespace of all functions.

    Collective over `comm`. The functions that make arrays (`ctx.zeros`) make them here; the others work on arrays of
    any context. `mpi4py_pencil.arrays` itself is the namespace of `MPI.COMM_WORLD`.

    Parameters
    ----------
    comm : MPI.Intracomm, optional
        The ranks; MPI.COMM_WORLD by default. It is neither changed nor freed.
    dims : int or sequence of int, optional
        The grid: where nothing else is asked for, as many of an array's longest axes are divided into even blocks, in
        their order. 0 leaves a number open. By default one dimension: the longest axis is divided among all ranks.

    Raises
    ------
    TypeError, ValueError
        On every rank, where these do not fit together.

    Examples
    --------
    >>> from mpi4py import MPI
    >>> from mpi4py_pencil import arrays
    >>> ctx = arrays.Context(MPI.COMM_SELF)
    >>> ctx.zeros((2, 3)).sum().item()
    0.0
    """

    def __init__(self, comm: MPI.Intracomm | None = None, dims: int | Sequence[int] | None = None) -> None:
        self.comm = communicator(MPI.COMM_WORLD if comm is None else comm)
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        asked = [0] if dims is None else dims
        self.dims = agreed(
            self.comm, lambda: complete(self.size, dimensions(asked, "dims")), lambda found: {"dims": found}
        )
        self.checking = checking()  # asked once: the environment takes longer than a small sum
        self._grids: dict[tuple[int, ...], Grid] = {}
        self._registered: set[str] = set()
        self._usual = functools.lru_cache(maxsize=256)(self._divided)

    def __getattr__(self, name: str) -> Any:
        """A function of the namespace; those that make arrays make them here."""
        found = namespace(name)
        if name.startswith("__"):
            raise AttributeError(f"a Context has no {name!r}")
        if isinstance(found, ModuleType):
            made = SimpleNamespace(**{each: self._here(getattr(found, each)) for each in found.__all__})
            self.__dict__[name] = made
            return made
        return self._here(found)

    def _here(self, found: Any) -> Any:
        """A function of the namespace, bound to this context if it asks for one."""
        return functools.partial(found, context=self) if makes_arrays(found) else found

    def __repr__(self) -> str:
        """The ranks and the grid."""
        return f"Context({self.comm.Get_name() or 'comm'}, ranks={self.size}, dims={self.dims})"

    def same_ranks(self, other: Context) -> bool:
        """Whether arrays of the other context can be used with those of this one. Local."""
        return self is other or self.comm == other.comm

    def checked(self, call: Callable[[], T], said: Callable[[T], Said]) -> T:
        """What `call()` returns, agreed on if MPI4PY_PENCIL_CHECK was set when this was made, as `agreement.checked`.

        Collective then, and local otherwise.
        """
        return agreed(self.comm, call, said) if self.checking else call()

    def distribution(
        self,
        shape: int | Sequence[int],
        axes: Sequence[Any] | None = None,
        dims: Sequence[int] | None = None,
        ranks: Sequence[int] | None = None,
    ) -> Distribution:
        """How an array of a shape is divided: as is usual here, or as `Distribution.of` says. Local.

        Raises
        ------
        TypeError, ValueError
            Where the arguments do not fit together.
        """
        shape = (shape,) if isinstance(shape, (int, np.integer)) else shape
        if not isinstance(shape, Sequence) or not all(hasattr(n, "__index__") for n in shape):
            raise TypeError(f"shape must be a length, or a sequence of lengths, not {said(shape)}")
        shape = tuple(n.__index__() for n in shape)
        if shape and min(shape) < 0:
            raise ValueError(f"shape {shape} has a negative length")
        if axes is None:
            return self._usual(shape)
        if not isinstance(axes, Sequence) or isinstance(axes, str):
            raise TypeError(
                f"the distribution must be a Distribution or tell for each axis how it is divided, such as "
                f"['block', None]: not {said(axes)}"
            )
        if ranks is not None and not all(0 <= r < self.size for r in ranks):
            raise ValueError(f"ranks {list(ranks)} are not all ranks of a communicator of {self.size}")
        return Distribution.of(shape, axes, dims, self.size, ranks)

    def _divided(self, shape: tuple[int, ...]) -> Distribution:
        """The usual distribution: even blocks of the longest axes."""
        longest = sorted(range(len(shape)), key=lambda k: -shape[k])[: len(self.dims)]
        axes = ["block" if k in longest else None for k in range(len(shape))]
        return Distribution.of(shape, axes, self.dims, self.size)

    def group(self, mask: Sequence[int]) -> Context:
        """The context of the ranks that have the same number in `mask` as this one: each group works by itself.

        Collective. What is made there is divided among the ranks of a group, and reductions are of one group.
        `arrays.replica` brings an array into all groups. The communicator is made once for each mask, kept with this
        one's and freed with it.

        Parameters
        ----------
        mask : sequence of int
            A number, 0 or more, for each rank.

        Raises
        ------
        TypeError, ValueError
            On every rank, where it is none on one, or differs.
        """

        def asked() -> tuple[int, ...]:
            if not isinstance(mask, (Sequence, np.ndarray)):
                raise TypeError(f"mask must be a sequence of numbers, one for each rank, not {said(mask)}")
            if not all(hasattr(number, "__index__") for number in mask):
                raise TypeError(f"mask {said(mask)} must have whole numbers")
            found = tuple(number.__index__() for number in mask)
            if len(found) != self.size or min(found) < 0:
                raise ValueError(f"mask {list(found)} must have a number, 0 or more, for each of the {self.size} ranks")
            return found

        found = agreed(self.comm, asked, lambda found: {"mask": found})
        # the same groups have the same communicator, whatever they are called
        order = {number: k for k, number in enumerate(dict.fromkeys(found))}
        found = tuple(order[number] for number in found)
        cache = cache_of(self.comm)
        if ("group", found) not in cache:
            cache["group", found] = _Group(Context(communicator(self.comm.Split(found[self.rank], self.rank))))
        group: Context = cache["group", found].context
        return group

    def register(self, function: Callable[..., Any]) -> Callable[..., list[Any]]:
        """Let a function be called by its name from this context, for what it returns of the blocks of every rank.

        After ``ctx.register(f)``, ``ctx.f(g)`` is ``ctx.apply(f, g)``. Local.

        Returns
        -------
        callable
            What ``ctx.f`` is.

        Raises
        ------
        TypeError, ValueError
            Where that is no function with a name, or something else has the name.
        """
        name = getattr(function, "__name__", "")
        if not callable(function) or not name.isidentifier():
            raise TypeError(f"{function!r} is no function with a name: define it by def")
        if hasattr(self, name) and name not in self._registered:
            raise ValueError(f"a context has another {name!r}: give the function another name")
        found = functools.partial(self.apply, function)
        self._registered.add(name)
        setattr(self, name, found)
        return found

    def lines(self, dims: tuple[int, ...]) -> Grid:
        """The communicators of a grid of all ranks. Collective at the first time."""
        if dims not in self._grids:
            self._grids[dims] = Subcomm(self.comm, dims).grid
        return self._grids[dims]

    @property
    def own(self) -> MPI.Intracomm:
        """A communicator of all ranks that no one else uses, freed with `comm`. Collective at the first time."""
        return self.lines((self.size,)).cart

    def subcomm(self, dims: tuple[int, ...], order: Sequence[int | None]) -> Subcomm:
        """A communicator for each axis, by the dimensions of a grid of all ranks. Collective at the first time."""
        return Subcomm._of(self.lines(dims), order)

    def points(self, source: Distribution, index: Sequence[Indices], shape: tuple[int, ...]) -> Points:
        """How this rank comes by the points of an array whose indices, broadcast to `shape`, are given. Collective."""
        check_alive(self.comm)
        owners, positions = source.locate(index, self.rank)
        return Points(self.comm, np.broadcast_to(owners, shape), np.broadcast_to(positions, shape))

    def product(self, source: Distribution, index: Sequence[Indices] | None, shape: tuple[int, ...]) -> Product:
        """How this rank comes by a block of an array, whose indices along each axis are given. Collective."""
        check_alive(self.comm)
        return Product(self.comm, source, index, shape)

    def kept(self, key: tuple[Any, ...], make: Callable[[], T], most: int = _PLANS) -> T:
        """What `make` makes, kept under a key that is the same on every rank, with at most so many of its kind.

        The first item of the key is the kind.
        """
        check_alive(self.comm)
        plans: dict[Any, Any] = cache_of(self.comm).setdefault((Context, key[0]), {})
        return plans[key] if key in plans else keep(plans, key, make(), most)

    def __reduce__(self) -> Any:
        """Communicators stay with their process."""
        raise TypeError("a Context cannot be pickled: make one on each rank")


class _Group:
    """What is kept of a group of ranks."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def free(self) -> None:
        """Free the communicator and what was made for it. Collective."""
        free_cached(self.context.comm, KEYVAL, cache_of(self.context.comm))
        self.context.comm.Free()


@functools.cache
def world() -> Context:
    """The context of MPI.COMM_WORLD. Collective at the first time."""
    return Context()
