"""Hints: colours that a person asks for at a spot, and the file that carries them between the uses."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import SettingsError

LARGEST_HINTS_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Hint:
    """A colour that a person asks for at a spot.

    Attributes
    ----------
    y, x : float
        Pixels of level 0; centres lie at integers.
    rgb : tuple of three int
        sRGB, 0..255; its hue and chroma are used, the lightness stays the picture's.
    plane : tuple of int
        Index of the plane in its stack or of the page in its file; empty where there is only one.
    source, by, date : str, optional
        Where the colour is known from: with a source it is documented, without one chosen.
    """

    y: float
    x: float
    rgb: tuple[int, int, int]
    plane: tuple[int, ...] = ()
    source: str | None = None
    by: str | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        if not all(isinstance(index, int) and index >= 0 for index in self.plane):
            raise SettingsError(f"the plane {self.plane} of a hint is no index: expected whole numbers from 0 up")
        if not (math.isfinite(self.y) and math.isfinite(self.x)):
            raise SettingsError(f"a hint lies at y {self.y}, x {self.x}: expected pixels")
        if len(self.rgb) != 3 or not all(0 <= value <= 255 for value in self.rgb):
            raise SettingsError(
                f"the colour {self.rgb} of a hint is no sRGB colour: expected three values from 0 to 255"
            )


def read_hints(path: Path) -> list[Hint]:
    """The hints of a file: ``{"hints": [{"plane": [], "y": 120.0, "x": 340.0, "rgb": [180, 40, 30]}]}``.

    Raises
    ------
    SettingsError
        If the file is missing, no JSON, or a hint in it is incomplete; the sentence names which.
    """
    try:
        if path.stat().st_size > LARGEST_HINTS_BYTES:
            raise SettingsError(f"{path}: larger than any hints file")
        entries = json.loads(path.read_text(encoding="utf-8"))["hints"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise SettingsError(f'{path}: no hints file, JSON like {{"hints": [...]}} ({error})') from error
    if not isinstance(entries, list):
        raise SettingsError(f"{path}: its hints are no list")
    return [_hint(entry, f"{path}: hint {number}") for number, entry in enumerate(entries, start=1)]


def _hint(entry: dict[str, Any], place: str) -> Hint:
    try:
        values = entry | {"rgb": tuple(entry["rgb"]), "plane": tuple(entry.get("plane", ()))}
        return Hint(**values | {"y": float(entry["y"]), "x": float(entry["x"])})
    except KeyError as error:
        raise SettingsError(f"{place}: its {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{place}: {error}") from error


def hints_of_plane(hints: Iterable[Hint], index: int) -> list[Hint]:
    """The hints that belong to one plane; those without an index belong to the first."""
    return [hint for hint in hints if (hint.plane or (0,)) == (index,)]
