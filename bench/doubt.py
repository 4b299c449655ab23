"""What a model knows about its own doubt, how its variants differ, and how it follows hints.

Variants, uncertainty and the colour distribution are compared with the truth on the grids of the map, at the map's own
lightness, so that nothing but chroma counts; hints are judged by the full result. Writes bench/results/doubt.json.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _measure import has_photographs, photographs_parser, rounded, save_results

from training import Colorizer
from training.chroma_map import UNCERTAINTY_STEP, ChromaMap
from training.color import gray, srgb_to_lab
from training.evaluation.calibration import (
    best_temperature,
    inside_smallest_set,
    log_likelihood,
    stored_probabilities,
    tempered,
)
from training.evaluation.grid_truth import halved_ab, small_lab, true_bins, with_lightness
from training.evaluation.hinting import random_points, true_hints
from training.evaluation.metrics import ciede2000, psnr_db
from training.evaluation.truths import pictures_to_measure
from training.evaluation.uncertainty import ab_error, mean_of_surest, spearman
from training.evaluation.variety import Nearness, best, nearness, pairwise_difference
from training.picture_sources import decode_rgb

SEEDS = range(8)
VARIETY_PICTURES = 60  # eight variants take twenty times as long as one result
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the cells that stay coloured
LEVELS = (0.5, 0.9)  # of the sets of colours
HINTS = (0, 1, 5, 10, 50)
STRIDE = 3  # of the pixels for CIEDE2000 of full results, the slowest figure
GOALS = {"uncertainty_above_trivial": 0.10, "gain_of_10_hints_db": 4.0}
DEFINITIONS = {
    "variety": f"CIEDE2000 on the grid of a*, b*; {len(SEEDS)} seeds; pairs: mean over all pairs of seeds; usual: "
    "without a seed; one_seed: mean over the seeds; best_seed: of each picture the one nearest to the truth",
    "uncertainty": "mean over pictures of Spearman's correlation with the mean absolute error of a*, b* of the cells; "
    "stated_over_true: mean uncertainty over mean error",
    "coverage": "CIEDE2000 of the surest cells of all pictures together",
    "calibration": "mean over pictures of the share of the cells whose true colour lies in the smallest set of colours "
    "that reaches the level; the temperature was fitted on every other picture, `select` are those between",
    "hints": "full result, nested random points; the colour of a hint is the mean true colour of the small pixels that "
    f"it covers; CIEDE2000 of every {STRIDE}rd pixel of every {STRIDE}rd row",
}


@dataclass(frozen=True)
class Seen:
    """A picture, its usual map with the colour distribution, and its true colours on the grid of a*, b*."""

    rgb8: np.ndarray
    plane: np.ndarray
    chroma: ChromaMap
    true_ab: np.ndarray

    @property
    def lab(self) -> np.ndarray:
        return with_lightness(self.chroma.ab, self.chroma.lightness)

    @property
    def true_lab(self) -> np.ndarray:
        return with_lightness(self.true_ab, self.chroma.lightness)


def see(colorizer: Colorizer, encoded: bytes) -> Seen:
    rgb8 = np.asarray(decode_rgb(encoded))
    plane = gray(rgb8)
    chroma = colorizer.predict(plane, distribution=True)
    return Seen(rgb8, plane, chroma, halved_ab(small_lab(rgb8, chroma.lightness.shape)))


class Variety(NamedTuple):
    """The variants of one picture."""

    pairs: float
    usual: Nearness
    one_seed: Nearness
    best_seed: Nearness


def variety(colorizer: Colorizer, seen: Seen) -> Variety:
    variants = [with_lightness(colorizer.predict(seen.chroma, seed=seed).ab, seen.chroma.lightness) for seed in SEEDS]
    found = [nearness(lab, seen.true_lab) for lab in variants]
    return Variety(
        pairs=pairwise_difference(variants),
        usual=nearness(seen.lab, seen.true_lab),
        one_seed=Nearness(*np.mean(found, axis=0).tolist()),
        best_seed=best(found),
    )


def measure_variety(colorizer: Colorizer, pictures: Sequence[Seen]) -> dict[str, Any]:
    every = max(1, len(pictures) // VARIETY_PICTURES)
    found = [variety(colorizer, seen) for seen in pictures[::every]]
    figures: dict[str, Any] = {"pictures": len(found), "pairs_ciede2000": mean(one.pairs for one in found)}
    for name in ("usual", "one_seed", "best_seed"):
        figures[name] = {
            key: mean(getattr(getattr(one, name), key) for one in found) for key in ("ciede2000", "psnr_db")
        }
    return figures


def correlations(seen: Seen) -> dict[str, float]:
    """Of the error with the uncertainty, and with what can be had without."""
    lightness = seen.lab[..., 0]
    doubts = {
        "uncertainty": seen.chroma.uncertainty,
        "chroma": np.hypot(*seen.chroma.ab.astype(np.float32)),
        "middle_lightness": -np.abs(lightness - 50),
    }
    error = ab_error(seen.chroma.ab, seen.true_ab)
    return {name: spearman(doubt, error) for name, doubt in doubts.items()}


def measure_uncertainty(pictures: Sequence[Seen]) -> dict[str, float]:
    found = [correlations(seen) for seen in pictures]
    figures = {name: mean(one[name] for one in found) for name in found[0]}
    figures["above_trivial"] = figures["uncertainty"] - max(figures["chroma"], figures["middle_lightness"])
    stated = mean(seen.chroma.uncertainty.mean() * UNCERTAINTY_STEP for seen in pictures)
    figures["stated_over_true"] = stated / mean(ab_error(seen.chroma.ab, seen.true_ab).mean() for seen in pictures)
    return figures


def measure_coverage(pictures: Sequence[Seen]) -> dict[str, float]:
    doubt = np.concatenate([seen.chroma.uncertainty.ravel() for seen in pictures])
    difference = np.concatenate([ciede2000(seen.lab, seen.true_lab).ravel() for seen in pictures])
    return {f"{share:.0%}": value for share, value in zip(SHARES, mean_of_surest(doubt, difference, SHARES))}


def distribution(seen: Seen) -> np.ndarray:
    """Probabilities of the colours in the cells of a picture, shape (bins, cells)."""
    return stored_probabilities(seen.chroma.distribution).reshape(len(seen.chroma.distribution), -1)


def fitted_temperature(pictures: Sequence[Seen]) -> float:
    bins = np.concatenate([true_bins(seen.true_ab).ravel() for seen in pictures])
    return best_temperature(np.concatenate([distribution(seen) for seen in pictures], axis=1), bins)


def calibration_of(seen: Seen, temperature: float) -> list[float]:
    """Share of the cells inside the sets of each level, and the mean log-likelihood."""
    probabilities, bins = tempered(distribution(seen), temperature), true_bins(seen.true_ab).ravel()
    inside = [float(inside_smallest_set(probabilities, bins, level).mean()) for level in LEVELS]
    return [*inside, log_likelihood(probabilities, bins)]


def calibration(pictures: Sequence[Seen], temperature: float) -> dict[str, float]:
    means = np.mean([calibration_of(seen, temperature) for seen in pictures], axis=0)
    return dict(zip((*(f"{level:.0%}" for level in LEVELS), "log_likelihood"), means.tolist()))


def measure_calibration(pictures: Sequence[Seen], others: Sequence[Seen]) -> dict[str, Any]:
    temperature = fitted_temperature(pictures[::2])
    figures: dict[str, Any] = {"temperature": temperature}
    for name, part in (("select", pictures[1::2]), ("val", others)):
        if part:
            figures[name] = {"as_is": calibration(part, 1.0), "tempered": calibration(part, temperature)}
    return figures


def hinted(colorizer: Colorizer, seen: Seen, rng: np.random.Generator) -> list[Nearness]:
    points = random_points(seen.plane.shape, max(HINTS), rng)
    hints = true_hints(seen.rgb8, points, seen.chroma.lightness.shape)
    results = (colorizer.predict(seen.plane, hints=hints[:count]).render(seen.plane) for count in HINTS)
    return [Nearness(sampled_difference(rgb8, seen.rgb8), psnr_db(rgb8, seen.rgb8)) for rgb8 in results]


def sampled_difference(rgb8: np.ndarray, true_rgb8: np.ndarray) -> float:
    labs = (srgb_to_lab(picture[::STRIDE, ::STRIDE] / np.float32(255)) for picture in (rgb8, true_rgb8))
    return float(ciede2000(*labs).mean())


def measure_hints(colorizer: Colorizer, pictures: Sequence[Seen]) -> dict[str, dict[str, float]]:
    found = np.array([hinted(colorizer, seen, np.random.default_rng(place)) for place, seen in enumerate(pictures)])
    means = found.mean(axis=0)
    return {
        str(count): {"psnr_db": psnr, "gain_db": psnr - means[0, 1], "ciede2000": difference}
        for count, (difference, psnr) in zip(HINTS, means.tolist())
    }


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def measure(model: str, data: Path, val: Path | None, limit: int | None) -> dict[str, Any]:
    torch.set_num_threads(1)
    colorizer = Colorizer.load(model, device="cpu")
    pictures = [see(colorizer, encoded) for encoded in pictures_to_measure(data, limit).encoded]
    others = [see(colorizer, encoded) for encoded in pictures_to_measure(val, limit).encoded] if val else []
    return {
        "model": colorizer.name,
        "model_sha256": colorizer.sha256,
        "pictures": len(pictures),
        "val_pictures": len(others),
        "goals": GOALS,
        "definitions": DEFINITIONS,
        "variety": measure_variety(colorizer, pictures),
        "uncertainty": measure_uncertainty(pictures),
        "coverage": measure_coverage(pictures),
        "calibration": measure_calibration(pictures, others),
        "hints": measure_hints(colorizer, pictures),
    }


def main() -> None:
    parser = photographs_parser("Measure what a model knows about its doubt, and how it follows hints.")
    parser.add_argument("--model", default="photo", metavar="NAME|FILE", help="default: photo")
    parser.add_argument("--limit", type=int, metavar="N", help="take the first so many pictures; default: all")
    folder = os.environ.get("COLORIZE_TEST_DATA")
    default = Path(folder, "val", "val.tar") if folder else None
    parser.add_argument("--val", type=Path, default=default, metavar="DATA", help="more pictures for calibration")
    args = parser.parse_args()
    if has_photographs(args.data):
        print(save_results("doubt", rounded(measure(args.model, args.data, args.val, args.limit))))


if __name__ == "__main__":
    main()
