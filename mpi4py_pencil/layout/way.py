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
        return Way.BACKWARD if self is Way.FORWARD else Way.FORWARD

    def order(self, things: Sequence[T]) -> Sequence[T]:
        """Things in the order in which this way comes by them."""
        return things if self is Way.FORWARD else things[::-1]

    def __str__(self) -> str:
        """Its name."""
        return self.name.lower()
