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
    FRACTION_BITS,
    LAB_DELTA,
    WHITE,
    XYZ_TO_RGB,
    lightness_of_gray,
    linear_table,
    luminance_bounds,
    luminance_weights,
)
from training.enlargement import Grids, Taps, grids, taps
from training.reversible import BISECTIONS, GAMUT_TOLERANCE, code_edges

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_HUNDRED_SIXTEEN, _SIXTEEN, _FIVE_HUNDRED, _TWO_HUNDRED = (np.float32(v) for v in (116, 16, 500, 200))
_UNIT = 2.0**FRACTION_BITS
_BLOCK = 64  # pixels that are checked side by side
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
    """What the kernel looks up.

    Attributes
    ----------
    lightness : ndarray of float32, shape (codes,)
        L* of each gray.
    first_code : ndarray of uint16, shape (bins,)
        Lowest code that linear light in a bin rounds to; bins are narrower than codes, so it is this or the next.
    next_edge : ndarray of float32, shape (bins,)
        Linear light from where it is the next.
    linear : ndarray of int64, shape (codes,)
        Linear light of each code.
    least, most : ndarray of int64, shape (codes,)
        Luminances that round to each gray.
    weights : ndarray of int64, shape (3,)
        Of red, green and blue in the luminance.
    """

    lightness: np.ndarray
    first_code: np.ndarray
    next_edge: np.ndarray
    linear: np.ndarray
    least: np.ndarray
    most: np.ndarray
    weights: np.ndarray


@cache
def tables(bits: int) -> Tables:
    """The tables of a depth."""
    edges = np.append(code_edges(bits), np.float32(np.inf))
    bins = _CODE_BINS[bits]
    # a little below the bin, in case its root was rounded up
    lowest = np.square(np.arange(bins) / (bins - 1)) * (1 - 1e-6)
    first_code = np.searchsorted(edges, lowest.astype(np.float32), side="right")
    least, most = luminance_bounds(bits).T.copy()
    return Tables(
        lightness_of_gray(bits),
        first_code.astype(np.uint16),
        edges[first_code],
        linear_table(bits),
        least,
        most,
        luminance_weights(),
    )


def compile_all() -> None:
    """Compile the kernels for both depths, or find them on disk; many processes at once had better find them."""
    grid = grids(np.zeros((2, 1, 1), np.float32), np.zeros((2, 2), np.uint8))
    one, two = (taps(0, 1, 1, cells, wraps=False) for cells in (1, 2))
    for bits, dtype in ((8, np.uint8), (16, np.uint16)):
        render_band(np.zeros((1, 1), dtype), grid, one, one, two, two, tables(bits), np.empty((1, 1, 3), dtype))


