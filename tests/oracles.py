"""What results are compared with: numpy and scipy on the global array, and sums written out in long double.

Nothing here comes from the package, and nothing goes there and back.
"""

import functools
import math

import numpy as np
import scipy.fft

ELEMENTS = [np.dtype(c) for c in "fdgFDG"]
"""The types that can be transformed."""


def complex_of(dtype):
    """Return the complex dtype of the same precision."""
    return np.dtype(np.dtype(dtype).char.upper())


def random_array(generator, shape, dtype):
    """Return normally distributed numbers of a real or complex dtype."""
    dtype = np.dtype(dtype)
    real = generator.standard_normal(shape)
    return (real if dtype.kind == "f" else real + 1j * generator.standard_normal(shape)).astype(dtype)


def numbered(shape, dtype):
    """Return an array that holds at each point what is found nowhere else in it, as far as the dtype can tell."""
    dtype = np.dtype(dtype)
    count = np.arange(1, math.prod(shape) + 1).reshape(shape)
    if dtype.names:
        whole = np.zeros(shape, dtype)
        for k, name in enumerate(dtype.names):
            whole[name] = count + k
        return whole
    if dtype.kind == "b":
        return count % 3 == 0
    return count.astype(dtype)


def same_bits(a, b):
    """Raise AssertionError unless two arrays hold the same bytes."""
    np.testing.assert_equal(a.shape, b.shape)
    np.testing.assert_equal(a.dtype, b.dtype)
    if a.tobytes() != b.tobytes():
        raise AssertionError(f"the bytes differ: {np.asarray(a)!r}, expected {np.asarray(b)!r}")


def close(result, expected, dtype, points, factor=4.0):
    """Raise AssertionError unless the relative L2 error is a few eps * sqrt(log2(points))."""
    np.testing.assert_equal(result.shape, expected.shape)
    size = np.linalg.norm(np.asarray(expected, np.clongdouble).ravel())
    error = np.linalg.norm((np.asarray(result, np.clongdouble) - expected).ravel())
    allowed = factor * np.finfo(dtype).eps * math.sqrt(max(1.0, math.log2(points)))
    if not error <= allowed * size:
        raise AssertionError(f"relative L2 error {error / size if size else error}, allowed {allowed}")


def transformed(whole, axes, normalize=True):
    """Return the forward transform of a global array over `axes`, the last of them first, by numpy.fft."""
    norm = "forward" if normalize else "backward"
    real = whole.dtype.kind == "f"
    for k, axis in enumerate(reversed(axes)):
        call = np.fft.rfft if real and k == 0 else np.fft.fft
        whole = call(whole, axis=axis, norm=norm)
    return whole


def turns(numerators, period):
    """Return the angles 2 pi numerators / period in long double; whole turns are taken off before rounding."""
    return 8 * np.arctan(np.longdouble(1)) * (numerators % period) / period


def waves(points, modes, sign):
    """Return exp(sign * 2 pi i j k / points) for all points j and the given modes k, in long double."""
    angle = turns(np.outer(np.arange(points), modes), points)
    return np.cos(angle) + sign * 1j * np.sin(angle)


