"""What predictions have to know of a machine, and the file that keeps it.

The file is JSON, as that of wisdom is: it can be read and changed by hand, and Python can write it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

UNITS = "seconds, bytes, bytes a second; sweeps: seconds a complex point by the length of the lines"


@dataclass(frozen=True)
class Link:
    """What carries messages from rank to rank: the network, or the memory of a node.

    Time is counted as by A. Alexandrov et al., "LogGP", J. Parallel Distrib. Comput. 44, 1997.

    Attributes
    ----------
    latency : float
        Of one small message.
    message : float
        What each further message takes while all ranks of a node send.
    bandwidth : float
        Bytes a second that all ranks of a node send together, while they receive as many.
    alone : float
        Those of one rank of a node that sends alone.
    work : float
        What a rank's own processor works for each byte that it sends while it receives one, and cannot compute; 0 where
        a network reads and writes memory by itself.
    """

    latency: float
    message: float
    bandwidth: float
    alone: float
    work: float = 0.0


@dataclass(frozen=True)
class Machine:
    """The figures of a machine, in seconds, bytes, and bytes a second.

    Attributes
    ----------
    ranks_per_node : int
        So many ranks of a node worked while it was measured.
    between, within : Link or None
        What is between nodes and what is within one; None where it could not be measured.
    fence : float or None
        What ranks take to wait for each other in a window.
    memory : float
        Bytes that all ranks of a node read and write, together, in a second.
    cache : int
        Bytes of a rank's array that stay in cache.
    call : float
        What a call takes beside its sweeps and exchanges.
    sweeps : mapping of int to float
        The seconds that a complex point in double precision takes in cache, for lines of some lengths.
    about : mapping of str to str
        Where that was measured.
    """

    ranks_per_node: int
    between: Link | None
    within: Link | None
    fence: float | None
    memory: float
    cache: int
    call: float
    sweeps: Mapping[int, float]
    about: Mapping[str, str] = field(default_factory=dict)

    def point(self, length: int) -> float:
        """The seconds that a complex point takes in cache, in lines of this length.

        Between lengths that were measured it grows with the logarithm of the length; beyond them it does not.
        """
        known = sorted(self.sweeps)
        length = min(max(length, known[0]), known[-1])
        above = next(k for k, n in enumerate(known) if n >= length)
        if known[above] == length:
            return self.sweeps[length]
        low, high = known[above - 1], known[above]
        share = math.log(length / low) / math.log(high / low)
        return (1 - share) * self.sweeps[low] + share * self.sweeps[high]


# A node of two processors of some 64 cores as they are common, where nothing has been measured.
ASSUMED = Machine(
    ranks_per_node=128,
    between=None,
    within=Link(latency=1e-6, message=5e-7, bandwidth=1e11, alone=5e9, work=2e-10),
    fence=2e-6,
    memory=3e11,
    cache=1024 * 1024,
    call=1e-5,
    sweeps={64: 1.0e-9, 256: 1.3e-9, 1024: 1.6e-9},
    about={"machine": "assumed"},
)


def save(machine: Machine, path: Path) -> None:
    """Write a machine to a file. Local."""
    path.write_text(json.dumps({"units": UNITS, **asdict(machine)}, indent=2) + "\n", encoding="utf-8")


def load(path: Path) -> Machine:
    """The machine in a file. Local.

    Raises
    ------
    OSError, ValueError
        Where there is none, or one that lacks something; which says what.
    """
    try:
        found = _items(json.loads(path.read_text(encoding="utf-8")), Machine, "it")
        for name in ("between", "within"):
            if found[name] is not None:
                items = _items(found[name], Link, name).items()
                found[name] = Link(**{k: _above_0(value, f"{k} of {name}", k == "work") for k, value in items})
        for name in ("ranks_per_node", "fence", "memory", "cache", "call"):
            if name != "fence" or found[name] is not None:
                _above_0(found[name], name)
        for name in ("sweeps", "about"):
            if not isinstance(found[name], dict):
                raise ValueError(f"{name} must be an object")
        if not found["sweeps"]:
            raise ValueError("sweeps are empty")
        found["sweeps"] = {
            _above_0(int(length), "a length in sweeps"): _above_0(seconds, f"{length} in sweeps")
            for length, seconds in found["sweeps"].items()
        }
    except ValueError as error:
        raise ValueError(f"{path} is no file that `mpi4py-pencil network` has written: {error!s:.200}") from None
    return Machine(**found)


def _items(found: Any, kind: type[Machine | Link], name: str) -> dict[str, Any]:
    """What is to be a machine or a link, by the names of its figures."""
    names = [each.name for each in fields(kind)]
    if not isinstance(found, dict):
        raise ValueError(f"{name} must be an object")
    missing = [each for each in names if each not in found]
    if missing:
        raise ValueError(f"{name} lacks {', '.join(missing)}")
    return {each: found[each] for each in names}


def _above_0(value: Any, name: str, or_0: bool = False) -> Any:
    """A finite number above 0, or 0 where that may be."""
    right = not isinstance(value, bool) and isinstance(value, (int, float)) and 0 <= value < math.inf
    if not right or (value == 0 and not or_0):
        raise ValueError(f"{name} is {value!r}, and must be a number above 0{' or 0' if or_0 else ''}")
    return value
