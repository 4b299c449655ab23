"""Writing picture files: exact numbers, provenance and profile, whole or not at all."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from training import __version__
from training.atomic import put_whole
from training.errors import OutputError, OutputExistsError, SettingsError
from training.formats.icc import srgb_profile
from training.image_writing import OutputPage, write_pages
from training.images import read_page, read_pages
from training.provenance import read_record, xmp_packet

RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (37, 23), dtype=np.uint8)
RGB = RNG.integers(0, 256, (37, 23, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (37, 23, 3), dtype=np.uint16)
ALPHA = RNG.integers(0, 256, (37, 23), dtype=np.uint8)
XMP = xmp_packet({"model": "photo"})


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("pixels", [GRAY, GRAY.astype(np.uint16) * 200, RGB, RGB16], ids=["g8", "g16", "rgb8", "rgb16"])
@pytest.mark.parametrize("alpha", [None, ALPHA, ALPHA.astype(np.uint16) * 257], ids=["opaque", "alpha8", "alpha16"])
def test_numbers_and_opacity_come_back_exactly(tmp_path, suffix, pixels, alpha):
    write_pages(tmp_path / f"a{suffix}", [OutputPage(pixels, alpha)], XMP)
    page = read_page(tmp_path / f"a{suffix}")
    assert page.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(page.pixels, pixels)
    if alpha is None:
        assert page.alpha is None
    else:
        scale = 257 if pixels.dtype == np.uint16 else 1
        np.testing.assert_array_equal(page.alpha, ALPHA.astype(np.uint16) * scale)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_every_format_carries_record_and_profile(tmp_path, suffix):
    write_pages(tmp_path / f"a{suffix}", [OutputPage(RGB)], XMP)
    assert read_record(tmp_path / f"a{suffix}") == {"model": "photo"}
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_gray_carries_no_rgb_profile_and_no_record_unless_given(tmp_path, suffix):
    write_pages(tmp_path / f"a{suffix}", [OutputPage(GRAY)], None)
    assert read_record(tmp_path / f"a{suffix}") is None
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("resolution", [(300.0, 150.0, "inch"), (118.11, 118.11, "centimeter")])
def test_resolution_comes_back(tmp_path, suffix, resolution):
    write_pages(tmp_path / f"a{suffix}", [OutputPage(RGB, resolution=resolution)], XMP)
    x, y, unit = read_page(tmp_path / f"a{suffix}").resolution
    factor = 2.54 if unit == "centimeter" and resolution[2] == "inch" else 1
    assert (x * factor, y * factor) == pytest.approx(resolution[:2], rel=1e-4)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_words_come_back_and_unknown_ones_are_left_out(tmp_path, suffix):
    words = {"artist": "Ída Keel", "copyright": "© Museum", "description": "A ferry, 1907"}
    write_pages(tmp_path / f"a{suffix}", [OutputPage(RGB, metadata=words | {"shoe_size": "41"})], XMP)
    assert read_page(tmp_path / f"a{suffix}").metadata == words


def test_tiff_pages_may_differ(tmp_path):
    pages = [OutputPage(RGB), OutputPage(GRAY[:9], xmp=xmp_packet({"page": 1})), OutputPage(RGB16, ALPHA)]
    write_pages(tmp_path / "a.tif", pages, XMP)
    for found, given in zip(read_pages(tmp_path / "a.tif"), pages, strict=True):
        np.testing.assert_array_equal(found.pixels, given.pixels)
    assert [read_record(tmp_path / "a.tif", page) for page in range(2)] == [{"model": "photo"}, {"page": 1}]


def test_tiff_takes_pages_that_are_made_one_by_one(tmp_path):
    write_pages(tmp_path / "a.tif", (OutputPage(RGB + np.uint8(step)) for step in range(3)), XMP)
    for step, page in enumerate(read_pages(tmp_path / "a.tif")):
        np.testing.assert_array_equal(page.pixels, RGB + np.uint8(step))


def test_tiff_says_what_the_numbers_mean_and_by_what_it_was_written(tmp_path):
    write_pages(tmp_path / "a.tif", [OutputPage(np.zeros((3, 4, 3), np.uint8))], XMP)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        page = tif.pages[0]
        assert page.photometric.name == "RGB"
        assert page.shape == (3, 4, 3)
        assert page.software == f"napari-colorize {__version__}"
        assert 270 not in page.tags


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for suffix in (".tif", ".png", ".jpg"):
        for name in "ab":
            write_pages(tmp_path / f"{name}{suffix}", [OutputPage(RGB)], XMP)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_jpeg_keeps_the_colour_of_every_pixel_about(tmp_path):
    smooth = np.asarray(Image.fromarray(RGB[:4, :4]).resize((64, 64), Image.Resampling.BICUBIC))
    write_pages(tmp_path / "a.jpg", [OutputPage(smooth.astype(np.uint16) * 257)], XMP)
    with Image.open(tmp_path / "a.jpg") as image:
        assert [sampling[1:3] for sampling in image.layer] == [(1, 1)] * 3
        assert np.abs(np.asarray(image).astype(int) - smooth).mean() < 2


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_several_pages_need_tiff(tmp_path, name):
    with pytest.raises(SettingsError, match=r"holds one page, not 2: write TIFF"):
        write_pages(tmp_path / name, [OutputPage(RGB), OutputPage(RGB)], XMP)
    assert not list(tmp_path.iterdir())


def test_provenance_that_does_not_fit_into_a_jpeg_is_an_error(tmp_path):
    long = xmp_packet({"hints": ["a colour that a letter of 1907 names"] * 2000})
    with pytest.raises(SettingsError, match="too long for JPEG: write TIFF"):
        write_pages(tmp_path / "a.jpg", [OutputPage(RGB)], long)
    write_pages(tmp_path / "a.png", [OutputPage(RGB)], long)
    assert len(read_record(tmp_path / "a.png")["hints"]) == 2000


def test_an_unknown_suffix_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"\.tif, \.png or \.jpg"):
        write_pages(tmp_path / "a.webp", [OutputPage(RGB)], XMP)


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(tmp_path):
    (tmp_path / "a.tif").write_text("mine")
    with pytest.raises(OutputExistsError, match="exists already"):
        write_pages(tmp_path / "a.tif", [OutputPage(RGB)], XMP)
    assert (tmp_path / "a.tif").read_text() == "mine"
    write_pages(tmp_path / "a.tif", [OutputPage(RGB)], XMP, overwrite=True)
    np.testing.assert_array_equal(read_page(tmp_path / "a.tif").pixels, RGB)


def test_missing_folders_are_made(tmp_path):
    write_pages(tmp_path / "b" / "c" / "a.png", [OutputPage(RGB)], XMP)
    assert (tmp_path / "b" / "c" / "a.png").exists()


def test_a_file_where_a_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "b").write_text("mine")
    with pytest.raises(OutputError, match="a file stands where a folder should be"):
        write_pages(tmp_path / "b" / "a.png", [OutputPage(RGB)], XMP)
    assert (tmp_path / "b").read_text() == "mine"


def test_a_folder_of_that_name_is_an_error(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match="a folder has that name"):
        write_pages(tmp_path / "a.png", [OutputPage(RGB)], XMP, overwrite=True)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("mine")
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the encoder says about complex numbers
        write_pages(tmp_path / f"a{suffix}", [OutputPage(np.zeros((4, 4, 3), complex))], XMP, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]
    assert (tmp_path / f"a{suffix}").read_text() == "mine"


def test_an_interrupted_writing_leaves_nothing(tmp_path):
    def pages():
        yield OutputPage(RGB)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pages(tmp_path / "a.tif", pages(), XMP)
    assert not list(tmp_path.iterdir())


WRITE_WITH_LITTLE_SPACE = """
import resource, sys
import numpy as np
from training.errors import OutputError
from training.image_writing import OutputPage, write_pages
noise = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_pages(sys.argv[1], [OutputPage(noise)], None)
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_a_file_that_does_not_fit_is_a_sentence_and_leaves_nothing(tmp_path, suffix):
    name = tmp_path / f"a{suffix}"
    done = subprocess.run(
        [sys.executable, "-c", WRITE_WITH_LITTLE_SPACE, str(name)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith(f"{name} cannot be written: "), done.stderr
    assert not list(tmp_path.iterdir())


def fill(path: Path, overwrite: bool) -> None:
    """Write to a device that is always full."""
    with put_whole(path, overwrite=overwrite) as temporary, Path("/dev/full").open("wb") as full:
        temporary.touch()
        full.write(bytes(100_000))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(OutputError, match="the disk is full: make room"):
        fill(tmp_path / "a", overwrite=True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_the_profile_is_accepted_by_lcms(tmp_path):
    write_pages(tmp_path / "a.png", [OutputPage(RGB)], XMP)
    with Image.open(tmp_path / "a.png") as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
    np.testing.assert_allclose(np.asarray(converted), RGB, atol=1)
