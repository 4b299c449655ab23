"""What an evaluation compares: models by name or file, and the two baselines that any model must beat."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.chroma_map import ChromaMap, quantised_ab
from training.errors import ModelFileError, SettingsError
from training.model_files import find_model
from training.prediction import Colorizer
from training.window import Window

BASELINES = ("gray", "mean")
DEFAULT_MODEL = "photo"


class Candidate(NamedTuple):
    """What is evaluated under a name."""

    name: str
    predict: Callable[[np.ndarray], ChromaMap]
    is_model: bool


def find_candidates(models: Sequence[str]) -> list[Candidate]:
    """Load what is to be evaluated.

    Parameters
    ----------
    models : sequence of str
        Names or files of models; ``gray`` is no chroma at all, ``mean`` the mean a*, b* of the training set of the
        first model named, else of ``photo``. A file goes by its stem. One named twice counts once.

    Raises
    ------
    ModelFileError
        If a model is missing or damaged, or ``mean`` has none to ask.
    SettingsError
        If nothing is named, or two files have the same stem.
    """
    wanted = list(dict.fromkeys(models))
    if not wanted:
        raise SettingsError("name at least one model, gray or mean")
    files = {model: find_model(model) for model in wanted if model not in BASELINES}
    names = [file.stem for file in files.values()]
    if clash := {name for name in names if names.count(name) > 1 or name in BASELINES}:
        raise SettingsError(f"two of the models go by the name {min(clash)}: rename a file")
    colorizers = {model: Colorizer.load(file) for model, file in files.items()}
    return [_candidate(model, files, colorizers) for model in wanted]


def _candidate(model: str, files: dict[str, Path], colorizers: dict[str, Colorizer]) -> Candidate:
    if model == "gray":
        return Candidate("gray", lambda plane: even_map(plane, (0.0, 0.0)), is_model=False)
    if model == "mean":
        mean_ab = _mean_ab(colorizers)
        return Candidate("mean", lambda plane: even_map(plane, mean_ab), is_model=False)
    return Candidate(files[model].stem, colorizers[model].predict, is_model=True)


def _mean_ab(colorizers: dict[str, Colorizer]) -> tuple[float, float]:
    try:
        colorizer = next(iter(colorizers.values()), None) or Colorizer.load(DEFAULT_MODEL)
    except ModelFileError as error:
        raise ModelFileError(
            f"mean needs a model that tells the mean colour of its training set: name one ({error})"
        ) from error
    return colorizer.info.mean_ab


def even_map(plane: np.ndarray, ab: tuple[float, float]) -> ChromaMap:
    """A map of one colour, a* and b* to the nearest unit, for an 8-bit plane."""
    return ChromaMap(
        ab=quantised_ab(np.reshape(ab, (2, 1, 1))),
        uncertainty=np.zeros((1, 1)),
        lightness=np.zeros((2, 2)),
        shape=plane.shape,
        window=Window(0, 255),
    )
