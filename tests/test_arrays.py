"""Global arrays against numpy on the gathered array."""

import numpy as np
import pytest
from support import everywhere

from mpi4py_pencil import arrays as xp

KEYS = {
    "integer": (0,),
    "slice and integer": (slice(1, None), 2),
    "ellipsis": (..., -1),
    "negative step and new axis": (slice(None), slice(None, None, -2), None, 1),
    "list": ([1, 0, 1],),
    "list among slices": (slice(None), [2, 0], slice(1, 3)),
    "integer and list": (1, slice(None), [0, 3, 1]),
    "two lists apart": ([0, 1], slice(None), [0, 3]),
}


@pytest.mark.parallel([1, 2, 3, 5])
def test_indices_read_and_write_as_numpy_does():
    whole = np.arange(24.0).reshape(2, 3, 4)
    array = xp.reshape(xp.arange(24.0), (2, 3, 4))
    for key in [*KEYS.values(), whole > 5, (whole[..., 0] > 3, slice(1, None))]:
        read, expected = array[key].to_numpy(), whole[key]
        written, changed = array.copy(), whole.copy()
        values = np.cos(np.arange(expected.size)).reshape(expected.shape)
        written[key], changed[key] = values, values
        filled, constant = array.copy(), whole.copy()
        filled[key], constant[key] = 7, 7
        results = (read, expected), (written.to_numpy(), changed), (filled.to_numpy(), constant)
        with everywhere():
            for got, wanted in results:
                np.testing.assert_array_equal(got, wanted, err_msg=str(key))


REDUCTIONS = ["sum", "prod", "max", "min", "mean", "var", "std", "any", "all", "argmin", "argmax", "count_nonzero"]


@pytest.mark.parallel([1, 2, 3, 5])
def test_reductions_along_any_axes_by_either_name():
    whole = np.arange(24.0).reshape(2, 3, 4)
    array = xp.reshape(xp.arange(24.0), (2, 3, 4))
    for name in REDUCTIONS:
        for axis in (None, 0, 1, 2, (0, 2)):
            if name.startswith("arg") and isinstance(axis, tuple):
                continue
            expected = getattr(np, name)(whole, axis=axis)
            got = [getattr(module, name)(array, axis=axis).to_numpy() for module in (xp, np)]
            with everywhere():
                for result in got:
                    np.testing.assert_allclose(result, expected, err_msg=f"{name} {axis}")
