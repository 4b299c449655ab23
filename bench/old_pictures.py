"""How models do on old pictures: photographs degraded as film, time and paper would, and real three-colour plates.

The truth of each is the gray that the model is given, in the true colours. Writes bench/results/old_pictures.json.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _measure import has_photographs, photographs_parser, rounded, save_results
from PIL import Image

from training.color import gray
from training.data import Pictures
from training.evaluation.candidates import BASELINES, Candidate, find_candidates
from training.evaluation.evaluate import measure
from training.evaluation.old_pictures import degraded_truths, plates
from training.evaluation.perceptual import Judges, load_lpips
from training.evaluation.table import print_table
from training.evaluation.truths import pictures_to_measure
from training.picture_sources import decode_rgb

FIGURES = ("pictures", "gain_db", "gain_se_db", "lpips_squeeze", "ciede2000", "palette_distance", "colourfulness_ratio")
SHEET_ROWS = 12


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """The four figures of each candidate as it ships, and of a model at equal colourfulness."""
    return {name: rounded({key: of[key] for key in (*FIGURES, "at_065")}) for name, of in result["models"].items()}


def save_contact_sheet(candidates: Sequence[Candidate], pictures: Pictures, path: Path) -> None:
    """A row a picture: the gray, what each model makes of it, and the truth."""
    models = [candidate for candidate in candidates if candidate.is_model]
    rows = []
    for encoded in pictures.encoded[:SHEET_ROWS]:
        truth = np.asarray(decode_rgb(encoded))
        plane = gray(truth)
        results = [candidate.predict(plane).render(plane) for candidate in models]
        rows.append([np.repeat(plane[..., None], 3, axis=2), *results, truth])
    height, width = np.max([row[0].shape[:2] for row in rows], axis=0)
    sheet = np.zeros((len(rows) * height, len(rows[0]) * width, 3), np.uint8)
    for y, row in enumerate(rows):
        for x, rgb8 in enumerate(row):
            sheet[y * height :, x * width :][: rgb8.shape[0], : rgb8.shape[1]] = rgb8
    Image.fromarray(sheet).save(path)


def main() -> None:
    folder = Path(os.environ.get("COLORIZE_TEST_DATA", ""))
    lpips = folder / "weights" / "lpips-squeeze.safetensors"
    parser = photographs_parser("Measure models on degraded photographs and on three-colour plates.")
    parser.add_argument("--model", action="append", metavar="NAME|FILE", help="can be given again; default: photo")
    parser.add_argument("--limit", type=int, metavar="N", help="degrade the first so many pictures; default: all")
    parser.add_argument("--plates", type=Path, default=folder / "historical", metavar="FOLDER")
    parser.add_argument("--lpips-weights", type=Path, default=lpips if lpips.is_file() else None, metavar="FILE")
    parser.add_argument("--look", type=Path, metavar="FOLDER", help="save contact sheets there")
    args = parser.parse_args()
    if not has_photographs(args.data):
        return
    candidates = find_candidates([*(args.model or ["photo"]), *BASELINES])
    judges = Judges(load_lpips(args.lpips_weights) if args.lpips_weights else None, classifier=None)
    sets = {"degraded": degraded_truths(pictures_to_measure(args.data, args.limit))}
    if args.plates.is_dir():
        sets["plates"] = plates(args.plates)
    results = {}
    for name, pictures in sets.items():
        measured = measure(candidates, pictures, judges)
        print(f"\n## {name}\n")
        print_table(measured)
        results[name] = figures(measured)
        if args.look:
            args.look.mkdir(parents=True, exist_ok=True)
            save_contact_sheet(candidates, pictures, args.look / f"{name}.png")
    save_results("old_pictures", results)


if __name__ == "__main__":
    main()
