"""Sizes that follow from the processor's caches; read as attributes of this module, where tests can change them."""

from __future__ import annotations

from pathlib import Path

CACHE_LINE = 64


def _level2() -> int:
    """Bytes of the second-level cache of a core as Linux says, or what is common where nobody says."""
    size = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    if not size.exists():
        return 1024 * 1024
    return int(size.read_text().strip().removesuffix("K")) * 1024


# A tile and its twin (where the transform is not in place) stay in the second-level cache, and the runs that it reads
# and writes are as long as can be: docs/performance.md has the figures.
TILE_BYTES = _level2() // 4
# Arrays up to this size stay in cache from one sweep to the next: there, stores that pass it by would only cost.
CACHED_BYTES = 512 * 1024
