"""The window: the monotone map T from stored values to gray, one for a layer, stack, series or file."""

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, reduce
from typing import Self

import numpy as np

from training.errors import PlaneError

PERCENTILES = (0.1, 99.9)


@dataclass(frozen=True, slots=True)
class Window:
    """v = T(x): (x - lo) / (hi - lo) clipped to 0..1, then the curve.

    Attributes
    ----------
    lo, hi : float
        Stored values that become black and white; ``lo > hi`` for negatives.
    curve : tuple of float, optional
        sRGB-encoded gray at equal steps of the clipped value from 0 to 1, rising: the curve of an embedded gray ICC
        profile. Without it the stored values are sRGB-encoded already.
    note : str
        How it was chosen, where that was not obvious.
    """

    lo: float
    hi: float
    curve: tuple[float, ...] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not np.isfinite(float(self.hi) - float(self.lo)) or self.lo == self.hi:
            raise PlaneError(f"a window needs two different finite values, got {self.lo} and {self.hi}")
        if self.curve and not ((np.diff(self.curve) >= 0).all() and 0 <= self.curve[0] and self.curve[-1] <= 1):
            raise PlaneError("the curve of a window must rise, from 0 to 1")
        for name in ("lo", "hi"):  # as they come back from a file, so that records are the same bytes
            object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def negative(self) -> bool:
        """Whether dark and light change places."""
        return self.lo > self.hi

    def value(self, raw: np.ndarray) -> np.ndarray:
        """Gray values v in [0, 1], float64, of stored values of any kind; NaN is black."""
        linear = np.clip((np.asarray(raw, np.float64) - self.lo) / (self.hi - self.lo), 0, 1)
        linear = np.nan_to_num(linear, copy=False)
        if self.curve is None:
            return linear
        return np.interp(linear, np.linspace(0, 1, len(self.curve)), self.curve)

    def apply(self, plane: np.ndarray, bits: int) -> np.ndarray:
        """Windowed gray codes of a plane.

        Parameters
        ----------
        plane : ndarray, any shape
            Stored values; 8- and 16-bit integers go through a table.
        bits : {8, 16}
            Depth of the codes.

        Returns
        -------
        ndarray of uint8 or uint16, same shape
            round(v * 255) or round(v * 65535); `plane` itself, not a copy, where these are its numbers in native order.
        """
        plane = np.asarray(plane)
        if plane.dtype.newbyteorder("=") in (np.uint8, np.uint16):
            codes = _code_table(self, plane.dtype.itemsize * 8, bits)
            # an ordinary scan is gray already, and looking each pixel up costs as much as half a render
            return plane.astype(f"uint{bits}", copy=False) if codes is None else codes[plane]
        return self._codes(plane, bits)

    def _codes(self, raw: np.ndarray, bits: int) -> np.ndarray:
        return np.rint(self.value(raw) * (2**bits - 1)).astype(f"uint{bits}")

    def result_bits(self, dtype: np.dtype) -> int:
        """Depth of a result: 8 for 8-bit planes, but 16 where 8 bits would merge values that 16 keep apart."""
        if dtype == bool:
            return 8
        if dtype != np.uint8:
            return 16
        kept = [len(np.unique(self.apply(np.arange(256, dtype=np.uint8), bits))) for bits in (8, 16)]
        return 8 if kept[0] == kept[1] else 16

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Self:
        """The inverse of `to_dict`."""
        curve = values.get("curve")
        return cls(
            float(values["lo"]),
            float(values["hi"]),
            tuple(map(float, curve)) if curve else None,
            values.get("note", ""),
        )


@lru_cache(maxsize=16)  # a plane is windowed band by band, a picture on the screen tile by tile
def _code_table(window: Window, stored_bits: int, bits: int) -> np.ndarray | None:
    """Codes of all stored values of 8 or 16 bits; None where each is its own code."""
    raw = np.arange(2**stored_bits)
    codes = window._codes(raw, bits)
    return None if stored_bits == bits and np.array_equal(codes, raw) else codes


@dataclass(frozen=True, slots=True)
class PlaneKind:
    """What the planes of a file must have in common to share a window.

    Attributes
    ----------
    dtype : str
        Of the stored values.
    bits_stored : int, optional
        Bits that the metadata states (BitsPerSample, BitsStored, sBIT).
    negative : bool
        Film negatives, MinIsWhite, MONOCHROME1: dark and light change places.
    curve : tuple of float, optional
        Of an embedded gray ICC profile, see `Window`.
    """

    dtype: str
    bits_stored: int | None
    negative: bool
    curve: tuple[float, ...] | None

    def choose_window(self, planes: Iterable[np.ndarray]) -> Window:
        """The window of planes of this kind; see `choose_window`."""
        return choose_window(planes, bits_stored=self.bits_stored, negative=self.negative, curve=self.curve)


