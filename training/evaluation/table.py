"""The result of an evaluation as tables for people."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = (  # heading, key, format
    ("PSNR dB", "psnr_db", ".2f"),
    ("gain dB", "gain_db", "+.2f"),
    ("± s.e.", "gain_se_db", ".2f"),
    ("SSIM", "ssim", ".4f"),
    ("LPIPS (squeeze)", "lpips_squeeze", ".4f"),
    ("CIEDE2000", "ciede2000", ".2f"),
    ("palette distance", "palette_distance", ".3f"),
    ("KID (Lite1)", "kid_lite1", ".4f"),
    ("same top-1", "same_top1", ".1%"),
    ("colourfulness", "colourfulness_ratio", ".2f"),
    ("s / picture", "seconds_per_picture", ".3f"),
)
_KEYS_065 = ("gain_db", "lpips_squeeze", "ciede2000", "palette_distance")
_COLUMNS_065 = (("saturation", "saturation", ".2f"), *(column for column in COLUMNS if column[1] in _KEYS_065))


def print_table(result: Mapping[str, Mapping[str, Mapping]], console: "Console | None" = None) -> None:
    """Print what `evaluate` gave: one table as the models ship, one at equal colourfulness.

    A dash stands for what could not be had.

    Parameters
    ----------
    result : mapping
        Of `training.evaluation.evaluate.evaluate`.
    console : Console, optional
        Where to; by default stdout.
    """
    from rich.console import Console

    console = console or Console()
    models = result["models"]
    pictures = max(figures["pictures"] for figures in models.values())
    console.print(_table(f"{pictures} pictures, as the models ship", models, COLUMNS))
    equal = {name: figures["at_065"] for name, figures in models.items() if figures["at_065"]}
    if equal:
        console.print(_table("at a colourfulness ratio of 0.65", equal, _COLUMNS_065))


def _table(title: str, models: Mapping[str, Mapping], figures: tuple[tuple[str, str, str], ...]) -> "Table":
    """A column for each model, so that the figures of a few fit into any window."""
    from rich.table import Table

    table = Table("", *models, title=title, title_justify="left")
    for heading, key, form in figures:
        table.add_row(heading, *("–" if of[key] is None else f"{of[key]:{form}}" for of in models.values()))
    return table
