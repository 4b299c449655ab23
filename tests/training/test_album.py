import numpy as np
import pytest
from PIL import Image
from skimage import data, transform

from training.album import Box, find_pictures
from training.chroma_map import ChromaMap
from training.color import gray
from training.hints import Hint
from training.prediction import Colorizer

NAMES = ("astronaut", "chelsea", "coffee", "rocket", "camera", "brick")


def photographs() -> list[np.ndarray]:
    pictures = [getattr(data, name)() for name in NAMES]
    planes = [gray(picture) if picture.ndim == 3 else picture for picture in pictures]
    return [np.rint(transform.resize(plane, (400, 400)) * 255).astype(np.uint8) for plane in planes]


def album_page(paper: int, pictures: list[np.ndarray]) -> np.ndarray:
    """Six pictures of 400 x 400 on paper, two rows of three."""
    page = np.random.default_rng(0).normal(paper, 3, (940, 1400)).clip(0, 255).astype(np.uint8)
    for number, picture in enumerate(pictures):
        page[place(number)] = picture
    return page


def place(number: int) -> tuple[slice, slice]:
    row, column = divmod(number, 3)
    return slice(50 + 440 * row, 450 + 440 * row), slice(50 + 450 * column, 450 + 450 * column)


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer.load("photo", device="cpu")


@pytest.mark.parametrize("paper", [225, 60])
def test_the_pictures_of_a_page_are_found(paper):
    page = np.full((96, 140), paper, np.uint8)
    boxes = [
        Box(10 + 44 * row, 42 + 44 * row, 10 + 44 * column, 42 + 44 * column) for row in (0, 1) for column in (0, 1, 2)
    ]
    for box in boxes:
        page[box.slices] = np.random.default_rng(0).integers(100, 200, (32, 32)) if paper == 60 else 90
    assert find_pictures(page) == boxes


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_is_left_alone(name):
    for plane in (picture := photographs()[NAMES.index(name)], np.pad(picture, 40, constant_values=230)):
        small = np.rint(transform.resize(plane, (128, 128)) * 255).astype(np.uint8)
        assert find_pictures(small) == []


@pytest.mark.parametrize(
    "plane", [np.zeros((128, 160), np.uint8), np.full((2, 2), 255, np.uint8), np.eye(128, dtype=np.uint8) * 255]
)
def test_what_has_no_pictures_has_none(plane):
    assert find_pictures(plane) == []


@pytest.mark.parametrize("paper", [225, 10])
def test_each_picture_of_a_page_gets_nearly_the_colours_that_it_gets_alone(colorizer, paper):
    pictures = photographs()
    page = album_page(paper, pictures)
    merged = colorizer.predict(page)
    assert len(merged.record["pictures"]) == 6
    whole = colorizer.predict(page, by_picture=False)
    assert "pictures" not in whole.record
    alone = [colorizer.predict(picture).render(picture) for picture in pictures]
    far, near = (
        np.mean([np.abs(chroma.render(page)[place(n)].astype(int) - rgb).mean() for n, rgb in enumerate(alone)])
        for chroma in (whole, merged)
    )
    assert near < 0.6 * far
    np.testing.assert_array_equal(gray(merged.render(page)), page)


def test_a_map_of_a_page_predicted_again_is_itself_and_keeps_hints(colorizer):
    page = album_page(225, photographs())
    chroma = colorizer.predict(page)
    assert colorizer.predict(chroma).to_bytes() == chroma.to_bytes()
    hint = Hint(y=250, x=700, rgb=(40, 60, 200))
    hinted = colorizer.predict(chroma, [hint])
    assert hinted.to_bytes() == colorizer.predict(page, [hint]).to_bytes()
    y, x = (round(p * cells / side) for p, cells, side in zip((250, 700), chroma.ab.shape[1:], page.shape))
    assert hinted.ab[1, y, x] < chroma.ab[1, y, x] - 5


@pytest.mark.parametrize("shape", [(940, 1400), (701, 533), (300, 1900), (1999, 1001)])
def test_the_distribution_of_a_page_of_any_shape_fits_its_map(colorizer, shape):
    page = np.asarray(Image.fromarray(album_page(225, photographs())).resize(shape[::-1]))
    chroma = colorizer.predict(page, distribution=True, seed=3)
    again = ChromaMap.from_bytes(chroma.to_bytes())
    chances = np.square(again.distribution / 255)
    np.testing.assert_allclose(chances.sum(axis=0), 1, atol=0.1)
