"""ChromaMap: the colour of one plane, small; the only thing that passes from prediction to rendering.

Its file is a safetensors file. Each array is one plane in it, rows of further axes below each other, coded by JPEG-LS
[1]_, the lossless image code that leaves the fewest bytes of small pictures without training.

References
----------
.. [1] Weinberger, Seroussi and Sapiro, "The LOCO-I lossless image compression algorithm", IEEE TIP 2000; ISO 14495-1.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from training.atomic import put_whole
from training.errors import MapFileError, SettingsError
from training.hashes import sha256_pixels
from training.window import Window

if TYPE_CHECKING:
    from training.plane import ArrayLike
    from training.rendering import Region

MAP_FORMAT = "napari-colorize chroma map 2"
AB_STEP = 1.0  # of the stored a*, b*
UNCERTAINTY_STEP = 0.5  # of the stored uncertainty
AB_STRIDE = 2  # pixels of the small lightness for a cell of a*, b* and uncertainty
DISTRIBUTION_STRIDE = 8  # and for one of the distribution
LARGEST_MAP_BYTES = 64_000_000
LARGEST_GRID = 1 << 22  # pixels of the small lightness: 1024 x 4096, see `training.prediction.FINEST_SIDE`
MOST_BINS = 1024  # of the distribution
_METADATA = "chroma_map"  # key of the metadata in a file
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError)  # what JSON of another form raises
_TYPES = {"ab": np.int8, "uncertainty": np.uint8, "lightness": np.uint8, "distribution": np.uint8}


@dataclass(frozen=True, slots=True, eq=False)
class ChromaMap:
    """Colour of one plane on a small grid, and how it came about. Immutable.

    Attributes
    ----------
    ab : ndarray of int8, shape (2, y / 2, x / 2)
        a* and b* in steps of 1, on half the grid of `lightness`.
    uncertainty : ndarray of uint8, shape (y / 2, x / 2)
        Expected absolute error of a* and b*, in steps of 0.5.
    lightness : ndarray of uint8, shape (y, x)
        The small lightness that the network saw: round(L* * 2.55).
    shape : tuple of two int
        Of the plane (level 0), (Y, X).
    window : Window
        From stored values to gray.
    distribution : ndarray of uint8, shape (bins, ceil(y / 8), ceil(x / 8)), optional
        How likely each colour of `training.color.bin_centres` is: round(255 * sqrt(probability)).
    wraps : bool
        Whether the plane is a tile of a texture: after the right edge comes the left one, after the bottom the top.
    flags : tuple of str
        What a person should know of the plane: ``blank`` (nothing is to be seen in it), ``text`` (print or a drawing),
        ``out_of_domain`` (unlike photographs); see `training.domain`.
    record : mapping
        Plain values for JSON. Of the plane: NaN pixels, level that was read, pictures found on a page; of a file, as
        its road adds it: page, channel, bits of the result, SHA-256 of the source. Of the prediction: model and its
        SHA-256, working size, saturation, seed, hints, version.
    """

    ab: np.ndarray
    uncertainty: np.ndarray
    lightness: np.ndarray
    shape: tuple[int, int]
    window: Window
    distribution: np.ndarray | None = None
    wraps: bool = False
    flags: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = {name: array.shape for name, array in self.arrays().items()}
        bins = 0 if self.distribution is None else len(self.distribution)
        _check_grid(self.lightness.shape, bins)
        if found != _shapes(self.lightness.shape, bins):
            raise MapFileError(f"the parts of a map do not fit together: {found}")
        for name, array in self.arrays().items():
            own = np.array(array).astype(_TYPES[name], order="C")  # stores write memory as it lies
            if not np.array_equal(own, array):
                raise MapFileError(f"{name} holds values that its steps do not reach")
            own.flags.writeable = False
            object.__setattr__(self, name, own)
        object.__setattr__(self, "record", MappingProxyType(dict(self.record)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_bytes, (self.to_bytes(),)  # a read-only mapping cannot be pickled

    def render(
        self, plane: "ArrayLike", region: "Region | None" = None, bits: int | None = None, *, threads: int = 1
    ) -> np.ndarray:
        """The coloured plane, or a region of it; see `training.rendering.render`."""
        from training.rendering import render

        return render(self, plane, region, bits, threads=threads)

    def with_saturation(self, factor: float) -> Self:
        """The same colours with their chroma multiplied by `factor` (0: gray)."""
        if not 0 <= factor <= 10:
            raise SettingsError(f"saturation must lie between 0 and 10, got {factor}")
        saturation = float(self.record.get("saturation", 1.0)) * factor
        return replace(self, ab=quantised_ab(self.ab * (AB_STEP * factor))).with_record(saturation=saturation)

    def with_record(self, **more: object) -> Self:
        """The same map, with more in its record."""
        return replace(self, record={**self.record, **more})

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {name: array for name in _TYPES if (array := getattr(self, name)) is not None}

    def metadata(self) -> dict[str, Any]:
        """All that is no array, as plain values for JSON."""
        return {
            "format": MAP_FORMAT,
            "grid": list(self.lightness.shape),
            "bins": 0 if self.distribution is None else len(self.distribution),
            "shape": list(self.shape),
            "window": self.window.to_dict(),
            "wraps": self.wraps,
            "flags": list(self.flags),
            "record": dict(self.record),
        }

    def content_sha256(self) -> str:
        """SHA-256 of all that decides how a plane is rendered; the same whatever coded the file."""
        decisive = {key: value for key, value in self.metadata().items() if key in ("shape", "window", "wraps")}
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
        for array in self.arrays().values():
            digest.update(sha256_pixels(array).encode())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """The map as the bytes of its file."""
        from imagecodecs import jpegls_encode
        from safetensors.numpy import save

        coded = {
            name: np.frombuffer(jpegls_encode(_as_image(array)), np.uint8) for name, array in self.arrays().items()
        }
        # under one key: the library writes several in an order that changes
        return save(coded, {_METADATA: json.dumps(self.metadata(), separators=(",", ":"))})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`.

        Raises
        ------
        MapFileError
            If they are no map of this version, or damaged.
        """
        from imagecodecs import JpeglsError
        from safetensors import SafetensorError, deserialize

        try:
            coded = {name: bytes(entry["data"]) for name, entry in deserialize(data)}
            length = int.from_bytes(data[:8], "little")  # of the header, which `deserialize` has checked
            metadata = json.loads(json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(_METADATA, "{}"))
            return cls._from_parts(coded, metadata)
        except (SafetensorError, JpeglsError, ArithmeticError, RecursionError, *_MALFORMED) as error:
            raise MapFileError(f"damaged, incomplete or no colour map ({error})") from error

    @classmethod
    def _from_parts(cls, coded: Mapping[str, bytes], metadata: Mapping[str, Any]) -> Self:
        if (found := metadata.get("format")) != MAP_FORMAT:
            raise MapFileError(f"no colour map of this version: its format is {found!r}")
        rows, columns, bins, height, width = map(int, (*metadata["grid"], metadata["bins"], *metadata["shape"]))
        _check_grid((rows, columns), bins)
        if min(height, width) < 1 or not isinstance(metadata["wraps"], bool) or not isinstance(metadata["flags"], list):
            raise MapFileError(
                "the shape of its plane, or whether it wraps, or its flags are not those of a colour map"
            )
        shapes = _shapes((rows, columns), bins)
        return cls(
            **{name: _from_image(coded[name], shape, _TYPES[name]) for name, shape in shapes.items()},
            shape=(height, width),
            window=Window.from_dict(metadata["window"]),
            wraps=metadata["wraps"],
            flags=tuple(map(str, metadata["flags"])),
            record=metadata["record"],
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the map to a file, whole or not at all."""
        with put_whole(Path(path), overwrite=overwrite) as partial:
            partial.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a map from a file.

        Raises
        ------
        MapFileError
            If the file is missing, damaged or no map.
        """
        try:
            if Path(path).stat().st_size > LARGEST_MAP_BYTES:
                raise MapFileError("larger than any colour map")
            return cls.from_bytes(Path(path).read_bytes())
        except (OSError, MapFileError) as error:
            raise MapFileError(f"{path}: cannot be read as a colour map: {error}") from error


def quantised_ab(ab: np.ndarray) -> np.ndarray:
    """a* and b* in the steps of a map: int8."""
    limits = np.iinfo(np.int8)
    return np.clip(np.rint(np.divide(ab, AB_STEP)), limits.min, limits.max).astype(np.int8)


def quantised_uncertainty(error: np.ndarray) -> np.ndarray:
    """Expected errors in the steps of a map: uint8."""
    return np.rint(np.clip(error / UNCERTAINTY_STEP, 0, 255)).astype(np.uint8)


def _check_grid(grid: tuple[int, ...], bins: int) -> None:
    """Refuse sides that a small lightness cannot have, before memory is taken."""
    if len(grid) != 2 or any(side < 1 or side % AB_STRIDE for side in grid):
        raise MapFileError(f"a small lightness has two even sides, not {list(grid)}")
    if math.prod(grid) > LARGEST_GRID or not 0 <= bins <= MOST_BINS:
        raise MapFileError(f"no colour map is as large as {list(grid)} with {bins} bins")


def _shapes(grid: tuple[int, ...], bins: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of a map with this small lightness."""
    half = tuple(side // AB_STRIDE for side in grid)
    coarse = tuple(math.ceil(side / DISTRIBUTION_STRIDE) for side in grid)
    shapes = {"ab": (2, *half), "uncertainty": half, "lightness": tuple(grid)}
    return shapes | ({"distribution": (bins, *coarse)} if bins else {})


def _as_image(array: np.ndarray) -> np.ndarray:
    """The array as unsigned rows below each other; signed ones are moved up, so that zero lies amid."""
    rows = array.reshape(-1, array.shape[-1])
    return rows.view(np.uint8) ^ np.uint8(128) if rows.dtype == np.int8 else rows


def _from_image(coded: bytes, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    from imagecodecs import jpegls_decode

    rows = np.empty((math.prod(shape[:-1]), shape[-1]), np.uint8)
    jpegls_decode(coded, out=rows)  # refuses a picture of another size before it takes memory
    return ((rows ^ np.uint8(128)).view(dtype) if dtype == np.int8 else rows).reshape(shape)
