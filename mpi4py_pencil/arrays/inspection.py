"""What the namespace can do, as the standard asks it."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes


class __array_namespace_info__:  # noqa: N801 - the standard's name
    """Capabilities, devices and data types of the namespace."""

    def capabilities(self) -> dict[str, Any]:
        """What may be asked for."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where arrays are made."""
        return "cpu"

    def devices(self) -> list[str]:
        """Where arrays can be."""
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """The types that numbers become."""
        names = {"real floating": float, "complex floating": complex, "integral": int, "indexing": np.intp}
        return {name: np.dtype(kind) for name, kind in names.items()}

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, Any]:
        """The types of a kind, or all, by name."""
        every = {name: np.dtype(getattr(np, name)) for name in dtypes.DTYPES}
        return every if kind is None else {n: d for n, d in every.items() if np.isdtype(d, kind)}
