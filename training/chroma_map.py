"""ChromaMap: the colour of one plane, small; the only thing that passes from prediction to rendering."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from training.atomic import put_whole
from training.errors import MapFileError, SettingsError
from training.window import Window

if TYPE_CHECKING:
    from training.plane import ArrayLike
    from training.rendering import Region

MAP_FORMAT = "napari-colorize chroma map 1"
AB_STEP = 0.5  # of the stored a*, b*
UNCERTAINTY_STEP = 0.25  # of the stored uncertainty
LARGEST_MAP_BYTES = 64_000_000
_METADATA = "chroma_map"  # key of the metadata in a file
_ARRAYS = {"ab": np.int16, "uncertainty": np.uint8, "lightness": np.uint8}


@dataclass(frozen=True, slots=True, eq=False)
class ChromaMap:
    """Colour of one plane on a small grid, and how it came about. Immutable.

    Attributes
    ----------
    ab : ndarray of int16, shape (2, y / 2, x / 2)
        a* and b* in steps of 0.5, on half the grid of `lightness`.
    uncertainty : ndarray of uint8, shape (y / 2, x / 2)
        Expected absolute error of a* and b*, in steps of 0.25.
    lightness : ndarray of uint8, shape (y, x)
        The small lightness that the network saw: round(L* * 2.55).
    shape : tuple of two int
        Of the plane (level 0), (Y, X).
    window : Window
        From stored values to gray.
    record : mapping
        Plain values for JSON: model and its SHA-256, working size, saturation, seed, hints, version, NaN pixels.
    """

    ab: np.ndarray
    uncertainty: np.ndarray
    lightness: np.ndarray
    shape: tuple[int, int]
    window: Window
    record: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        half = tuple(side // 2 for side in self.lightness.shape)
        if len(half) != 2 or self.ab.shape != (2, *half) or self.uncertainty.shape != half:
            raise MapFileError(
                f"the parts of a map do not fit together: lightness {self.lightness.shape}, a*b* {self.ab.shape}, "
                f"uncertainty {self.uncertainty.shape}"
            )
        for name, dtype in _ARRAYS.items():
            array = np.array(getattr(self, name), dtype, order="C")  # stores write memory as it lies
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "record", MappingProxyType(dict(self.record)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_parts, (self.arrays(), self.metadata())  # a read-only mapping cannot be pickled

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
        limits = np.iinfo(np.int16)
        ab = np.clip(np.rint(self.ab * float(factor)), limits.min, limits.max)
        record = dict(self.record) | {"saturation": float(self.record.get("saturation", 1.0)) * factor}
        return replace(self, ab=ab, record=record)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, for a store."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def metadata(self) -> dict[str, Any]:
        """All that is no array, as plain values for JSON."""
        return {
            "format": MAP_FORMAT,
            "shape": list(self.shape),
            "window": self.window.to_dict(),
            "record": dict(self.record),
        }

    @classmethod
    def from_parts(cls, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `metadata`.

        Raises
        ------
        MapFileError
            If they do not describe a map of this version.
        """
        found = metadata.get("format") if isinstance(metadata, Mapping) else None
        if found != MAP_FORMAT:
            raise MapFileError(f"no colour map of this version: its format is {found!r}")
        try:
            height, width = (int(side) for side in metadata["shape"])
            window = Window.from_dict(metadata["window"])
            parts = {name: arrays[name] for name in _ARRAYS}
            if min(height, width) < 1 or any(parts[name].dtype != dtype for name, dtype in _ARRAYS.items()):
                raise MapFileError("the shape of its plane or a type of its arrays is not that of a colour map")
            return cls(**parts, shape=(height, width), window=window, record=metadata["record"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MapFileError(f"the colour map is incomplete or damaged ({error})") from error

    def to_bytes(self) -> bytes:
        """The map as the bytes of a safetensors file."""
        from safetensors.numpy import save

        # under one key: the library writes several in an order that changes
        return save(self.arrays(), {_METADATA: json.dumps(self.metadata())})

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
        from safetensors import SafetensorError, safe_open

        try:
            if Path(path).stat().st_size > LARGEST_MAP_BYTES:
                raise MapFileError(f"{path}: larger than any colour map")
            with safe_open(path, framework="numpy") as file:
                metadata = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, json.JSONDecodeError) as error:
            raise MapFileError(f"{path}: cannot be read as a colour map ({error})") from error
        try:
            return cls.from_parts(arrays, metadata)
        except MapFileError as error:
            raise MapFileError(f"{path}: {error}") from error
