"""Take the model of a run as the shipped one: measure it, write its card, and note its hash.

    python docs/ship_model.py RUN SELECT VAL --lpips-weights FILE

RUN is the folder of the run, SELECT the photographs that it was chosen by, VAL those for reporting only.
"""

import argparse
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from training import Colorizer
from training.color import gray, srgb_to_lab
from training.evaluation.colour_groups import group_means
from training.evaluation.evaluate import evaluate
from training.evaluation.truths import pictures_to_measure
from training.hashes import sha256_file
from training.model_card import write_card
from training.model_files import SHIPPED_FOLDER
from training.picture_sources import decode_rgb
from training.settings import read_settings

GROUPS_TEXT = """## Bias in skin, sky and green

Mean a\\*, b\\* of the pixels of {pictures} whose true colour is that of a group (wood, sand and fur
have the colours of skin, too), true and predicted.

| group | pixels | true a\\*, b\\* | predicted a\\*, b\\* | chroma, predicted of true |
|---|---|---|---|---|
{rows}

"""


def main() -> None:
    """Measure, write, copy."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("select", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--lpips-weights", type=Path, required=True)
    arguments = parser.parse_args()
    settings = read_settings(arguments.run / "settings.toml")
    model = arguments.run / f"{settings.name}.safetensors"
    figures = {}
    for text, pictures in (("for reporting only", arguments.val), ("that it was chosen by", arguments.select)):
        found = evaluate(pictures, [str(model), "gray", "mean"], lpips_weights=arguments.lpips_weights)["models"]
        figures[f"{found['gray']['pictures']} photographs {text}"] = found
    means = group_means(labs(model, arguments.val))
    own = settings.notes.read_text() if settings.notes else ""
    notes = arguments.run / "card-notes.md"
    notes.write_text(groups_text(means, "the photographs for reporting") + own)
    write_card(SHIPPED_FOLDER / f"{settings.name}.md", model, settings.model_copy(update={"notes": notes}), figures)
    shutil.copy(model, SHIPPED_FOLDER)
    write_hashes()


def labs(model: Path, pictures: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """CIE Lab of predictions and truths."""
    colorizer = Colorizer.load(model)
    for encoded in pictures_to_measure(pictures).encoded:
        true = np.asarray(decode_rgb(encoded))
        plane = gray(true)
        coloured = colorizer.predict(plane).render(plane)
        yield srgb_to_lab(coloured / np.float32(255)), srgb_to_lab(true / np.float32(255))


def groups_text(means: Mapping[str, Mapping[str, float]], pictures: str) -> str:
    """A table of what `group_means` found."""
    rows = []
    for name, found in means.items():
        if found["pixels"]:
            true, predicted = (found["true_a"], found["true_b"]), (found["a"], found["b"])
            share = np.hypot(*predicted) / np.hypot(*true)
            pairs = " | ".join(f"{a:+.0f}, {b:+.0f}" for a, b in (true, predicted))
            rows.append(f"| {name} | {found['pixels'] / 1e6:.2f} M | {pairs} | {share:.2f} |")
    return GROUPS_TEXT.format(pictures=pictures, rows="\n".join(rows))


def write_hashes() -> None:
    """Pin the SHA-256 of every shipped model."""
    paths = SHIPPED_FOLDER.glob("*.safetensors")
    lines = (f"{sha256_file(path)}  {path.name}" for path in paths)
    (SHIPPED_FOLDER / "SHA256SUMS").write_text("".join(f"{line}\n" for line in sorted(lines)))


if __name__ == "__main__":
    main()
