"""Records as results carry them, checked for their form: they may come from a stranger."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from training.errors import InputFileError
from training.gray_page import CHANNELS, Channel
from training.provenance import read_record
from training.stored_numbers import StoredNumbers
from training.window import Window


@dataclass(frozen=True, slots=True)
class Record:
    """What a result tells of itself.

    Attributes
    ----------
    page : int or None
        Of the source, counted from 0.
    channel : str or None
        Of a colour scan, where not its gray was taken.
    source_sha256, pixels_sha256 : str or None
        Of the source's bytes and of the result's pixels.
    window : Window or None
        From stored values to gray.
    model, model_sha256 : str or None
        That made it.
    stored : StoredNumbers or None
        How the source held the numbers of its gray.
    values : mapping
        All of it.
    """

    page: int | None
    channel: Channel | None
    source_sha256: str | None
    pixels_sha256: str | None
    window: Window | None
    model: str | None
    model_sha256: str | None
    stored: StoredNumbers | None
    values: Mapping[str, Any]

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """The record of the file `where`.

        Raises
        ------
        InputFileError
            If something in it is not of the form that `provenance_record` gives.
        """
        try:
            source, colour = _part(values, "source"), _part(values, "colour")
            window, stored = _part(values, "window"), _part(source, "stored")
            return cls(
                page=checked_page(source.get("page")),
                channel=checked_channel(colour.get("channel")),
                source_sha256=_text(source, "sha256"),
                pixels_sha256=_text(_part(values, "result"), "pixels_sha256"),
                window=Window.from_dict(dict(window)) if window else None,
                model=_text(colour, "model"),
                model_sha256=_text(colour, "model_sha256"),
                stored=StoredNumbers.from_dict(stored) if stored else None,
                values=values,
            )
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputFileError(f"{where}: the record that it carries is damaged ({error})") from error


def _part(values: Any, key: str) -> Mapping[str, Any]:
    part = values.get(key)
    if not isinstance(part, Mapping | None):
        raise TypeError(f"{key} is {part!r}")
    return part or {}


def _text(values: Mapping[str, Any], key: str) -> str | None:
    text = values.get(key)
    if not isinstance(text, str | None):
        raise TypeError(f"{key} is {text!r}")
    return text


def checked_channel(channel: Any) -> Channel | None:
    """The name of a channel as a record has it; `TypeError` where it is none."""
    if channel is not None and channel not in CHANNELS:
        raise TypeError(f"channel is {channel!r}")
    return channel


def checked_page(page: Any) -> int | None:
    """The number of a page as a record has it; `TypeError` where it is none."""
    if page is not None and (not isinstance(page, int) or isinstance(page, bool) or page < 0):
        raise TypeError(f"page is {page!r}")
    return page


def find_record(path: str | Path, page: int = 0) -> Record | None:
    """The checked record of a TIFF, PNG or JPEG file, or None where it has none of ours.

    Raises
    ------
    InputFileError
        If the file cannot be read, or its record is not of the form of ours.
    """
    values = read_record(path, page)
    return Record.parse(values, f"{path}") if values is not None else None