def render_band(
    gray_code: np.ndarray, grid: Grids, y: Taps, x: Taps, fine_y: Taps, fine_x: Taps, table: Tables, rgb: np.ndarray
) -> None:
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
    """
    _render(
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
    """First pixels of the runs that share their cells, and one past the last pixel.

    Unsigned: for an index that may be negative the compiler would look at each, and not use wide registers.
    """
    changes = np.flatnonzero((np.diff(near, axis=1) != 0).any(axis=0)) + 1
    return np.concatenate([[0], changes, [near.shape[1]]]).astype(np.uint64)


@_compiled()
def _render(gray_code, ab, slope, mean, low, high, y, x, fine_y, fine_x, table, constants, rgb):  # type: ignore[no-untyped-def]
    rows, columns = gray_code.shape
    row_a, row_b = np.empty(mean.shape[1], np.float32), np.empty(mean.shape[1], np.float32)
    row_slope_a, row_slope_b = np.empty_like(row_a), np.empty_like(row_a)
    row_mean = np.empty_like(row_a)
    row_low, row_high = np.empty(low.shape[1], np.float32), np.empty(low.shape[1], np.float32)
    lightness, beyond = np.empty(columns, np.float32), np.empty(columns, np.float32)
    a, b = np.empty(columns, np.float32), np.empty(columns, np.float32)
    linear, bins = np.empty((3, columns), np.float32), np.empty((3, columns), np.uint32)
    codes = np.empty((3, columns), np.uint16)
    work, outside = np.empty((7, columns), np.float32), np.empty(columns + 1, np.uint32)
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
        _round_to_codes(linear, bins, table.first_code, table.next_edge, codes)
        _store_row(codes, rgb[i])
        _mend_row(codes, linear, gray_code[i], table, rgb[i])


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
    """Each sum in a loop of its own: with more arrays in a loop the compiler leaves wide registers aside."""
    w0, w1 = linear[0], linear[1]
    for s in range(len(starts) - 1):
        left, right = near[1, starts[s]], near[2, starts[s]]
        m1, m2 = mean[left], mean[right]
        for j in range(starts[s], starts[s + 1]):
            clipped[j] = clipped[j] - (w0[j] * m1 + w1[j] * m2)
    _enlarge_plane_row(row_a, slope_a, clipped, near, cubic, linear, starts, a)
    _enlarge_plane_row(row_b, slope_b, clipped, near, cubic, linear, starts, b)


@_compiled()
def _enlarge_plane_row(row, slope, beyond, near, cubic, linear, starts, out):  # type: ignore[no-untyped-def]
    c0, c1, c2, c3 = cubic[0], cubic[1], cubic[2], cubic[3]
    w0, w1 = linear[0], linear[1]
    for s in range(len(starts) - 1):
        n0, n1, n2, n3 = near[0, starts[s]], near[1, starts[s]], near[2, starts[s]], near[3, starts[s]]
        r0, r1, r2, r3 = row[n0], row[n1], row[n2], row[n3]
        s1, s2 = slope[n1], slope[n2]
        for j in range(starts[s], starts[s + 1]):
            wide = c0[j] * r0 + c1[j] * r1 + c2[j] * r2 + c3[j] * r3
            out[j] = wide + (w0[j] * s1 + w1[j] * s2) * beyond[j]


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


@_compiled()
def _round_to_codes(linear, bins, first_code, next_edge, codes):  # type: ignore[no-untyped-def]
    for c in range(3):
        for j in range(linear.shape[1]):
            codes[c, j] = first_code[bins[c, j]] + (linear[c, j] >= next_edge[bins[c, j]])


@_compiled()
def _store_row(codes, rgb):  # type: ignore[no-untyped-def]
    for j in range(len(rgb)):
        rgb[j, 0], rgb[j, 1], rgb[j, 2] = codes[0, j], codes[1, j], codes[2, j]


@_compiled()
def _mend_row(codes, linear, gray_code, table, rgb):  # type: ignore[no-untyped-def]
    """Mend the pixels that have not their gray; they are rare, and blocks are counted faster than pixels are asked."""
    red, green, blue = codes[0], codes[1], codes[2]
    for start in range(0, len(gray_code), _BLOCK):
        block = slice(start, start + _BLOCK)
        if _count_broken(red[block], green[block], blue[block], gray_code[block], table):
            for j in range(start, min(start + _BLOCK, len(gray_code))):
                one = slice(j, j + 1)
                if _count_broken(red[one], green[one], blue[one], gray_code[one], table):
                    rgb[j, 0], rgb[j, 1], rgb[j, 2] = _mend(codes[:, j], linear[:, j], gray_code[j], table)


@_compiled()
def _count_broken(red, green, blue, gray_code, table):  # type: ignore[no-untyped-def]
    light, least, most = table.linear, table.least, table.most
    of_red, of_green, of_blue = table.weights[0], table.weights[1], table.weights[2]
    count = 0
    for j in range(len(gray_code)):
        luminance = light[red[j]] * of_red + light[green[j]] * of_green + light[blue[j]] * of_blue
        count += (luminance < least[gray_code[j]]) | (luminance > most[gray_code[j]])
    return count


@_compiled()
def _mend(codes, linear, gray_code, table):  # type: ignore[no-untyped-def]
    """As `training.reversible.mend`, for one pixel."""
    light, weights, top = table.linear, table.weights, len(table.linear) - 1
    red = _fractional_code(int(codes[0]), linear[0], light)
    green = _fractional_code(int(codes[1]), linear[1], light)
    blue = _fractional_code(int(codes[2]), linear[2], light)
    gray = int(gray_code)
    best_red, best_green, best_blue, nearest = gray, gray, gray, np.inf
    for step_red in (0, -1, 1):
        for step_green in (0, -1, 1):
            for step_blue in (0, -1, 1):
                r = min(max(int(codes[0]) + step_red, 0), top)
                g = min(max(int(codes[1]) + step_green, 0), top)
                b = min(max(int(codes[2]) + step_blue, 0), top)
                luminance = light[r] * weights[0] + light[g] * weights[1] + light[b] * weights[2]
                if table.least[gray] <= luminance <= table.most[gray]:
                    dr, dg, db = r - red, g - green, b - blue
                    along = dr + dg + db
                    distance = dr * dr + dg * dg + db * db - along * along / 3
                    if distance < nearest:
                        best_red, best_green, best_blue, nearest = r, g, b, distance
    return best_red, best_green, best_blue


@_compiled()
def _fractional_code(code, linear, light):  # type: ignore[no-untyped-def]
    lower = min(max(code - (linear < light[code] / _UNIT), 0), len(light) - 2)
    return lower + (linear - light[lower] / _UNIT) / (light[lower + 1] / _UNIT - light[lower] / _UNIT)
