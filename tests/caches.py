"""Small arrays treated as large ones: with several planes and tiles, and a part for each thread."""

from contextlib import contextmanager

import pytest

from mpi4py_pencil.sweep import cache


@contextmanager
def small_caches(cached=128, tile=512):
    """Take arrays of more bytes than `cached` for too large to stay in cache, and make tiles of about `tile` bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "CACHED_BYTES", cached)
        patch.setattr(cache, "TILE_BYTES", tile)
        yield
