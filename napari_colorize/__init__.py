"""Reversible colour for gray layers: the napari plugin, and the public Python API of the colorizer.

Importing it costs little: torch and napari come in when something is used that needs them.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import training

if TYPE_CHECKING:
    from training import ChromaMap, Colorizer, Hint, Region, gray

__all__ = ["ChromaMap", "Colorizer", "Hint", "Region", "__version__", "gray"]


def _refuse_foreign_training() -> None:
    """Say so if `training`, a common name, is somebody else's package."""
    ours = Path(__file__).parents[1] / "training"
    found = list(getattr(training, "__path__", [training.__file__]))
    if [Path(folder).resolve() for folder in found] != [ours.resolve()]:
        raise ImportError(
            f"napari-colorize needs its own package `training` in {ours}, but Python found another one of that name "
            f"in {', '.join(found)}: remove or rename that one, or take its folder off PYTHONPATH.",
            name="training",
        )


_refuse_foreign_training()
__version__ = training.__version__


def __getattr__(name: str) -> object:
    """Hand the public names on when they are asked for: torch takes seconds."""
    if name in training.__all__:
        return getattr(training, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
