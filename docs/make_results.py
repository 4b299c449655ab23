"""Train the rows of docs/results.md by their recipes, measure them, and write the page and its pictures.

    python docs/make_results.py TRAIN VAL --lpips-weights FILE --runs FOLDER [--rows NAME ...] [--fixed-grid FILE]

A row that is trained is not trained again, one that was interrupted goes on, and one that was measured is not measured
again: what a row has measured lies in docs/results/NAME.json, so that the rows may come from several days and machines.
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from make_pictures import square
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from demo import gray_pictures, true_colours
from training import Colorizer
from training.checkpoints import load_model
from training.color import gray
from training.evaluation.evaluate import evaluate
from training.evaluation.truths import pictures_to_measure
from training.fit import CHECKPOINT, train
from training.model_files import find_model
from training.picture_sources import decode_rgb
from training.settings import read_settings

DOCS = Path(__file__).parent
RECIPES = DOCS.parent / "training" / "recipes"
RESULTS = DOCS / "results"
ROWS = {  # recipes, and what they are
    "scratch-l1": "U-Net from scratch, L1",
    "scratch-gan": "U-Net from scratch, cGAN + L1 (pix2pix)",
    "pretrained-l1": "pretrained encoder, L1",
    "pretrained-gan": "pretrained encoder, L1, then the adversarial stage",
    "pretrained-perceptual": "pretrained encoder, L1 + LPIPS",
    "pretrained-rebalanced": "pretrained encoder, L1, rare colours weigh more",
    "pretrained-film": "pretrained encoder, L1, a third of the samples aged",
}
SHIPPED = "photo"
PHOTOGRAPHS = ("camera", "chelsea", "coffee", "rocket", "astronaut")
SIDE = 150  # pixels of a square
LABEL = 260
FIXED_GRID = 24  # pictures


def main() -> None:
    """Everything that is missing, then the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("train", type=Path, help="colour photographs to train on: folder or tar")
    parser.add_argument("val", type=Path, help="colour photographs to report on")
    parser.add_argument("--lpips-weights", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trained rows")
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=[*ROWS, []])
    parser.add_argument("--fixed-grid", type=Path, help="picture of 24 photographs of VAL by every row, to look at")
    arguments = parser.parse_args()
    models = {name: trained(name, arguments) for name in arguments.rows}
    for name, model in models.items():
        measured(name, model, arguments)
    measured(SHIPPED, find_model(SHIPPED), arguments, again=True)
    write_page()
    models[SHIPPED] = find_model(SHIPPED)
    draw_photographs(models).save(DOCS / "images" / "results.jpg", quality=90)
    if arguments.fixed_grid:
        draw_fixed_grid(models, arguments.val).save(arguments.fixed_grid)


def trained(name: str, arguments: argparse.Namespace) -> Path:
    """The model file of a row."""
    settings = read_settings(RECIPES / f"{name}.toml")
    places: dict[str, Any] = {"data": [arguments.train], "output": arguments.runs}
    if settings.lpips_weights:
        places["lpips_weights"] = arguments.lpips_weights
    settings = settings.model_copy(update=places)
    folder = arguments.runs / name
    path = folder / f"{name}.safetensors"
    if not path.exists():
        print(name, flush=True)
        path = train(settings, resume=(folder / CHECKPOINT).exists(), report=_print_progress)
    return path


def _print_progress(samples: int, scalars: Mapping[str, float]) -> None:
    print(f"{samples:7} samples, {scalars['pictures_per_second']:.0f} a second, l1 {scalars['l1']:.3f}", flush=True)


def measured(name: str, model: Path, arguments: argparse.Namespace, *, again: bool = False) -> None:
    """Measure a row, and keep what was measured and its curve."""
    path = RESULTS / f"{name}.json"
    if path.exists() and not again:
        return
    network, info = load_model(model)
    figures = evaluate(arguments.val, [str(model)], lpips_weights=arguments.lpips_weights)["models"][model.stem]
    row = {
        "figures": figures,
        "samples": info.samples,
        "parameters": sum(part.numel() for part in network.parameters()),
        "curve": _curve(model.parent / "log.csv"),
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(row, indent=1) + "\n")


def _curve(log: Path) -> dict[str, list[float]]:
    if not log.exists():
        return {}
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in ("samples", "seconds", "pictures_per_second", "l1")}


def write_page() -> None:
    """Write docs/results.md from its template and what was measured."""
    names = [name for name in (*ROWS, SHIPPED) if (RESULTS / f"{name}.json").exists()]
    rows = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in names}
    draw_curves({name: row["curve"] for name, row in rows.items() if row["curve"]})
    environment = Environment(loader=FileSystemLoader(DOCS), undefined=StrictUndefined, trim_blocks=True)
    text = environment.get_template("results.md.j2").render(
        rows=rows,
        texts=ROWS | {SHIPPED: "**the shipped model**"},
        trade_off=(RESULTS / "trade-off.json").exists(),
    )
    (DOCS / "results.md").write_text(text.rstrip() + "\n")


def draw_curves(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Draw the loss that all rows share."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        smooth = np.convolve(curve["l1"], np.ones(8) / 8, "valid")
        axes.plot(curve["samples"][7:], smooth, label=name, linewidth=1.2)
    axes.set_xlabel("samples")
    axes.set_ylabel("L1 of a*, b*, of 110, times 100")
    axes.set_ylim(top=11)
    axes.legend(fontsize=8)
    figure.savefig(DOCS / "images" / "results-curves.svg", metadata={"Date": None})


def draw_photographs(models: Mapping[str, Path]) -> Image.Image:
    """The photographs that scikit-image bundles, by every row."""
    planes, truths = gray_pictures(), true_colours()
    rows = {"gray": [planes[name] for name in PHOTOGRAPHS], "truth": [truths[name] for name in PHOTOGRAPHS]}
    for name, model in models.items():
        colorizer = Colorizer.load(model)
        rows[name] = [colorizer.predict(planes[photo]).render(planes[photo]) for photo in PHOTOGRAPHS]
    return sheet(rows)


def draw_fixed_grid(models: Mapping[str, Path], val: Path) -> Image.Image:
    """Evenly chosen pictures of a set, by every row."""
    encoded = pictures_to_measure(val).encoded
    truths = [np.asarray(decode_rgb(encoded[i])) for i in range(0, len(encoded), len(encoded) // FIXED_GRID)][
        :FIXED_GRID
    ]
    planes = [gray(truth) for truth in truths]
    rows = {"gray": planes, "truth": truths}
    for name, model in models.items():
        colorizer = Colorizer.load(model)
        rows[name] = [colorizer.predict(plane).render(plane) for plane in planes]
    return sheet(rows)


def sheet(rows: Mapping[str, Sequence[np.ndarray | None]]) -> Image.Image:
    """Rows of squares with their names."""
    columns = max(map(len, rows.values()))
    picture = Image.new("RGB", (LABEL + columns * (SIDE + 4), len(rows) * (SIDE + 4)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(18)
    for row, (name, pictures) in enumerate(rows.items()):
        top = row * (SIDE + 4)
        draw.text((6, top + SIDE // 2), name, "black", font, anchor="lm")
        for column, one in enumerate(pictures):
            if one is not None:
                picture.paste(square(one).resize((SIDE, SIDE)), (LABEL + column * (SIDE + 4), top))
    return picture


if __name__ == "__main__":
    main()
