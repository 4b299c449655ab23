"""Train against the discriminator with several weights, and draw what is gained and lost on the way.

    python docs/make_trade_off.py TRAIN SELECT BASE --lpips-weights FILE --runs FOLDER [--weights W ...]

BASE is the model that pretrained-l1.toml gives. Writes docs/results/trade-off.json and docs/images/trade-off.svg.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from matplotlib.figure import Figure

from training.fit import CHECKPOINT, train
from training.run_log import read_table
from training.settings import Settings, read_settings
from training.stopping import Look, Stopping

DOCS = Path(__file__).parent
RECIPE = DOCS.parent / "training" / "recipes" / "adversarial.toml"
WEIGHTS = (0.0, 0.5, 2.0)
PLOTS = (("colourfulness_ratio", "own_gain_db"), ("palette_distance", "gain_db"), ("hue", "unsteadiness"))
HEADINGS = {
    "colourfulness_ratio": "colourfulness ratio",
    "own_gain_db": "gain over gray at its own saturation, dB",
    "palette_distance": "palette distance at ratio 0.65",
    "gain_db": "gain over gray at ratio 0.65, dB",
    "hue": "mean hue, degrees",
    "unsteadiness": "difference between two sizes, of the chroma",
}
Looks = Sequence[Mapping[str, float]]


def main() -> None:
    """Train what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("train", type=Path, help="colour photographs to train on: folder or tar")
    parser.add_argument("select", type=Path, help="colour photographs to watch")
    parser.add_argument("base", type=Path, help="model to start from")
    parser.add_argument("--lpips-weights", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS)
    arguments = parser.parse_args()
    runs = {weight: looks(weight, arguments) for weight in arguments.weights}
    (DOCS / "results").mkdir(exist_ok=True)
    kept = {weight: kept_look(run) for weight, run in runs.items()}
    table = [{"weight": weight, "kept": kept[weight], "looks": run} for weight, run in runs.items()]
    (DOCS / "results" / "trade-off.json").write_text(json.dumps(table, indent=1) + "\n")
    draw(runs, kept)


def looks(weight: float, arguments: argparse.Namespace) -> Looks:
    """What was seen of a run with this weight of the adversarial loss."""
    settings = settings_of(weight, arguments)
    folder = settings.output / settings.name
    if not (folder / f"{settings.name}.safetensors").exists():
        train(settings, resume=(folder / CHECKPOINT).exists())
    return read_table(folder / "watch.csv")


def settings_of(weight: float, arguments: argparse.Namespace) -> Settings:
    """The recipe with another weight."""
    settings = read_settings(RECIPE)
    stages = [stage.model_copy(update={"adversarial": weight}) for stage in settings.stages]
    places = {
        "data": [arguments.train],
        "watch": arguments.select,
        "base": str(arguments.base),
        "lpips_weights": arguments.lpips_weights,
        "output": arguments.runs,
    }
    return settings.model_copy(update={"name": f"adversarial-{weight:g}", "stages": stages, **places})


def kept_look(run: Looks) -> int:
    """Number of the look whose model the rule of the adversarial stage keeps."""
    looks = [Look(**{field.name: row.get(field.name) for field in fields(Look)}) for row in run]  # type: ignore[arg-type]
    stopping, kept = Stopping.from_beginning(looks[0], adversarial=True, patience=0), 0
    for index, look in enumerate(looks[1:], 1):
        if stopping.decide(look).best:
            kept = index
    return kept


def draw(runs: Mapping[float, Looks], kept: Mapping[float, int]) -> None:
    """A curve for each weight; a ring around the look that is kept."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    for axes, (x, y) in zip(figure.subplots(1, len(PLOTS)), PLOTS):
        for weight, run in runs.items():
            (line,) = axes.plot([look[x] for look in run], [look[y] for look in run], marker=".", label=f"{weight:g}")
            best = run[kept[weight]]
            axes.plot(best[x], best[y], "o", markersize=9, fillstyle="none", color=line.get_color())
        axes.set_xlabel(HEADINGS[x])
        axes.set_ylabel(HEADINGS[y])
        axes.legend(title="adversarial weight", fontsize=8)
    figure.savefig(DOCS / "images" / "trade-off.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
