"""``mpi4py_fft.fftw.fftw_xfftn`` and its siblings: FFTW's plans, and its wisdom, in one precision, through pyfftw."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyfftw

from . import utilities
from .utilities import C2C_BACKWARD, C2C_FORWARD, C2R, R2C

Array = np.ndarray[Any, Any]

_FLAGS = {
    getattr(utilities, name): name
    for name in (
        "FFTW_DESTROY_INPUT",
        "FFTW_UNALIGNED",
        "FFTW_EXHAUSTIVE",
        "FFTW_PATIENT",
        "FFTW_ESTIMATE",
        "FFTW_WISDOM_ONLY",
    )
}
_DIRECTIONS = {
    C2C_FORWARD: "FFTW_FORWARD",
    R2C: "FFTW_FORWARD",
    C2C_BACKWARD: "FFTW_BACKWARD",
    C2R: "FFTW_BACKWARD",
}
_REAL = {getattr(utilities, name): name for name in dir(utilities) if name.startswith(("FFTW_REDFT", "FFTW_RODFT"))}
# Where pyfftw's wisdom has that of each precision.
_PLACE = {"D": 0, "F": 1, "G": 2}
# Seconds that FFTW may take for a plan; None for as many as it wants.
_limit: float | None = None


class FFT:
    """A transform that is planned for two arrays, as ``mpi4py_fft.fftw.fftw_xfftn.FFT``.

    Parameters
    ----------
    input_array, output_array : ndarray
        The arrays; planning may overwrite them.
    axes : sequence of int, optional
        What is transformed, the last one first.
    kind : int or sequence of int, optional
        FFTW_FORWARD, FFTW_BACKWARD, R2C or C2R; or, for each axis, one of FFTW_REDFT00 to FFTW_RODFT11.
    threads : int, optional
        Of FFTW.
    flags : int or sequence of int, optional
        FFTW's.
    normalization : float, optional
        What ``normalize=True`` multiplies with.

    Raises
    ------
    NotImplementedError
        For FFTW_R2HC and FFTW_DHT, which pyfftw does not hand on.
    """

    def __init__(
        self,
        input_array: Array,
        output_array: Array,
        axes: Sequence[int] = (-1,),
        kind: Any = C2C_FORWARD,
        threads: int = 1,
        flags: Any = (utilities.FFTW_MEASURE,),
        normalization: float = 1.0,
    ) -> None:
        self._input, self._output = input_array, output_array
        self._normalization = normalization
        self._plan: Any = None
        if input_array.size and output_array.size:
            self._plan = pyfftw.FFTW(
                input_array,
                output_array,
                axes=tuple(int(axis) for axis in axes),
                direction=_direction([int(k) for k in np.atleast_1d(kind)], len(axes), input_array, output_array),
                flags=_flag_names(flags),
                threads=threads,
                planning_timelimit=_limit,
            )

    @property
    def input_array(self) -> Array:
        """The array that is transformed where no other is given."""
        return self._input

    @property
    def output_array(self) -> Array:
        """The array that the result goes to where no other is given."""
        return self._output

    def get_normalization(self) -> float:
        """What ``normalize=True`` multiplies with."""
        return self._normalization

    def update_arrays(self, input_array: Array, output_array: Array) -> None:
        """Take other arrays, of the same shapes, dtypes, strides and alignments, in place of those planned for."""
        if self._plan is not None:
            self._plan.update_arrays(input_array, output_array)
        self._input, self._output = input_array, output_array

    def destroy(self) -> None:
        """Give back the plan, without which there are no more calls."""
        self._plan = _destroyed

    def __call__(
        self,
        input_array: Array | None = None,
        output_array: Array | None = None,
        implicit: bool = True,
        normalize: bool = False,
        **_: Any,
    ) -> Array:
        """Transform.

        Parameters
        ----------
        input_array, output_array : ndarray, optional
            Taken in place of those planned for.
        implicit : bool, optional
            Whether an input that is laid out as the planned one is transformed where it lies, which may overwrite it.
            False copies it, and the result out of the planned output.
        normalize : bool, optional
            Whether to multiply with `get_normalization()`.

        Returns
        -------
        ndarray
            `output_array`, or the planned one.
        """
        there = self._output if output_array is None else output_array
        if input_array is None and (output_array is None or not implicit):
            self._execute()
        elif implicit:
            self._execute_between(self._input if input_array is None else input_array, there)
        else:
            self._input[...] = input_array
            self._execute()
        if not implicit and output_array is not None:
            output_array[...] = self._output
        if normalize:
            there *= self._normalization
        return there

    def _execute(self) -> None:
        """Transform the planned arrays."""
        if self._plan is not None:
            self._plan.execute()

    def _execute_between(self, source: Array, target: Array) -> None:
        """Transform other arrays; the source is copied where it is not laid out as planned."""
        if self._plan is None:
            return
        if not self._fits(source):
            self._input[...] = source
            source = self._input
        self._plan.update_arrays(np.asarray(source), np.asarray(target))
        try:
            self._plan.execute()
        finally:
            self._plan.update_arrays(np.asarray(self._input), np.asarray(self._output))

    def _fits(self, source: Any) -> bool:
        """Whether the plan can read an array."""
        mine = self._input
        return (
            isinstance(source, np.ndarray)
            and (source.shape, source.strides, source.dtype) == (mine.shape, mine.strides, mine.dtype)
            and pyfftw.is_byte_aligned(source, self._plan.input_alignment)
        )


class _Destroyed:
    """What takes the place of a plan that was given back."""

    def __getattr__(self, name: str) -> Any:
        """Refuse to be used."""
        raise ValueError("this transform has been destroyed")


_destroyed = _Destroyed()


def _direction(kinds: list[int], naxes: int, before: Array, after: Array) -> Any:
    """Kinds as pyfftw calls them."""
    if kinds[0] in _DIRECTIONS and "c" in (before.dtype.kind, after.dtype.kind):
        return _DIRECTIONS[kinds[0]]
    unknown = [kind for kind in kinds if kind not in _REAL]
    if unknown:
        raise NotImplementedError(f"kind {unknown[0]} between {before.dtype} and {after.dtype} is not there")
    if len(kinds) != naxes:
        raise ValueError(f"kind has {len(kinds)} entries, axes {naxes}")
    return [_REAL[kind] for kind in kinds]


def _flag_names(flags: Any) -> tuple[str, ...]:
    """Flags as pyfftw calls them; it has none for those that ask for what is so by default."""
    numbers = np.bitwise_or.reduce(np.atleast_1d(np.asarray(flags, int)))
    return tuple(name for bit, name in _FLAGS.items() if numbers & bit) or ("FFTW_MEASURE",)


class Library:
    """FFTW in one precision, as the modules ``fftwf_xfftn``, ``fftw_xfftn`` and ``fftwl_xfftn`` there.

    Parameters
    ----------
    char : str
        The complex dtype: "F", "D" or "G".
    """

    FFT = FFT

    def __init__(self, char: str) -> None:
        self._place = _PLACE[char]

    def alignment_of(self, array: Array) -> int:
        """How many bytes an array begins behind a multiple of what FFTW needs."""
        return int(array.__array_interface__["data"][0] % pyfftw.simd_alignment)

    def export_wisdom(self, filename: Any) -> int:
        """Write the wisdom to a file; 1 where that went well, 0 where it did not."""
        try:
            _path(filename).write_bytes(pyfftw.export_wisdom()[self._place])
        except OSError:
            return 0
        return 1

    def import_wisdom(self, filename: Any) -> int:
        """Take in the wisdom of a file; 1 where that went well, 0 where it did not."""
        wisdom = [b"", b"", b""]
        try:
            wisdom[self._place] = _path(filename).read_bytes()
        except OSError:
            return 0
        return int(pyfftw.import_wisdom(tuple(wisdom))[self._place])

    def forget_wisdom(self) -> None:
        """Forget the wisdom, that of all precisions, as pyfftw does."""
        pyfftw.forget_wisdom()

    def set_timelimit(self, limit: float) -> None:
        """Limit the seconds that FFTW takes for a plan, in all precisions; a negative number ends that."""
        global _limit
        _limit = None if limit < 0 else float(limit)

    def cleanup(self) -> None:
        """Forget the wisdom and the time limit; plans stay what they are."""
        self.forget_wisdom()
        self.set_timelimit(-1)


def _path(filename: Any) -> Path:
    """A file, whose name may be given as bytes."""
    return Path(os.fsdecode(filename if isinstance(filename, str) else bytes(filename)))
