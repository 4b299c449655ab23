"""Draw the picture of the README: gray, colorized and true colours of pictures that scikit-image bundles."""

from pathlib import Path

import numpy as np
from demo import gray_pictures, true_colours
from PIL import Image, ImageDraw, ImageFont

from napari_colorize import Colorizer

IMAGES = Path(__file__).with_name("images")
NAMES = ("camera", "chelsea", "coffee", "rocket", "astronaut")
SIDE = 230  # pixels of each square
GAP = 8
LABEL = 110  # pixels for the names of the rows


def square(picture: np.ndarray) -> Image.Image:
    """The middle of a picture."""
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    crop = Image.fromarray(picture[top : top + side, left : left + side])
    return crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    """Write docs/images/photographs.jpg."""
    colorizer = Colorizer.load("photo")
    planes, truths = gray_pictures(), true_colours()
    rows = {
        "gray": [planes[name] for name in NAMES],
        "colorized": [colorizer.predict(planes[name]).render(planes[name]) for name in NAMES],
        "truth": [truths[name] for name in NAMES],
    }
    step = SIDE + GAP
    sheet = Image.new("RGB", (LABEL + len(NAMES) * step, len(rows) * step), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    for row, (label, pictures) in enumerate(rows.items()):
        draw.text((0, row * step + SIDE // 2), label, "black", font, anchor="lm")
        for column, picture in enumerate(pictures):
            place = (LABEL + column * step, row * step)
            if picture is None:
                middle = (place[0] + SIDE // 2, place[1] + SIDE // 2)
                draw.text(middle, "not known", "gray", font, anchor="mm")
            else:
                sheet.paste(square(picture), place)
    IMAGES.mkdir(exist_ok=True)
    sheet.save(IMAGES / "photographs.jpg", quality=88)


if __name__ == "__main__":
    main()
