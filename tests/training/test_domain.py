import tarfile

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from training.color import gray
from training.domain import NOTES, Look, plane_flags
from training.picture_sources import decode_rgb
from training.pictures import Options, colorize_file
from training.prediction import Colorizer
from training.small_lightness import small_lightness
from training.window import Window


def bundled(name: str) -> np.ndarray:
    """A picture of scikit-image as a gray plane."""
    picture = getattr(skimage.data, name)()
    return picture if picture.ndim == 2 else gray(picture)


def flags(plane: np.ndarray, working_size: int = 128) -> tuple[str, ...]:
    return plane_flags(small_lightness(plane, Window(0, 255), working_size))


def written_page(paper: int = 255, ink: int = 0) -> np.ndarray:
    page = Image.new("L", (600, 800), paper)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=16)
    for row in range(60, 740, 24):
        draw.text((60, row), "It was the best of times, it was the worst of times, it was", ink, font)
    return np.asarray(page)


def line_drawing() -> np.ndarray:
    page = Image.new("L", (600, 600), 250)
    draw = ImageDraw.Draw(page)
    draw.polygon([(150, 300), (300, 150), (450, 300)], outline=20, width=4)
    draw.rectangle([170, 300, 430, 500], outline=20, width=4)
    draw.rectangle([270, 390, 330, 500], outline=20, width=3)
    draw.arc([40, 40, 140, 140], 0, 360, 20, 3)
    return np.asarray(page)


def smear() -> np.ndarray:
    """Cells on a light slide."""
    slide = Image.new("L", (300, 300), 195)
    draw = ImageDraw.Draw(slide)
    for x, y in np.random.default_rng(0).integers(0, 300, (40, 2)):
        draw.ellipse([x - 15, y - 15, x + 15, y + 15], 160)
    return np.asarray(slide)


def scanned_body() -> np.ndarray:
    """An ellipse of camera's pixels on black."""
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    return np.where((y / 0.9) ** 2 + (x / 0.75) ** 2 < 1, bundled("camera"), 0).astype(np.uint8)


def tiles(plane: np.ndarray, side: int) -> list[np.ndarray]:
    corners = [(y, x) for y in range(0, plane.shape[0], side) for x in range(0, plane.shape[1], side)]
    return [plane[y : y + side, x : x + side] for y, x in corners]


@pytest.mark.parametrize("name", ["camera", "astronaut", "coffee", "chelsea", "rocket", "brick", "grass", "gravel"])
def test_photographs_get_no_flag(name):
    assert flags(bundled(name)) == ()


@pytest.mark.parametrize("name", ["page", "text"])
def test_photographed_print_and_handwriting_is_text(name):
    assert flags(bundled(name)) == ("text",)


@pytest.mark.parametrize(
    "plane", [written_page(), written_page(paper=170, ink=60), line_drawing()], ids=["white", "gray", "drawing"]
)
def test_pages_and_drawings_are_text(plane):
    assert flags(plane) == ("text",)


@pytest.mark.parametrize(
    "plane", [bundled("retina"), scanned_body(), smear()], ids=["fundus", "on black", "bright field"]
)
def test_what_instruments_show_is_out_of_domain(plane):
    assert flags(plane) == ("out_of_domain",)


@pytest.mark.parametrize("name", ["camera", "chelsea", "coffee"])
def test_black_bars_and_frames_do_not_put_a_photograph_out_of_domain(name):
    picture = bundled(name)
    for margins in (((90, 90), (0, 0)), ((0, 0), (120, 120)), ((80, 80), (80, 80))):
        assert flags(np.pad(picture, margins)) == ()


@pytest.mark.parametrize("value", [0, 127, 255])
def test_a_plane_with_nothing_in_it_is_blank_and_nothing_else(value):
    plane = np.full((200, 300), value, np.uint8)
    plane[50:52] ^= 3
    assert flags(plane) == ("blank",)


@pytest.mark.parametrize("name", ["camera", "chelsea", "page"])
def test_a_larger_working_size_of_a_model_does_not_matter(name):
    fine, coarse = (Look.of(small_lightness(bundled(name), Window(0, 255), size)) for size in (384, 128))
    np.testing.assert_allclose(fine, coarse, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 2), (3, 5)])
def test_planes_of_any_shape_are_looked_at(shape):
    assert set(flags(np.random.default_rng(0).integers(0, 256, shape, np.uint8))) <= set(NOTES)


# -- what is made of them --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def colorizer(model_file) -> Colorizer:
    return Colorizer.load(model_file, device="cpu")


def test_the_map_keeps_the_flags(colorizer):
    chroma = colorizer.predict(written_page())
    assert chroma.flags == ("text",)
    assert colorizer.predict(chroma).flags == ("text",)


def test_a_page_of_photographs_is_not_text(colorizer):
    page = np.full((700, 1300), 255, np.uint8)
    page[100:600, 100:600], page[100:600, 700:1200] = bundled("camera")[:500, :500], bundled("camera")[:500, 12:]
    chroma = colorizer.predict(page)
    assert chroma.record["pictures"]
    assert chroma.flags == ()


def test_a_file_of_text_is_noted_and_a_photograph_is_not(colorizer, tmp_path):
    for name, plane in (("page", written_page()), ("camera", bundled("camera"))):
        Image.fromarray(plane).save(tmp_path / f"{name}.png")
        notes = colorize_file(
            colorizer, tmp_path / f"{name}.png", tmp_path / f"{name}-colour.png", Options(), overwrite=False
        )
        assert notes == ([NOTES["text"]] if name == "page" else [])


# -- measured: bench/domain.py prints the shares ---------------------------------------------------------------------


def test_few_photographs_are_flagged(test_data):
    with tarfile.open(test_data / "select" / "select.tar") as tar:
        files = [tar.extractfile(member).read() for member in tar.getmembers()[1::2]]
    flagged = [bool(flags(gray(np.asarray(decode_rgb(content))))) for content in files]
    assert np.mean(flagged) <= 0.02


def test_most_of_what_is_unlike_photographs_is_flagged(test_data):
    def share(*patterns: str, side: int = 2000) -> float:
        paths = [path for pattern in patterns for path in sorted(test_data.glob(pattern))]
        planes = [gray(np.asarray(decode_rgb(path.read_bytes()))) for path in paths]
        return float(np.mean([bool(flags(tile)) for plane in planes for tile in tiles(plane, side)]))

    assert share("medical/xray/*.png") == 1
    assert share("histology/*.jpg", side=480) >= 0.4
    assert share("blood_cells/test/*.jpg") >= 0.8
    assert share("scans/lep_dave*", "scans/lep_tribune*", "scans/tm_g3aoe*", "scans/lep_scots*", "scans/lep_1555*") == 1
