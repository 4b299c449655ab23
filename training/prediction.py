"""Predict: one plane to its colour map, by the network; small, once for each plane."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, NamedTuple, Self, cast

import numpy as np
import torch

from training import __version__
from training.album import Box, find_pictures
from training.checkpoints import ModelInfo, load_model
from training.chroma_map import AB_STRIDE, DISTRIBUTION_STRIDE, ChromaMap, quantised_ab, quantised_uncertainty
from training.color import bin_centres
from training.domain import plane_flags
from training.doubt import expected_error
from training.enlargement import halved
from training.errors import PlaneError, SettingsError
from training.grid_colour import GridColour, softmax
from training.hashes import sha256_file
from training.hint_channels import cells_with_hints, hint_channels, place_hint
from training.hint_spreading import keep_to_hints
from training.hints import Hint
from training.model_files import check_shipped, find_model
from training.network import AB_SCALE, UNetGenerator, fold_batch_norm
from training.plane import ArrayLike, RowBands, check_plane
from training.small_lightness import area_means, small_lightness, small_shape
from training.torch_threads import torch_threads
from training.window import Window, choose_window

Device = Literal["auto", "cpu", "cuda"]
VARIANT_DRAWS = 4  # colours that a seed decides
FINEST_ALBUM = 4  # times the working size, at most: each picture of a page is seen at about the working size
FINEST_SIDE = 1024  # pixels of the short side of a small lightness, at most
WRAP_MARGIN = 192  # pixels of the small lightness: with 64 a seam of two codes was left, with 192 a tenth of one


class _Seen(NamedTuple):
    """What is seen of a plane, and what a record must tell of how it was seen."""

    lightness: np.ndarray
    shape: tuple[int, int]
    window: Window
    wraps: bool
    pictures: list[Box]
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
        sha256 = sha256_file(path)
        check_shipped(path, sha256)
        network, info = load_model(path)
        fold_batch_norm(network)
        return cls(network, info, sha256, _device(device))

    def predict(
        self,
        plane: ArrayLike | Sequence[ArrayLike] | ChromaMap,
        hints: Sequence[Hint] = (),
        seed: int | None = None,
        window: Window | None = None,
        *,
        wraps: bool = False,
        by_picture: bool = True,
        distribution: bool = False,
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
        wraps : bool
            The plane is a tile of a texture, and its result tiles too. A map keeps what it was made with.
        by_picture : bool
            Whether the pictures of a page with several are looked for, and seen by themselves.
        distribution : bool
            Whether the map tells how likely each colour is.

        Returns
        -------
        ChromaMap
            On a CPU the same for the same plane and settings, whatever else runs. On a page with several pictures
            each is seen by itself as well, on a finer grid.

        Raises
        ------
        PlaneError
            If `plane` is no plane, or a hint lies outside it.
        SettingsError
            If the seed is negative, or another window is asked for than that of a map.
        """
        if seed is not None and seed < 0:
            raise SettingsError(f"a seed is a whole number from 0 up, got {seed}")
        seen = (
            _see_again(plane, window) if isinstance(plane, ChromaMap) else self._see(plane, window, wraps, by_picture)
        )
        channels = hint_channels(hints, seen.shape, seen.lightness.shape)
        colour = self._colour(seen, hints, channels, None if seed is None else np.random.default_rng(seed))
        likely = np.rint(255 * np.sqrt(colour.probabilities)).astype(np.uint8) if distribution else None
        return ChromaMap(
            ab=quantised_ab(colour.ab),
            uncertainty=quantised_uncertainty(colour.error),
            lightness=seen.lightness,
            shape=seen.shape,
            window=seen.window,
            distribution=likely,
            wraps=seen.wraps,
            flags=plane_flags(seen.lightness),
            record={
                **seen.record,
                "seed": seed,
                "hints": [asdict(hint) for hint in hints],
                "model": self.name,
                "model_sha256": self.sha256,
                "working_size": self.info.working_size,
                "saturation": self.info.saturation,
                "version": __version__,
            },
        )

    def _see(
        self, plane: ArrayLike | Sequence[ArrayLike], window: Window | None, wraps: bool, by_picture: bool
    ) -> _Seen:
        levels: Sequence[ArrayLike] = plane if isinstance(plane, list | tuple) else [cast(ArrayLike, plane)]
        if not levels:
            raise PlaneError("expected a plane or its levels, got an empty list")
        shapes = [check_plane(level) for level in levels]
        # of the finest level: in the others single bright pixels are averaged away, and would be clipped
        window = window or choose_window(RowBands(levels[0]))
        size = self.info.working_size
        read = _level_to_read(shapes, size)
        lightness = small_lightness(levels[read], window, size)
        pictures = find_pictures(lightness) if by_picture and not wraps else []
        record: dict[str, object] = {"nan_pixels": RowBands(levels[0]).count_nan()}
        if pictures:
            coarse = lightness.shape
            magnified = round(size / np.median([min(box.sides) for box in pictures]))
            size = min(size * int(np.clip(magnified, 2, FINEST_ALBUM)), max(size, FINEST_SIDE))
            read = _level_to_read(shapes, size)
            lightness = small_lightness(levels[read], window, size)
            pictures = [box.on_grid(coarse, lightness.shape) for box in pictures]
            record["pictures"] = [asdict(box) for box in pictures]
        return _Seen(lightness, shapes[0], window, wraps, pictures, {"level_read": read, **record})

    def _colour(
        self, seen: _Seen, hints: Sequence[Hint], channels: np.ndarray, rng: np.random.Generator | None
    ) -> GridColour:
        if not seen.pictures:
            return self._colour_of(seen.lightness, channels, rng, seen.wraps)
        shape = small_shape(seen.shape, self.info.working_size)
        whole = np.rint(area_means(seen.lightness, shape)).astype(np.uint8)
        colour = self._colour_of(whole, hint_channels(hints, seen.shape, shape), rng)
        colour = colour.on_finer_grid(whole, seen.lightness)
        for box in seen.pictures:
            seen_box = box.grown(DISTRIBUTION_STRIDE, shape=seen.lightness.shape)
            picture = self._colour_of(seen.lightness[seen_box.slices], channels[:, *seen_box.slices], rng)
            colour.paste(picture, box, seen_box)
        return colour

    def _colour_of(
        self, lightness: np.ndarray, channels: np.ndarray, rng: np.random.Generator | None, wraps: bool = False
    ) -> GridColour:
        """Colour of one small lightness, drawn by `rng` where there is one."""
        told = channels.copy()
        told[1:] /= self.info.saturation  # the result is multiplied by it, a hint is meant as it is
        if rng is not None:
            self._draw_variant(lightness, told, rng, wraps)
        return keep_to_hints(self._run(lightness, told, wraps), lightness, channels, wraps=wraps)

    def _run(self, lightness: np.ndarray, channels: np.ndarray, wraps: bool) -> GridColour:
        """What the network says of a picture and of its mirror image, on average: steadier than one of them."""
        inputs = np.concatenate(
            [lightness[None] / np.float32(127.5) - 1, channels / [[[1]], [[AB_SCALE]], [[AB_SCALE]]]]
        ).astype(np.float32)
        straight, mirrored = self._pass(inputs, wraps), self._pass(inputs[:, :, ::-1], wraps)
        ab, stated, chances = ((one + other[..., ::-1]) / 2 for one, other in zip(straight, mirrored, strict=True))
        light = halved(lightness.astype(np.float32) / np.float32(2.55))
        return GridColour(ab, expected_error(stated, chances, ab, light), chances)

    def _pass(self, inputs: np.ndarray, wraps: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One pass of the network: a*, b*, their expected error, and the probabilities of the bins."""
        stride, shape = self.network.stride, inputs.shape[1:]
        # a texture sees itself all around; other planes are only made as large as the network needs
        before = -(-WRAP_MARGIN // stride) * stride if wraps else 0
        padding = [(0, 0), *((before, before + -side % stride) for side in shape)]
        padded = np.pad(inputs, padding, mode="wrap" if wraps else "symmetric")
        batch = torch.from_numpy(padded)[None].to(self.device, memory_format=torch.channels_last)
        # two threads would change the last bits; many planes are predicted in parallel instead
        with torch_threads(1), torch.inference_mode():
            ab, log_scale, logits = (part[0].cpu().numpy() for part in self.network(batch))
        inner, coarse = (_inner(before, shape, step) for step in (AB_STRIDE, DISTRIBUTION_STRIDE))
        return (
            ab[:, *inner] * (AB_SCALE * self.info.saturation),
            np.exp(log_scale[0, *inner]) * AB_SCALE,
            softmax(logits[:, *coarse]),
        )

    def _draw_variant(self, lightness: np.ndarray, channels: np.ndarray, rng: np.random.Generator, wraps: bool) -> None:
        """Give the network a few of its own plausible colours as hints, the most uncertain spot first."""
        for _ in range(VARIANT_DRAWS):
            taken = cells_with_hints(channels, DISTRIBUTION_STRIDE)
            if taken.all():
                return
            chances = self._run(lightness, channels, wraps).probabilities
            entropy = -(chances * np.log(chances + 1e-12)).sum(axis=0)
            y, x = np.unravel_index(np.where(taken, -1, entropy).argmax(), entropy.shape)
            colour = bin_centres()[rng.choice(len(chances), p=chances[:, y, x])]
            centre_y, centre_x = ((cell + 0.5) * DISTRIBUTION_STRIDE - 0.5 for cell in (y, x))
            place_hint(channels, centre_y, centre_x, colour)


def _see_again(chroma: ChromaMap, window: Window | None) -> _Seen:
    if window is not None and window != chroma.window:
        raise SettingsError("a map keeps its window: predict from the plane to change it")
    pictures = [Box(**box) for box in chroma.record.get("pictures", ())]
    return _Seen(chroma.lightness, chroma.shape, chroma.window, chroma.wraps, pictures, chroma.record)


def _level_to_read(shapes: Sequence[tuple[int, int]], size: int) -> int:
    """The coarsest level whose short side is at least twice the working size."""
    return max((index for index, shape in enumerate(shapes) if min(shape) >= 2 * size), default=0)


def _inner(before: int, shape: tuple[int, ...], stride: int) -> tuple[slice, ...]:
    """What lies within the padding, on a coarser grid."""
    return tuple(slice(before // stride, before // stride + -(-side // stride)) for side in shape)


def _device(device: Device) -> torch.device:
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise SettingsError("no CUDA device is available to torch: use --device auto or cpu")
    return torch.device("cuda" if device == "cuda" or (device == "auto" and available) else "cpu")
