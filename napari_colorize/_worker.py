"""The work of one run, as a generator that knows neither Qt nor napari: events come out, plane by plane.

Each ``yield`` is where a thread worker can stop. The generator never raises: what goes wrong comes out as `Failed`.
"""

import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_colorize._source import FinestPlanes, Index, Source
from training.chroma_map import ChromaMap
from training.errors import ColorizeError, PlaneError
from training.rendering import Region
from training.window import Window, choose_window

BITS = 8  # what napari shows of colour layers
BAND_PIXELS = 1 << 20  # rendered between two yields

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two results parts of the same layer."""

    model_sha256: str
    window: Window


@dataclass(frozen=True, slots=True)
class Task:
    """What to do.

    Attributes
    ----------
    source : Source
        The gray planes.
    indices : sequence of Index
        Of the planes to colour, in this order.
    model : str
        Name or file of the model.
    window : Window, optional
        From stored values to gray; by default chosen from all values of the source.
    known : sequence of Identity
        Of the results that there are: they need no canvas.
    """

    source: Source
    indices: Sequence[Index]
    model: str
    window: Window | None = None
    known: Sequence[Identity] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """Everything is ready.

    Attributes
    ----------
    identity : Identity
        Model and window.
    canvas : list of ndarray of uint8, shape (..., Y, X, 3), or None
        Levels of the result, gray until planes are put in; None where the identity is known.
    """

    identity: Identity
    canvas: list[np.ndarray] | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run is, 0 to 1, and what it does."""

    fraction: float
    doing: str


@dataclass(frozen=True, slots=True)
class ColoredPlane:
    """A finished plane.

    Attributes
    ----------
    index : Index
        Of the plane in its stack.
    chroma : ChromaMap
        Its colour.
    rgb : list of ndarray of uint8, shape (Y, X, 3)
        Its levels in sRGB; ``gray`` of each is the windowed gray.
    record : dict
        What made it and from what.
    """

    index: Index
    chroma: ChromaMap
    rgb: list[np.ndarray]
    record: dict[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The run cannot go on; says why in a sentence."""

    sentence: str


Event = Begun | Progress | ColoredPlane | Failed


def run(task: Task) -> Iterator[Event]:
    """All events of a task.

    A thread worker of superqt ends without a signal after a RuntimeError, and takes napari down with others: so every
    exception becomes `Failed`.
    """
    name = task.source.name
    try:
        yield from colorize_planes(task)
    except ColorizeError as error:
        yield Failed(f"{name} cannot be coloured: {error}")
    except MemoryError:
        yield Failed(f"{name} cannot be coloured: there is not enough memory; crop it or colour fewer planes")
    except Exception as error:
        logger.exception("colouring %s", name)
        yield Failed(f"{name} cannot be coloured: {type(error).__name__}: {error}. This is a mistake of the plugin's.")


def colorize_planes(task: Task) -> Iterator[Event]:
    """Load the model, choose the window, then colour plane by plane.

    Yields
    ------
    Progress, then Begun once, then ColoredPlane for each index with Progress between
    """
    yield Progress(0, "loading the model")
    from training.prediction import Colorizer

    source = task.source
    colorizer = Colorizer.load(task.model)
    yield Progress(0, "looking at the values")
    _refuse_without_values(source)
    window = task.window or choose_window(FinestPlanes(source))
    identity = Identity(colorizer.sha256, window)
    canvas = None if identity in task.known else (yield from _gray_canvas(source, window))
    yield Begun(identity, canvas)
    for done, index in enumerate(task.indices):
        doing = f"plane {done + 1} of {len(task.indices)}" if len(task.indices) > 1 else "colouring"
        levels = source.plane(index)
        yield Progress(done / len(task.indices), doing)
        chroma = colorizer.predict(levels, window=window)
        rgb: list[np.ndarray] = []
        for share in _render(chroma, levels, rgb):
            yield Progress((done + share) / len(task.indices), doing)
        yield ColoredPlane(index, chroma, rgb, _record(source, index, levels[0], chroma, rgb[0]))


def measure(source: Source) -> Iterator[Window | Failed]:
    """The window chosen from all values of a source, for a worker beside the main thread."""
    try:
        yield choose_window(FinestPlanes(source))
    except Exception as error:
        yield Failed(f"{source.name}: {error}")


def _refuse_without_values(source: Source) -> None:
    if source.dtype.kind == "f" and not any(np.isfinite(plane).any() for plane in FinestPlanes(source)):
        raise PlaneError("it holds no finite value (all are NaN or infinite)")


def _gray_canvas(source: Source, window: Window) -> Generator[Progress, None, list[np.ndarray]]:
    """Levels of a result whose planes are all gray still."""
    canvas = [np.empty((*level.shape, 3), np.uint8) for level in source.levels]
    if source.stack:  # a single plane is seen when it is coloured
        for index in np.ndindex(source.stack):
            for level, plane in zip(canvas, source.plane(index)):
                level[index] = window.apply(plane, BITS)[..., None]
            yield Progress(0, "preparing the layer")
    return canvas


def _render(chroma: ChromaMap, levels: list[np.ndarray], rgb: list[np.ndarray]) -> Iterator[float]:
    """Fill `rgb` level by level; yields the share that is done."""
    total, done = sum(level.size for level in levels), 0
    for number, level in enumerate(levels):
        rgb.append(np.empty((*level.shape, 3), np.uint8))
        rows = max(1, BAND_PIXELS // level.shape[1])
        for top in range(0, level.shape[0], rows):
            band = slice(top, min(top + rows, level.shape[0]))
            rgb[-1][band] = chroma.render(level, Region(band, slice(None), number), bits=BITS)
            done += level[band].size
            yield done / total


def _record(source: Source, index: Index, plane: np.ndarray, chroma: ChromaMap, rgb: np.ndarray) -> dict[str, object]:
    from training.hashes import sha256_pixels
    from training.provenance import provenance_record

    return provenance_record(
        chroma.record,
        source=source.name,
        source_sha256=sha256_pixels(plane),
        page=int(np.ravel_multi_index(index, source.stack)) if index else 0,
        window=chroma.window.to_dict(),
        result_sha256=sha256_pixels(rgb),
        plane=list(index),
        bits=BITS,
        notes=[f"rendered in {BITS} bits, all that napari shows of colour"],
    )
