"""Groups of ranks of which each holds a replica of an array, and reduces it by itself."""

from __future__ import annotations

from ..ranks.agreement import agreed, nothing
from .context import Context
from .creation import Divided, placed
from .distribution import Distribution
from .globalarray import GlobalArray


def replica(x: GlobalArray, group: Context, /, *, distribution: Divided = None) -> GlobalArray:
    """The whole array in each group of ranks, divided among these, in new memory. Collective over the array's ranks.

    Parameters
    ----------
    group : Context
        That of this rank, by `Context.group`; each rank passes its own.
    distribution : Distribution or sequence, optional
        Within the group, as for `zeros`.

    Raises
    ------
    TypeError, ValueError
        On every rank, where the group of one is none, or the distribution does not fit.

    Examples
    --------
    >>> from mpi4py_pencil import arrays as xp
    >>> ctx = xp.Context()
    >>> group = ctx.group([rank % 2 for rank in range(ctx.size)])
    >>> g = xp.replica(ctx.arange(4.0), group)
    >>> g += group.comm.size  # each group goes on by itself
    >>> bool(g.sum() == 6 + 4 * group.size)
    True
    """

    def asked() -> tuple[Context, Distribution]:
        if not isinstance(group, Context):
            raise TypeError(f"group must be a Context, which Context.group gives, not {type(group).__name__}")
        return placed(x.shape, distribution, group, None)

    _, target = agreed(x.context.comm, asked, nothing)
    shape, wanted = target.local_shape(group.rank), target.lists(group.rank)
    return GlobalArray(group, target, x.context.product(x.distribution, wanted, shape).pull(x.local))
