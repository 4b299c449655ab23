"""The render of every pixel, compiled: `training.enlargement` and `training.reversible` in one pass over rows.

Bits equal those of the plain NumPy definitions: float32, the same operations in the same order, no fused or reordered
arithmetic (so no fastmath). The kernels hold no lock of Python, and one call uses one thread: the caller decides how
many run.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from training.color import (
    LAB_DELTA,
    WHITE,
    XYZ_TO_RGB,
    lightness_of_gray,
    linear_table,
    luminance_bounds,
    luminance_weights,
)
from training.enlargement import Grids, Taps, taps
from training.reversible import BISECTIONS, GAMUT_TOLERANCE, code_edges

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_HUNDRED_SIXTEEN, _SIXTEEN, _FIVE_HUNDRED, _TWO_HUNDRED = (np.float32(v) for v in (116, 16, 500, 200))
_CODE_BINS = {8: 1 << 12, 16: 1 << 17}  # over the root of linear light, where codes lie evenly enough


class Constants(NamedTuple):
    """Of other modules, handed to the kernels: numba's cache on disk would not notice that they changed there."""

    matrix: tuple[tuple[np.float32, ...], ...]
    delta: np.float32
    offset: np.float32
    slope: np.float32
    least: np.float32
    most: np.float32
    bisections: int


CONSTANTS = Constants(
    matrix=tuple(map(tuple, (XYZ_TO_RGB * WHITE).astype(np.float32))),
    delta=np.float32(LAB_DELTA),
    offset=np.float32(4 / 29),
    slope=np.float32(3 * LAB_DELTA**2),
    least=-GAMUT_TOLERANCE,
    most=np.float32(1 + GAMUT_TOLERANCE),
    bisections=BISECTIONS,
)


class Tables(NamedTuple):
    """What the kernel looks up for each gray code, or for linear light."""

    lightness: np.ndarray
    edges: np.ndarray
    first_code: np.ndarray
    linear: np.ndarray
    bounds: np.ndarray
    weights: np.ndarray


@cache
def tables(bits: int) -> Tables:
    """The tables of a depth."""
    edges = np.append(code_edges(bits), np.float32(np.inf))
    bins = _CODE_BINS[bits]
    # a little below the bin, in case its root was rounded up: the kernel steps up from here
    lowest = np.square(np.arange(bins) / (bins - 1)) * (1 - 1e-6)
    first_code = np.searchsorted(edges, lowest.astype(np.float32), side="right").astype(np.int32)
    return Tables(
        lightness_of_gray(bits),
        edges,
        first_code,
        linear_table(bits),
        luminance_bounds(bits),
        luminance_weights(),
    )


def compile_all() -> None:
    """Compile the kernels for both depths, or find them on disk; many processes at once had better find them."""
    grid = Grids(*(np.zeros(shape, np.float32) for shape in ((2, 1, 1), (2, 1, 1), (1, 1), (2, 2), (2, 2))))
    one, two = taps(0, 1, 1, 1), taps(0, 1, 1, 2)
    for bits, dtype in ((8, np.uint8), (16, np.uint16)):
        render_band(np.zeros((1, 1), dtype), grid, one, one, two, two, tables(bits), np.empty((1, 1, 3), dtype))


