"""Exchanges: outboxes become inboxes. A module for each method; `methods` chooses and opens.

One direction of an exchange has

- `method`: its name, "local" where nothing is exchanged;
- `outbox`, `inbox`: the boxes and where they lie (`placement.Placed`);
- `claim`: wait until the outbox may be written;
- `deliver`: after it the inbox may be read (collective over the peers);
- `release`: the inbox has been read, and the outbox too;

which are operations, instructions of programs, and

- `outward`, `inward`: its parts, where it is cut, each let go or waited for by an operation of its own (`parts.Parts`),
  and `poll`, which is called while they travel;

- `unpacking(copies)`: instructions that deliver, and copy each peer's box as soon as it lies in the inbox (not for
  alltoallw).

They know no FFT. Every rank of the peers' communicator opens the same exchanges in the same order.
"""

from .joined import share_count
from .local import Local
from .memory import Memory, Turn, room, turns
from .methods import (
    CUT,
    METHODS,
    SMALL,
    Boxed,
    Exchange,
    checked_method,
    chosen_method,
    open_boxed,
    open_exchange,
    say_no_room,
    segment_bytes,
)
from .parts import Cut, Parts
from .placement import Placed

__all__ = [
    "CUT",
    "METHODS",
    "SMALL",
    "Boxed",
    "Cut",
    "Exchange",
    "Local",
    "Memory",
    "Parts",
    "Placed",
    "Turn",
    "checked_method",
    "chosen_method",
    "open_boxed",
    "open_exchange",
    "room",
    "say_no_room",
    "segment_bytes",
    "share_count",
    "turns",
]
