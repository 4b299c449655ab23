"""The colorizer itself: colour science, networks, prediction, rendering and training.

Import from `napari_colorize` in programs: it offers the same objects under a name that nobody else uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["ChromaMap", "Colorizer", "Hint", "Region", "gray"]

if TYPE_CHECKING:
    from training.chroma_map import ChromaMap
    from training.color import gray
    from training.hints import Hint
    from training.prediction import Colorizer
    from training.rendering import Region

_HOME = {
    "ChromaMap": "chroma_map",
    "Colorizer": "prediction",
    "Hint": "hints",
    "Region": "rendering",
    "gray": "color",
}


def __getattr__(name: str) -> object:
    """Import the public names when they are asked for: torch takes seconds."""
    if name in _HOME:
        return getattr(import_module(f"training.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
