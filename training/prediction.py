"""Predict: one plane to its colour map, by the network; small, once for each plane."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import torch

from training import __version__
from training.checkpoints import ModelInfo, load_model
from training.chroma_map import AB_STEP, UNCERTAINTY_STEP, ChromaMap
from training.color import srgb_to_lab
from training.errors import PlaneError, SettingsError
from training.hints import Hint
from training.model_files import find_model
from training.network import AB_SCALE, BIN_STRIDE, Colour, UNetGenerator, bin_centres
from training.plane import ArrayLike, check_plane, row_bands
from training.provenance import sha256_file
from training.small_lightness import small_lightness
from training.window import Window, choose_window

Device = Literal["auto", "cpu", "cuda"]
HINT_RADIUS = 1  # pixels of the small lightness: a hint is a square of 3 x 3
VARIANT_DRAWS = 4  # colours that a seed decides


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the network sees of a plane, and what a record must tell of how it was seen."""

    lightness: np.ndarray
    shape: tuple[int, int]
    window: Window
    record: Mapping[str, object]


class Colorizer:
    """A loaded model.

    Make one with `Colorizer.load`.

    Attributes
    ----------
    name : str
        Name of the model.
    sha256 : str
        SHA-256 of its file.
    info : ModelInfo
        What the file says about itself.
    """

    def __init__(self, network: UNetGenerator, info: ModelInfo, sha256: str, device: torch.device) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)
        self.info = info
        self.name = info.name
        self.sha256 = sha256
        self.device = device

    @classmethod
    def load(cls, model: str | Path = "photo", device: Device = "auto") -> Self:
        """Load a model by name or from a file.

        Raises
        ------
        ModelFileError
            If there is no such model, or its file is damaged.
        SettingsError
            If the device is not there.
        """
        path = find_model(model)
        network, info = load_model(path)
        return cls(network, info, sha256_file(path), _device(device))

    def predict(
        self,
        plane: ArrayLike | Sequence[ArrayLike] | ChromaMap,
        hints: Sequence[Hint] = (),
        seed: int | None = None,
        window: Window | None = None,
    ) -> ChromaMap:
        """Colour of one plane.

        Parameters
        ----------
        plane : array-like, shape (Y, X), or list of levels fine to coarse, or ChromaMap
            A map is predicted again from its own small lightness. Of levels, the coarsest whose short side is at least
            twice the working size is read.
        hints : sequence of Hint
            Colours to keep to.
        seed : int, optional
            Draws one of the plausible variants; without it the result is the usual one.
        window : Window, optional
            From stored values to gray; by default `choose_window` of the plane.

        Returns
        -------
        ChromaMap
            On a CPU the same for the same plane and settings, whatever else runs.

        Raises
        ------
        PlaneError
            If `plane` is no plane, or a hint lies outside it.
        SettingsError
            If the seed is negative, or another window is asked for than that of a map.
        """
        if seed is not None and seed < 0:
            raise SettingsError(f"a seed is a whole number from 0 up, got {seed}")
        seen = self._see(plane, window)
        channels = _hint_channels(hints, seen.shape, seen.lightness.shape, self.info.saturation)
        if seed is not None:
            channels = self._draw_variant(seen.lightness, channels, np.random.default_rng(seed))
        asked = {"seed": seed, "hints": [asdict(hint) for hint in hints]}
        return self._to_map(self._run(seen.lightness, channels), seen, asked)

    def _see(self, plane: ArrayLike | Sequence[ArrayLike] | ChromaMap, window: Window | None) -> "_Seen":
        if isinstance(plane, ChromaMap):
            if window is not None and window != plane.window:
                raise SettingsError("a map keeps its window: predict from the plane to change it")
            kept = {key: plane.record[key] for key in ("level_read", "nan_pixels") if key in plane.record}
            return _Seen(plane.lightness, plane.shape, plane.window, kept)
        levels: Sequence[ArrayLike] = plane if isinstance(plane, list | tuple) else [cast(ArrayLike, plane)]
        if not levels:
            raise PlaneError("expected a plane or its levels, got an empty list")
        shapes = [check_plane(level) for level in levels]
        enough = [i for i, shape in enumerate(shapes) if min(shape) >= 2 * self.info.working_size]
        read = enough[-1] if enough else 0
        # of the finest level: in the others single bright pixels are averaged away, and would be clipped
        window = window or choose_window(RowBands(levels[0]))
        lightness = small_lightness(levels[read], window, self.info.working_size)
        return _Seen(lightness, shapes[0], window, {"level_read": read, "nan_pixels": RowBands(levels[0]).count_nan()})

    def _run(self, lightness: np.ndarray, hint_channels: np.ndarray) -> Colour:
        inputs = np.concatenate([lightness[None] / np.float32(127.5) - 1, hint_channels]).astype(np.float32)
        stride = self.network.stride
        padding = [(0, 0), *((0, -side % stride) for side in lightness.shape)]
        batch = torch.from_numpy(np.pad(inputs, padding, mode="symmetric"))[None]
        with _one_thread(), torch.inference_mode():
            return self.network(batch.to(self.device, memory_format=torch.channels_last))

    def _to_map(self, colour: Colour, seen: "_Seen", asked: Mapping[str, object]) -> ChromaMap:
        rows, columns = (side // 2 for side in seen.lightness.shape)
        ab = colour.ab[0, :, :rows, :columns].cpu().numpy() * AB_SCALE * self.info.saturation
        scale = np.exp(colour.log_scale[0, 0, :rows, :columns].cpu().numpy()) * AB_SCALE
        made_by = {
            "model": self.name,
            "model_sha256": self.sha256,
            "working_size": self.info.working_size,
            "saturation": self.info.saturation,
            "version": __version__,
        }
        return ChromaMap(
            ab=np.rint(np.clip(ab, -128, 127) / AB_STEP).astype(np.int16),
            uncertainty=np.rint(np.clip(scale / UNCERTAINTY_STEP, 0, 255)).astype(np.uint8),
            lightness=seen.lightness,
            shape=seen.shape,
            window=seen.window,
            record={**seen.record, **asked, **made_by},
        )

    def _draw_variant(self, lightness: np.ndarray, channels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Give the network a few of its own plausible colours as hints, the most uncertain spot first."""
        channels = channels.copy()
        rows, columns = (max(1, side // BIN_STRIDE) for side in lightness.shape)
        for _ in range(VARIANT_DRAWS):
            taken = _has_hint(channels, rows, columns)
            if taken.all():
                break
            logits = self._run(lightness, channels).logits[0].cpu().numpy().astype(np.float64)
            chances = np.exp(logits[:, :rows, :columns] - logits[:, :rows, :columns].max(axis=0))
            chances /= chances.sum(axis=0)
            entropy = -(chances * np.log(chances + 1e-12)).sum(axis=0)
            y, x = np.unravel_index(np.where(taken, -1, entropy).argmax(), entropy.shape)
            colour = bin_centres()[rng.choice(len(chances), p=chances[:, y, x])]
            _place_hint(channels, (y + 0.5) * BIN_STRIDE - 0.5, (x + 0.5) * BIN_STRIDE - 0.5, colour / AB_SCALE)
        return channels


def _has_hint(channels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Cells of the distribution's grid that hold a hint already."""
    y, x = np.nonzero(channels[0])
    cells = np.zeros((rows, columns), bool)
    cells[np.minimum(y // BIN_STRIDE, rows - 1), np.minimum(x // BIN_STRIDE, columns - 1)] = True
    return cells


def _hint_channels(
    hints: Sequence[Hint], shape: tuple[int, int], small: tuple[int, int], saturation: float
) -> np.ndarray:
    """Mask, a* and b* of the hints on the small grid: float32, shape (3, y, x)."""
    channels = np.zeros((3, *small), np.float32)
    for hint in hints:
        if not (-0.5 <= hint.y <= shape[0] - 0.5 and -0.5 <= hint.x <= shape[1] - 0.5):
            raise PlaneError(f"the hint at y {hint.y:g}, x {hint.x:g} lies outside the plane of shape {shape}")
        y, x = ((p + 0.5) * cells / side - 0.5 for p, cells, side in zip((hint.y, hint.x), small, shape))
        ab = srgb_to_lab(np.array(hint.rgb) / 255)[1:]
        # the map's colours are multiplied by the saturation, a hint is meant as it is
        _place_hint(channels, y, x, ab / (AB_SCALE * saturation))
    return channels


def _place_hint(channels: np.ndarray, y: float, x: float, scaled_ab: np.ndarray) -> None:
    row, column = (int(np.clip(round(p), 0, side - 1)) for p, side in zip((y, x), channels.shape[1:]))
    square = np.s_[
        max(0, row - HINT_RADIUS) : row + HINT_RADIUS + 1, max(0, column - HINT_RADIUS) : column + HINT_RADIUS + 1
    ]
    channels[0][square] = 1
    channels[1:, *square] = np.asarray(scaled_ab)[:, None, None]


class RowBands:
    """A plane as bands of rows, read when they are iterated over."""

    def __init__(self, plane: ArrayLike) -> None:
        self.plane = plane

    def __iter__(self) -> Iterator[np.ndarray]:
        return (np.asarray(self.plane[start:stop]) for start, stop in row_bands(self.plane))

    def count_nan(self) -> int:
        """Pixels that are NaN (and shown black)."""
        if np.dtype(self.plane.dtype).kind != "f":
            return 0
        return sum(int(np.isnan(band).sum()) for band in self)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the network: two would change the last bits. Many planes are predicted in parallel instead."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(device: Device) -> torch.device:
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise SettingsError("no CUDA device is available to torch: use --device auto or cpu")
    return torch.device("cuda" if device == "cuda" or (device == "auto" and available) else "cpu")