def wave_numbers(modes):
    """Return the wave numbers of `modes` modes as they are stored; that of the Nyquist mode is positive."""
    return [k if k <= modes // 2 else k - modes for k in range(modes)]


@functools.cache
def interpolation(points, modes):
    """Return the matrix that evaluates the trigonometric interpolant of `modes` modes at `points` points.

    Where there are more points than modes, half of the Nyquist mode of an even number of modes goes to either sign.
    """
    matrix = waves(points, wave_numbers(modes), 1)
    if modes % 2 == 0 and points > modes:
        matrix[:, modes // 2] = matrix[:, modes // 2].real
    return matrix


@functools.cache
def projection(points, modes):
    """Return the matrix that takes `points` values to the lowest `modes` modes, scaled by 1 / points.

    Where there are more points than modes, the Nyquist mode of an even number of modes is that of both signs.
    """
    matrix = waves(points, wave_numbers(modes), -1).T / points
    if modes % 2 == 0 and points > modes:
        matrix[modes // 2] = 2 * matrix[modes // 2].real
    return matrix


@functools.cache
def half_interpolation(points, modes):
    """Return the matrices A, B with which A @ c.real + B @ c.imag evaluates a real interpolant.

    Its modes c are 0..modes // 2.
    """
    kept = modes // 2 + 1
    wave = waves(points, range(kept), 1)
    weights = np.full(kept, np.longdouble(2))
    weights[0] = 1
    if modes % 2 == 0:
        weights[-1] = 1
    return wave.real * weights, -wave.imag * weights


@functools.cache
def half_projection(points, modes):
    """Return the matrix that takes `points` real values to the modes 0..modes // 2, as `projection` does."""
    return projection(points, modes)[: modes // 2 + 1]


def along(matrix, whole, axis):
    """Return the product of a matrix with every line of an array along an axis."""
    return np.moveaxis(np.tensordot(matrix, whole, (1, axis)), 0, axis)


@functools.cache
def trigonometric(kind, n):
    """Return the matrix of "dct1" to "dct4", "dst1" to "dst4" or "hartley" of n points in long double, without a scale.

    The sums are those that define them in scipy.fft.dct and scipy.fft.dst; Hartley's are those of Bracewell (1983).
    """
    j = np.arange(n)
    if kind == "hartley":
        angle = turns(np.outer(j, j), n)
        return np.cos(angle) + np.sin(angle)
    sine, number = kind.startswith("dst"), int(kind[-1])
    # twice the places of points and waves: on the ends or one step inside of them, or halfway between
    whole, half = 2 * (j + sine), 2 * j + 1
    points = half if number in (2, 4) else whole
    modes = half if number in (3, 4) else whole
    length = n + (1 if sine else -1) * (number == 1)
    angle = turns(np.outer(modes, points), 8 * length)
    matrix = 2 * (np.sin(angle) if sine else np.cos(angle))
    # a point on an end has no mirror image to be counted with it
    matrix[:, {"dct1": [0, n - 1], "dct3": [0], "dst3": [n - 1]}.get(kind, [])] /= 2
    return matrix


def scale(n, norm, forward):
    """Return what a transform whose square is n times the identity is multiplied with, in long double."""
    return {"ortho": 1 / np.sqrt(np.longdouble(n)), ("backward", "forward")[forward]: 1 / np.longdouble(n)}.get(norm, 1)


def by_scipy(whole, axes, kinds, norm):
    """Return the forward transform of a global array over `axes`, the last of them first, one axis after the other.

    `kinds` has for each axis what is computed along it: "fourier", or as `trigonometric` calls it. Single precision is
    computed in double.
    """
    whole = whole.astype(np.result_type(whole, np.float64))
    for axis in reversed(axes):
        kind = kinds[axis]
        if kind == "fourier":
            whole = (scipy.fft.fft if whole.dtype.kind == "c" else scipy.fft.rfft)(whole, axis=axis, norm=norm)
        elif kind == "hartley":
            whole = along(trigonometric(kind, whole.shape[axis]), whole, axis) * scale(whole.shape[axis], norm, True)
        else:
            whole = getattr(scipy.fft, kind[:3])(whole, int(kind[3]), axis=axis, norm=norm)
    return whole


def back_by_scipy(spectrum, axes, kinds, norm, points, real):
    """Return the backward transform of a global array of modes of `points` points, which were `real` or not."""
    spectrum = spectrum.astype(np.result_type(spectrum, np.float64))
    halved = next((axis for axis in reversed(axes) if kinds[axis] == "fourier"), None) if real else None
    for axis in axes:
        kind, n = kinds[axis], points[axis]
        if axis == halved:
            spectrum = scipy.fft.irfft(spectrum, n, axis=axis, norm=norm)
        elif kind == "fourier":
            spectrum = scipy.fft.ifft(spectrum, axis=axis, norm=norm)
        elif kind == "hartley":
            spectrum = along(trigonometric(kind, n), spectrum, axis) * scale(n, norm, False)
        else:
            spectrum = getattr(scipy.fft, f"i{kind[:3]}")(spectrum, int(kind[3]), axis=axis, norm=norm)
    return spectrum


def forward_sum(whole, axes, modes):
    """Return the lowest `modes` modes of a global array over `axes`, the last of them first, in long double."""
    real = whole.dtype.kind == "f"
    for k, axis in enumerate(reversed(axes)):
        matrix = half_projection if real and k == 0 else projection
        whole = along(matrix(whole.shape[axis], modes[axis]), whole, axis)
    return whole


def backward_sum(spectrum, axes, points, modes, real):
    """Return the interpolant of a global spectrum at `points` points along each of `axes`, in long double."""
    for axis in axes[:-1]:
        spectrum = along(interpolation(points[axis], modes[axis]), spectrum, axis)
    last = axes[-1]
    if not real:
        return along(interpolation(points[last], modes[last]), spectrum, last)
    cosines, sines = half_interpolation(points[last], modes[last])
    return along(cosines, spectrum.real, last) + along(sines, spectrum.imag, last)


def beyond(shape, modes, axes, reach, real, ball=False):
    """Return where a spectrum of this shape has modes that are truncated.

    These are the modes beyond the wave number `reach` of an axis, None for no limit; or outside of the ellipsoid.
    """
    squares, outside = np.zeros(shape), np.zeros(shape, bool)
    for k in axes:
        if reach[k] is not None:
            n = modes[k]
            waves = np.arange(n // 2 + 1) if real and k == axes[-1] else np.fft.fftfreq(n, 1 / n)
            waves = np.abs(waves).round().reshape([-1 if j == k else 1 for j in range(len(shape))])
            outside |= waves > reach[k]
            squares = squares + (waves / reach[k]) ** 2 if ball else squares
    return squares > 1 + 1e-9 if ball else outside