def choose_window(
    planes: Iterable[np.ndarray],
    *,
    bits_stored: int | None = None,
    negative: bool = False,
    curve: tuple[float, ...] | None = None,
) -> Window:
    """The window of a file or stack by its type and values.

    8 bit: 0..255, always. 16 bit: the stated bits, else 12 where everything stays below 4096, else 16. Others: 0..1 if
    the values lie in it, else the 0.1 and 99.9 percentiles.

    Parameters
    ----------
    planes : iterable of ndarray, shape (Y, X)
        All planes that share the window; iterated over several times, so no generator.
    bits_stored : int, optional
        Bits that the metadata states (BitsPerSample, BitsStored, sBIT).
    negative : bool
        Film negatives, MinIsWhite, MONOCHROME1: dark and light change places.
    curve : tuple of float, optional
        Of an embedded gray ICC profile, see `Window`.
    """
    dtype = np.asarray(next(iter(planes))).dtype.newbyteorder("=")
    if dtype.kind not in "buif":
        raise PlaneError(f"values of type {dtype} are no gray: expected integers, floats or booleans")
    window = replace(_by_type(planes, dtype, bits_stored), curve=curve)
    return replace(window, lo=window.hi, hi=window.lo) if negative else window


def _by_type(planes: Iterable[np.ndarray], dtype: np.dtype, bits_stored: int | None) -> Window:
    if dtype == bool:
        return Window(0, 1)
    if dtype == np.uint8:
        return Window(0, 255)
    if dtype == np.uint16:
        if bits_stored is None:
            twelve = max(int(np.max(plane, initial=0)) for plane in planes) < 4096
            note = "12 of 16 bits: all values are below 4096" if twelve else ""
            return Window(0, 4095 if twelve else 65535, note=note)
        return Window(0, 2**bits_stored - 1, note=f"{bits_stored} bits, as the file says" if bits_stored < 16 else "")
    return _by_values(planes, dtype)


def _by_values(planes: Iterable[np.ndarray], dtype: np.dtype) -> Window:
    low, high = _finite_range(planes)
    if low > high:
        return Window(0, 1, note="no finite value: all is black")
    if 0 <= low and high <= 1:
        return Window(0, 1)
    if low == high:
        return Window(low, low + max(1, abs(low)), note=f"all values are {low:g}")
    lo, hi = _percentiles(planes)
    if lo == hi:
        return Window(low, high, note=f"{low:g} to {high:g}: nearly all values are {lo:g}")
    return Window(lo, hi, note=f"{lo:g} to {hi:g}: the 0.1 and 99.9 percentiles")


def _finite(plane: np.ndarray) -> np.ndarray:
    values = np.asarray(plane).ravel()
    return values[np.isfinite(values)]


def _finite_range(planes: Iterable[np.ndarray]) -> tuple[float, float]:
    pairs = [(values.min(), values.max()) for values in map(_finite, planes) if values.size]
    extremes = list(itertools.chain.from_iterable(pairs))
    return (float(min(extremes)), float(max(extremes))) if extremes else (1.0, 0.0)


def _percentiles(planes: Iterable[np.ndarray]) -> tuple[float, float]:
    """Counted by the upper, then the lower half of the bits: a stack need not fit into memory, outliers do no harm."""
    counts = reduce(np.add, (np.bincount(_order(plane) >> 16, minlength=1 << 16) for plane in planes))
    low, high = (_percentile(planes, counts, percentile) for percentile in PERCENTILES)
    return low, high


def _percentile(planes: Iterable[np.ndarray], counts: np.ndarray, percentile: float) -> float:
    rank = np.sum(counts) * percentile / 100
    upper = int(np.searchsorted(np.cumsum(counts), rank))
    orders = (_order(plane) for plane in planes)
    within = (np.bincount(order[order >> 16 == upper] & 0xFFFF, minlength=1 << 16) for order in orders)
    lower = int(np.searchsorted(np.cumsum(reduce(np.add, within)), rank - np.sum(counts[:upper])))
    return _value_of_order(upper << 16 | lower)


def _order(plane: np.ndarray) -> np.ndarray:
    """Integers in [0, 2**32) that rise with the finite values of a plane: the bits of single precision."""
    limit = np.finfo(np.float32).max
    bits = np.clip(_finite(plane), -limit, limit).astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, ~bits & 0xFFFFFFFF, bits | 1 << 31)


def _value_of_order(order: int) -> float:
    bits = order ^ 1 << 31 if order >> 31 else ~order & 0xFFFFFFFF
    return float(np.uint32(bits).view(np.float32))
