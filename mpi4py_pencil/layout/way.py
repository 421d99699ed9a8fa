"""The two ways between one side and the other, of transforms and of transfers."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Way(enum.IntEnum):
    """Forward or backward; its number is that of the side that it starts from, for pairs of what the sides have."""

    FORWARD = 0
    BACKWARD = 1

    @property
    def back(self) -> Way:
        """The other way, and the side that this one ends at."""
        return _BACK[self]

    def order(self, things: Sequence[T]) -> Sequence[T]:
        """Things in the order in which this way comes by them."""
        return things[::-1] if self else things

    def __str__(self) -> str:
        """Its name."""
        return _NAMES[self]


# Members and their names are slow to get from an enumeration, and every call of a plan asks for them.
_BACK = Way.BACKWARD, Way.FORWARD
_NAMES = "forward", "backward"
