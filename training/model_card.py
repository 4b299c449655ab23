"""The card of a model: what it was made from and how, what was measured, and what its makers saw."""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from training import __version__
from training.atomic import put_whole
from training.checkpoints import load_model
from training.data import Pictures
from training.evaluation.table import COLUMNS
from training.settings import Settings

MANIFEST = "pictures.json"
# settings that say where things lay: nobody's business
PLACES = {"data", "output", "base", "watch", "notes", "lpips_weights"}
Figures = Mapping[str, Mapping[str, Any]]  # of each model, as `training.evaluation` gives them

_NOT_TOLD = {"psnr_db", "ssim", "seconds_per_picture"}
_COLUMNS = [column for column in COLUMNS if column[1] not in _NOT_TOLD]


def write_manifest(folder: Path, pictures: Pictures, left_out: Mapping[str, str]) -> None:
    """Note in the folder of a run which pictures it learns from, and which were left out."""
    manifest = {
        "pictures": len(pictures.names),
        "sources": Counter(name.partition("/")[0] if "/" in name else "." for name in pictures.names),
        "sha256": pictures.sha256,
        "left_out": {**pictures.left_out, **left_out},
    }
    with put_whole(folder / MANIFEST, overwrite=True) as partial:
        partial.write_text(json.dumps(manifest, indent=1))


def read_left_out(folder: Path) -> dict[str, str] | None:
    """The pictures that a run left out, with the reasons; None where it has not noted them."""
    path = folder / MANIFEST
    return json.loads(path.read_text())["left_out"] if path.exists() else None


def write_card(path: Path, model: Path, settings: Settings, figures: Mapping[str, Figures]) -> None:
    """Write the card of a model as Markdown.

    Parameters
    ----------
    path : Path
        An earlier card is replaced.
    model : Path
        In the folder of its run.
    settings : Settings
        Of the run; its `notes` are what people have to say.
    figures : mapping
        By the name of the pictures that were measured on, what `training.evaluation.evaluate` gave.
    """
    network, info = load_model(model)
    manifest = json.loads((model.parent / MANIFEST).read_text())
    environment = Environment(loader=PackageLoader("training", "."), undefined=StrictUndefined, trim_blocks=True)
    text = environment.get_template("model_card.md.j2").render(
        info=info,
        parameters=sum(part.numel() for part in network.parameters()) / 1e6,
        megabytes=model.stat().st_size / 1e6,
        base=settings.base and Path(settings.base).stem,
        settings=settings.model_dump(mode="json", exclude=PLACES),
        stages=list(zip(settings.stages, _minutes_of_stages(model.parent / "log.csv", settings))),
        pictures=manifest["pictures"],
        sources=manifest["sources"],
        reasons=Counter(reason.partition(" (")[0] for reason in manifest["left_out"].values()),
        tables={title: figures_table(models) for title, models in figures.items()},
        notes=settings.notes.read_text(encoding="utf-8") if settings.notes else "",
        version=__version__,
    )
    with put_whole(path, overwrite=True) as partial:
        partial.write_text(text.rstrip() + "\n", encoding="utf-8")


def _minutes_of_stages(log: Path, settings: Settings) -> list[float]:
    """How long each stage took, by the log."""
    with open(log, newline="") as file:
        times = [(float(row["samples"]), float(row["seconds"])) for row in csv.DictReader(file)]
    ends = [0]
    for stage in settings.stages:
        ends.append(ends[-1] + stage.samples)
    seconds = [max((second for samples, second in times if samples <= end), default=0.0) for end in ends]
    return [(after - before) / 60 for before, after in pairwise(seconds)]


def figures_table(models: Figures) -> str:
    """A table in Markdown: a row for each model as it ships, and one at the colourfulness ratio of 0.65."""
    rows: list[Sequence[str]] = [("", *(heading for heading, _, _ in _COLUMNS))]
    for name, figures in models.items():
        rows.append((name, *_cells(figures)))
        if figures.get("at_065"):
            rows.append((f"{name}, at ratio 0.65", *_cells({**figures["at_065"], "colourfulness_ratio": 0.65})))
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(figures: Mapping[str, Any]) -> list[str]:
    return ["" if figures.get(key) is None else f"{figures[key]:{form}}" for _, key, form in _COLUMNS]
