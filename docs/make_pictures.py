"""Draw the pictures of the README and the pages, from pictures that scikit-image bundles."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demo import gray_pictures, true_colours
from napari_colorize import ChromaMap, Colorizer, gray
from training.chroma_map import quantised_ab
from training.color import srgb_to_lab
from training.window import Window

IMAGES = Path(__file__).with_name("images")
NAMES = ("camera", "chelsea", "coffee", "rocket", "astronaut")
SIDE = 230  # pixels of each square
GAP = 8
LABEL = 110  # pixels for the names of the rows
REDUCED = 16  # times, of the chroma whose edges are shown
CROP = (slice(30, 330), slice(20, 320))  # of the coffee


def square(picture: np.ndarray) -> Image.Image:
    """The middle of a picture."""
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    crop = Image.fromarray(picture[top : top + side, left : left + side])
    return crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def draw_photographs(colorizer: Colorizer) -> Image.Image:
    """Gray, colorized and true."""
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
    return sheet


def true_map(rgb: np.ndarray, *, guided: bool) -> ChromaMap:
    """The true chroma of a picture, reduced to a small grid; its lightness, or one that guides nothing."""
    lab = srgb_to_lab(rgb / 255)
    height, width = (side // REDUCED for side in rgb.shape[:2])
    lab = lab[: height * REDUCED, : width * REDUCED]
    ab = lab[..., 1:].reshape(height, REDUCED, width, REDUCED, 2).mean(axis=(1, 3)).transpose(2, 0, 1)
    half = REDUCED // 2
    light = np.rint(lab[..., 0].reshape(2 * height, half, 2 * width, half).mean(axis=(1, 3)) * 2.55)
    lightness = light if guided else np.full_like(light, 128)
    shape = (height * REDUCED, width * REDUCED)
    return ChromaMap(quantised_ab(ab), np.zeros((height, width)), lightness, shape, Window(0, 255))


def draw_edges() -> Image.Image:
    """True chroma of a photograph, reduced sixteen times and laid over its gray again, at 100 %."""
    truth = true_colours()["coffee"]
    maps = {"cubic": true_map(truth, guided=False), "along the edges": true_map(truth, guided=True)}
    height, width = maps["cubic"].shape
    plane = gray(truth)[:height, :width]
    return in_a_row({"truth": truth[CROP]} | {name: chroma.render(plane)[CROP] for name, chroma in maps.items()})


def draw_album(colorizer: Colorizer) -> Image.Image:
    """A page of an album: gray, by one map of the whole page, and picture by picture."""
    pictures = [Image.fromarray(gray_pictures()[name]).resize((400, 400)) for name in (*NAMES, "camera")]
    grain = np.random.default_rng(0).normal(225, 3, (940, 1400)).clip(0, 255)
    sheet = Image.fromarray(grain.astype(np.uint8))
    for number, picture in enumerate(pictures):
        row, column = divmod(number, 3)
        sheet.paste(picture, (50 + 450 * column, 50 + 440 * row))
    page = np.asarray(sheet)
    whole = colorizer.predict(page, by_picture=False)
    rendered = {
        "gray": page,
        "as a whole": whole.render(page),
        "picture by picture": colorizer.predict(page).render(page),
    }
    return in_a_row({name: np.asarray(Image.fromarray(rgb).resize((466, 313))) for name, rgb in rendered.items()})


def in_a_row(pictures: dict[str, np.ndarray]) -> Image.Image:
    """Pictures of one size beside each other, with their names."""
    height, width = next(iter(pictures.values())).shape[:2]
    sheet = Image.new("RGB", (len(pictures) * (width + GAP) - GAP, height + 32), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (name, picture) in enumerate(pictures.items()):
        sheet.paste(Image.fromarray(picture), (column * (width + GAP), 0))
        draw.text((column * (width + GAP), height + 6), name, "black", ImageFont.load_default(18))
    return sheet


def main() -> None:
    """Write the pictures to docs/images."""
    colorizer = Colorizer.load("photo")
    IMAGES.mkdir(exist_ok=True)
    draw_photographs(colorizer).save(IMAGES / "photographs.jpg", quality=88)
    draw_edges().save(IMAGES / "edges.png")
    draw_album(colorizer).save(IMAGES / "album.jpg", quality=88)


if __name__ == "__main__":
    main()
