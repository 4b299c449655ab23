"""Watching a model while it learns: figures on pictures that it is not trained on, and how it colours them."""

import copy
import io
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from training.checkpoints import ModelInfo
from training.chroma_map import ChromaMap
from training.color import gray
from training.data import Pictures
from training.evaluation.candidates import Candidate
from training.evaluation.evaluate import measure
from training.evaluation.perceptual import Judges
from training.network import UNetGenerator, fold_batch_norm
from training.picture_sources import decode_rgb
from training.prediction import Colorizer
from training.stopping import Look

SIDE = 160  # pixels of the short side of the pictures that are watched: enough to tell models apart, and quick
SHOWN = 8  # pictures of a preview
SHOWN_SIDE = 96  # pixels


class Watcher:
    """Measures models on the same pictures again and again.

    Parameters
    ----------
    pictures : Pictures
        Colour pictures that are not trained on.
    judges : Judges
        See `training.evaluation`.
    """

    def __init__(self, pictures: Pictures, judges: Judges) -> None:
        self.judges = judges
        small = [_reduced(data, SIDE) for data in pictures.encoded]
        self.pictures = Pictures(pictures.names, small, {})

    def look(self, network: UNetGenerator, info: ModelInfo, place: int) -> tuple[Look, np.ndarray]:
        """Measure a model as it is now, at a place of the schedule.

        Returns
        -------
        Look
            What was measured.
        ndarray of uint8, shape (Y, X, 3)
            A row of pictures as it colours them.
        """
        colorizer = colorizer_of(network, info)
        maps: list[ChromaMap] = []

        def predict(plane: np.ndarray) -> ChromaMap:
            maps.append(colorizer.predict(plane, by_picture=False))
            return maps[-1]

        figures = measure([Candidate("now", predict, is_model=True)], self.pictures, self.judges)["models"]["now"]
        equal: Mapping[str, float | None] = figures["at_065"] or {}  # type: ignore[assignment]
        mean = np.mean([chroma.ab.mean(axis=(1, 2)) for chroma in maps], axis=0)
        return Look(
            samples=place,
            **{key: equal.get(key) for key in ("gain_db", "lpips_squeeze", "ciede2000", "palette_distance")},
            own_gain_db=figures["gain_db"],  # type: ignore[arg-type]
            colourfulness_ratio=figures["colourfulness_ratio"],  # type: ignore[arg-type]
            kid_lite1=figures["kid_lite1"],  # type: ignore[arg-type]
            hue=float(np.degrees(np.arctan2(mean[1], mean[0]))),
            unsteadiness=self._unsteadiness(colorizer, maps),
        ), self._row(maps)

    def _unsteadiness(self, colorizer: Colorizer, maps: Sequence[ChromaMap]) -> float:
        differences, chroma_means = [], []
        for data, chroma in zip(self.pictures.encoded, maps):
            half = colorizer.predict(gray(np.asarray(decode_rgb(_reduced(data, SIDE // 2)))), by_picture=False)
            ab = _resized(chroma.ab, half.ab.shape[1:])
            differences.append(np.linalg.norm(ab - half.ab, axis=0).mean())
            chroma_means.append(np.linalg.norm(ab, axis=0).mean())
        return float(np.mean(differences) / max(np.mean(chroma_means), 1e-6))

    def _row(self, maps: Sequence[ChromaMap]) -> np.ndarray:
        planes = [gray(np.asarray(decode_rgb(data))) for data in self.pictures.encoded[:SHOWN]]
        return preview_row([chroma.render(plane) for chroma, plane in zip(maps, planes)])

    def true_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The pictures of a preview in gray and in their true colours, as two rows."""
        true = [np.asarray(decode_rgb(data)) for data in self.pictures.encoded[:SHOWN]]
        return preview_row([np.repeat(gray(rgb8)[..., None], 3, axis=2) for rgb8 in true]), preview_row(true)


def preview_row(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The middles of pictures side by side, as squares: uint8, shape (Y, X, 3)."""
    squares = []
    for rgb8 in pictures:
        side = min(rgb8.shape[:2])
        top, left = ((length - side) // 2 for length in rgb8.shape[:2])
        square = Image.fromarray(rgb8[top : top + side, left : left + side])
        squares.append(np.asarray(square.resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BOX)))
    return np.hstack(squares)


def colorizer_of(network: UNetGenerator, info: ModelInfo) -> Colorizer:
    """A model that is still learning, ready to colorize: a copy of it as it is now."""
    now = copy.deepcopy(network).to("cpu").eval()
    fold_batch_norm(now)
    return Colorizer(now, info, sha256="", device=torch.device("cpu"))


def _reduced(encoded: bytes, side: int) -> bytes:
    """The picture with a short side of at most `side` pixels, as PNG."""
    image = decode_rgb(encoded)
    factor = min(1.0, side / min(image.size))
    size = (round(image.width * factor), round(image.height * factor))
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.BOX).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _resized(ab: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    parts = [Image.fromarray(np.asarray(part, np.float32)) for part in ab]
    return np.stack([np.asarray(part.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)) for part in parts])