def render_band(
    gray_code: np.ndarray, grid: Grids, y: Taps, x: Taps, fine_y: Taps, fine_x: Taps, table: Tables, rgb: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Render a band of rows.

    Parameters
    ----------
    gray_code : ndarray of uint8 or uint16, shape (Y, X)
        Windowed gray.
    grid : Grids
        Of the map.
    y, x, fine_y, fine_x : Taps
        Of the rows and columns, on the map's grid and on that of its small lightness.
    table : Tables
        Of the depth.
    rgb : ndarray of the dtype of `gray_code`, shape (Y, X, 3)
        Receives the result.

    Returns
    -------
    place : ndarray of int64, shape (N, 2)
        Row and column of the pixels whose gray is not yet the given one.
    linear : ndarray of float32, shape (N, 3)
        Linear sRGB wished there.
    """
    return _render(
        gray_code,
        grid.ab,
        grid.slope,
        grid.mean,
        grid.low,
        grid.high,
        (y.near, y.cubic, y.linear),
        (x.near, x.cubic, x.linear, _run_starts(x.near)),
        (fine_y.near, fine_y.linear),
        (fine_x.near, fine_x.linear, _run_starts(fine_x.near)),
        table,
        CONSTANTS,
        rgb,
    )


def _compiled(**options: Any) -> Callable[[Callable], Callable]:
    """Compile a function; kept on disk, if there is a folder that can be written."""

    def compile_(function: Callable) -> Callable:
        try:
            return njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # numba found no place for its cache
            return njit(nogil=True, **options)(function)

    return compile_


def _run_starts(near: np.ndarray) -> np.ndarray:
    """First pixels of the runs that share their cells, and one past the last pixel."""
    changes = np.flatnonzero((np.diff(near, axis=1) != 0).any(axis=0)) + 1
    return np.concatenate([[0], changes, [near.shape[1]]]).astype(np.int64)


@_compiled()
def _render(gray_code, ab, slope, mean, low, high, y, x, fine_y, fine_x, table, constants, rgb):  # type: ignore[no-untyped-def]
    rows, columns = gray_code.shape
    row_a, row_b = np.empty(mean.shape[1], np.float32), np.empty(mean.shape[1], np.float32)
    row_slope_a, row_slope_b = np.empty_like(row_a), np.empty_like(row_a)
    row_mean = np.empty_like(row_a)
    row_low, row_high = np.empty(low.shape[1], np.float32), np.empty(low.shape[1], np.float32)
    lightness, beyond = np.empty(columns, np.float32), np.empty(columns, np.float32)
    a, b = np.empty(columns, np.float32), np.empty(columns, np.float32)
    linear, bins = np.empty((3, columns), np.float32), np.empty((3, columns), np.int32)
    work, outside = np.empty((7, columns), np.float32), np.empty(columns + 1, np.int32)
    place, wish = [(0, 0) for _ in range(0)], [(_ZERO, _ZERO, _ZERO) for _ in range(0)]
    for i in range(rows):
        _cubic_row(ab[0], y[0], y[1], i, row_a)
        _cubic_row(ab[1], y[0], y[1], i, row_b)
        _linear_row(slope[0], y[0], y[2], i, row_slope_a)
        _linear_row(slope[1], y[0], y[2], i, row_slope_b)
        _linear_row(mean, y[0], y[2], i, row_mean)
        _linear_row(low, fine_y[0], fine_y[1], i, row_low)
        _linear_row(high, fine_y[0], fine_y[1], i, row_high)
        for j in range(columns):
            lightness[j] = table.lightness[gray_code[i, j]]
        _clip_to_range(lightness, row_low, row_high, fine_x[0], fine_x[1], fine_x[2], beyond)
        _enlarge_row(row_a, row_b, row_slope_a, row_slope_b, row_mean, beyond, x[0], x[1], x[2], x[3], a, b)
        _linear_rgb_row(lightness, a, b, constants, linear)
        _fit_to_gamut(lightness, a, b, constants, linear, work, outside)
        _find_bins(linear, np.float32(len(table.first_code) - 1), bins)
        for j in range(columns):
            r = _nearest_code(linear[0, j], bins[0, j], table.first_code, table.edges)
            g = _nearest_code(linear[1, j], bins[1, j], table.first_code, table.edges)
            v = _nearest_code(linear[2, j], bins[2, j], table.first_code, table.edges)
            rgb[i, j, 0], rgb[i, j, 1], rgb[i, j, 2] = r, g, v
            weights, light = table.weights, table.linear
            luminance = light[r] * weights[0] + light[g] * weights[1] + light[v] * weights[2]
            code = gray_code[i, j]
            if luminance < table.bounds[code, 0] or luminance > table.bounds[code, 1]:
                place.append((i, j))
                wish.append((linear[0, j], linear[1, j], linear[2, j]))
    places, wishes = np.empty((len(place), 2), np.int64), np.empty((len(wish), 3), np.float32)
    for n in range(len(place)):
        places[n, 0], places[n, 1] = place[n]
        wishes[n, 0], wishes[n, 1], wishes[n, 2] = wish[n]
    return places, wishes


@_compiled()
def _cubic_row(grid, near, weight, i, out):  # type: ignore[no-untyped-def]
    for c in range(len(out)):
        out[c] = (
            weight[0, i] * grid[near[0, i], c]
            + weight[1, i] * grid[near[1, i], c]
            + weight[2, i] * grid[near[2, i], c]
            + weight[3, i] * grid[near[3, i], c]
        )


@_compiled()
def _linear_row(grid, near, weight, i, out):  # type: ignore[no-untyped-def]
    for c in range(len(out)):
        out[c] = weight[0, i] * grid[near[1, i], c] + weight[1, i] * grid[near[2, i], c]


@_compiled()
def _clip_to_range(lightness, low, high, near, weight, starts, out):  # type: ignore[no-untyped-def]
    w0, w1 = weight[0], weight[1]
    for s in range(len(starts) - 1):
        left, right = near[1, starts[s]], near[2, starts[s]]
        low0, low1, high0, high1 = low[left], low[right], high[left], high[right]
        for j in range(starts[s], starts[s + 1]):
            least, most = w0[j] * low0 + w1[j] * low1, w0[j] * high0 + w1[j] * high1
            out[j] = min(max(lightness[j], least), most)


@_compiled()
def _enlarge_row(row_a, row_b, slope_a, slope_b, mean, clipped, near, cubic, linear, starts, a, b):  # type: ignore[no-untyped-def]
    c0, c1, c2, c3 = cubic[0], cubic[1], cubic[2], cubic[3]
    w0, w1 = linear[0], linear[1]
    for s in range(len(starts) - 1):
        n0, n1, n2, n3 = near[0, starts[s]], near[1, starts[s]], near[2, starts[s]], near[3, starts[s]]
        a0, a1, a2, a3 = row_a[n0], row_a[n1], row_a[n2], row_a[n3]
        b0, b1, b2, b3 = row_b[n0], row_b[n1], row_b[n2], row_b[n3]
        m1, m2 = mean[n1], mean[n2]
        p1, p2, q1, q2 = slope_a[n1], slope_a[n2], slope_b[n1], slope_b[n2]
        for j in range(starts[s], starts[s + 1]):
            beyond = clipped[j] - (w0[j] * m1 + w1[j] * m2)
            wide_a = c0[j] * a0 + c1[j] * a1 + c2[j] * a2 + c3[j] * a3
            wide_b = c0[j] * b0 + c1[j] * b1 + c2[j] * b2 + c3[j] * b3
            a[j] = wide_a + (w0[j] * p1 + w1[j] * p2) * beyond
            b[j] = wide_b + (w0[j] * q1 + w1[j] * q2) * beyond


@_compiled(inline="always")
def _lab_f_inverse(f, constants):  # type: ignore[no-untyped-def]
    cube, line = f * f * f, (f - constants.offset) * constants.slope
    return cube if f > constants.delta else line


@_compiled(inline="always")
def _linear_rgb(lightness, a, b, constants):  # type: ignore[no-untyped-def]
    fy = (lightness + _SIXTEEN) / _HUNDRED_SIXTEEN
    x, y, z = (
        _lab_f_inverse(fy + a / _FIVE_HUNDRED, constants),
        _lab_f_inverse(fy, constants),
        _lab_f_inverse(fy - b / _TWO_HUNDRED, constants),
    )
    m = constants.matrix
    red = m[0][0] * x + m[0][1] * y + m[0][2] * z
    green = m[1][0] * x + m[1][1] * y + m[1][2] * z
    blue = m[2][0] * x + m[2][1] * y + m[2][2] * z
    return red, green, blue


@_compiled()
def _linear_rgb_row(lightness, a, b, constants, linear):  # type: ignore[no-untyped-def]
    red, green, blue = linear[0], linear[1], linear[2]
    for j in range(len(lightness)):
        red[j], green[j], blue[j] = _linear_rgb(lightness[j], a[j], b[j], constants)


@_compiled()
def _fit_to_gamut(lightness, a, b, constants, linear, work, outside):  # type: ignore[no-untyped-def]
    """Bisect the chroma of the pixels outside, side by side, so that the compiler can use wide registers."""
    count = 0
    for j in range(len(lightness)):
        outside[count] = j
        count += not _inside(linear[0, j], linear[1, j], linear[2, j], constants)
    # rows, not a block of columns: their values must lie side by side
    few_lightness, few_a, few_b, share = work[0][:count], work[1][:count], work[2][:count], work[3][:count]
    red, green, blue = work[4][:count], work[5][:count], work[6][:count]
    for n in range(count):
        j = outside[n]
        few_lightness[n], few_a[n], few_b[n], share[n] = lightness[j], a[j], b[j], _ZERO
    step = _HALF
    for _ in range(constants.bisections):
        _linear_rgb_of_share(few_lightness, few_a, few_b, share, step, constants, red, green, blue)
        for n in range(count):
            share[n] = share[n] + (step if _inside(red[n], green[n], blue[n], constants) else _ZERO)
        step = step * _HALF
    _linear_rgb_of_share(few_lightness, few_a, few_b, share, _ZERO, constants, red, green, blue)
    for n in range(count):
        j = outside[n]
        linear[0, j], linear[1, j], linear[2, j] = red[n], green[n], blue[n]


@_compiled(inline="always")
def _inside(red, green, blue, constants):  # type: ignore[no-untyped-def]
    return (min(red, min(green, blue)) >= constants.least) & (max(red, max(green, blue)) <= constants.most)


@_compiled()
def _linear_rgb_of_share(lightness, a, b, share, more, constants, red, green, blue):  # type: ignore[no-untyped-def]
    for n in range(len(lightness)):
        part = share[n] + more
        red[n], green[n], blue[n] = _linear_rgb(lightness[n], a[n] * part, b[n] * part, constants)


@_compiled()
def _find_bins(linear, scale, bins):  # type: ignore[no-untyped-def]
    for c in range(3):
        for j in range(linear.shape[1]):
            bins[c, j] = np.int32(np.sqrt(min(max(linear[c, j], _ZERO), _ONE)) * scale)


@_compiled(inline="always")
def _nearest_code(linear, bin_, first_code, edges):  # type: ignore[no-untyped-def]
    code = first_code[bin_]
    while linear >= edges[code]:
        code += 1
    return code
