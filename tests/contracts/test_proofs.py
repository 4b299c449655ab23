"""Maps, and what is proved by them: ``image --map``, ``render``, ``verify``, ``gray --original``."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from training import ChromaMap, gray
from training.console import DONE, SOME_FAILED, WRONG_USE
from training.hashes import sha256_file
from training.provenance import read_record


@pytest.fixture
def known_model(model_file, tmp_path, monkeypatch):
    """The model among the user's own."""
    folder = tmp_path / "own models"
    folder.mkdir()
    shutil.copy(model_file, folder / "random.safetensors")
    monkeypatch.setenv("COLORIZE_MODELS", str(folder))


def verified(colorize, *words) -> tuple[int, dict]:
    code, lines, _ = colorize("verify", *words, "--json")
    return code, json.loads(lines[0])


# -- maps ------------------------------------------------------------------------------------------------------------


def test_a_map_lies_beside_its_result_and_renders_it_again(colorize, camera):
    assert colorize("image", "camera.png", "--map")[:2] == (DONE, ["camera-colour.png"])
    assert ChromaMap.load("camera-colour.chroma").shape == camera.shape
    assert colorize("render", "camera.png", "camera-colour.chroma", "-o", "again.png")[:2] == (DONE, ["again.png"])
    assert Path("again.png").read_bytes() == Path("camera-colour.png").read_bytes()


def test_without_asking_no_map_is_written(colorize, camera):
    colorize("image", "camera.png")
    assert not list(Path().glob("*.chroma"))


def test_every_page_has_its_map_and_options_are_kept_in_it(colorize):
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter("scan.tif") as tif:
        for _ in range(3):
            tif.write(rng.integers(0, 256, (40, 60, 3), np.uint8), photometric="rgb")
    assert colorize("image", "scan.tif", "--map", "--channel", "green", "--bits", "16", "--saturation", "2")[0] == DONE
    assert sorted(path.name for path in Path().glob("*.chroma")) == [f"scan-colour-p00{n}.chroma" for n in range(3)]
    assert colorize("render", "scan.tif", "scan-colour-p001.chroma", "-o", "page.tif")[0] == DONE
    np.testing.assert_array_equal(tifffile.imread("page.tif"), tifffile.imread("scan-colour.tif", key=1))


def test_a_map_that_exists_is_not_overwritten_and_nothing_else_is_written(colorize, camera):
    Path("camera-colour.chroma").write_text("mine")
    code, _, said = colorize("image", "camera.png", "--map")
    assert (code, "camera-colour.chroma exists already" in said) == (WRONG_USE, True)
    assert not Path("camera-colour.png").exists()
    assert colorize("image", "camera.png", "--map", "--overwrite")[0] == DONE


def test_a_map_of_another_picture_is_refused(colorize, camera):
    colorize("image", "camera.png", "--map")
    Image.fromarray(camera[:-1]).save("other.png")
    code, _, said = colorize("render", "other.png", "camera-colour.chroma")
    assert (code, "other.png is not the picture of camera-colour.chroma" in said) == (WRONG_USE, True)
    Image.fromarray(255 - camera).save("changed.png")
    code, _, said = colorize("render", "changed.png", "camera-colour.chroma")
    assert (code, "its bytes differ" in said) == (DONE, True)
    _, proof = verified(colorize, "changed-colour.png", "changed.png", "--map", "camera-colour.chroma")
    assert (proof["pages"][0]["map_different"], proof["pages"][0]["map_is_recorded"]) == (0, False)


@pytest.mark.parametrize("name", ["camera.png", "missing.chroma"])
def test_what_is_no_map_is_refused(colorize, camera, name):
    code, _, said = colorize("render", "camera.png", name)
    assert (code, f"{name}: cannot be read as a colour map" in said) == (WRONG_USE, True)


# -- verify ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("known_model")
def test_a_result_is_proved_by_its_source_and_its_map(colorize, camera):
    colorize("image", "camera.png", "--map")
    code, proof = verified(colorize, "camera-colour.png", "camera.png", "--map", "camera-colour.chroma")
    page = proof["pages"][0]
    assert (code, proof["ok"]) == (DONE, True)
    assert (page["gray_different"], page["map_different"], page["known_as"]) == (0, 0, ["random"])
    assert page["source_is_recorded"]
    assert page["result_is_recorded"]


@pytest.mark.usefixtures("known_model")
def test_pages_and_depths_and_negatives_are_proved(colorize):
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter("scan.tif") as tif:
        tif.write(rng.integers(0, 4096, (40, 60), dtype=np.uint16), photometric="minisblack")
        tif.write(rng.integers(0, 256, (30, 50), dtype=np.uint8), photometric="miniswhite")
        tif.write(rng.normal(0, 9, (30, 50)).astype(np.float32), photometric="minisblack")
    colorize("image", "scan.tif", "--map")
    maps = sorted(path.name for path in Path().glob("*.chroma"))
    code, proof = verified(colorize, "scan-colour.tif", "scan.tif", "--map", *maps)
    assert (code, [page["map_different"] for page in proof["pages"]]) == (DONE, [0, 0, 0])
    code, proof = verified(colorize, "scan-colour.tif", "scan.tif", "--map", maps[1])
    assert (code, [page["map_different"] for page in proof["pages"]]) == (DONE, [None, 0, None])
    assert colorize("render", "scan.tif", maps[1])[:2] == (DONE, ["scan-colour-p001.tif"])
    assert colorize("render", "scan.tif", maps[2], "-o", "new folder")[1] == [
        str(Path("new folder/scan-colour-p002.tif"))
    ]
    assert verified(colorize, "scan-colour-p001.tif", "scan.tif", "--map", maps[1])[0] == DONE
    code, _, said = colorize("verify", "scan-colour-p001.tif", "scan.tif", "--map", maps[0])
    assert (code, "is the map of another page" in said) == (WRONG_USE, True)


@pytest.mark.usefixtures("known_model")
def test_a_pixel_that_was_changed_is_found(colorize, camera):
    colorize("image", "camera.png", "--map")
    rgb = np.asarray(Image.open("camera-colour.png")).copy()
    rgb[5, 7] += 40
    Image.fromarray(rgb).save("changed.png")
    code, proof = verified(colorize, "changed.png", "camera.png", "--map", "camera-colour.chroma")
    assert (code, proof["ok"]) == (SOME_FAILED, False)
    assert (proof["pages"][0]["gray_different"], proof["pages"][0]["map_different"]) == (1, 1)


@pytest.mark.usefixtures("known_model")
def test_colour_that_was_changed_while_the_gray_stayed_is_found(colorize, camera):
    colorize("image", "camera.png", "--map")
    ChromaMap.load("camera-colour.chroma").with_saturation(0.5).save("paler.chroma")
    colorize("render", "camera.png", "paler.chroma", "-o", "paler.png")
    code, proof = verified(colorize, "paler.png", "camera.png", "--map", "camera-colour.chroma")
    assert (code, proof["pages"][0]["gray_different"]) == (SOME_FAILED, 0)
    assert proof["pages"][0]["map_different"] > 100


def test_an_unknown_model_and_another_source_are_told(colorize, camera):
    colorize("image", "camera.png")
    code, lines, _ = colorize("verify", "camera-colour.png", "camera.png")
    assert code == SOME_FAILED
    assert any(line.startswith("NO") and "no model here has the hash" in line for line in lines)
    Image.fromarray(camera).save("saved again.png", compress_level=1)
    _, proof = verified(colorize, "camera-colour.png", "saved again.png")
    assert (proof["pages"][0]["source_is_recorded"], proof["pages"][0]["gray_different"]) == (False, 0)


@pytest.mark.usefixtures("known_model")
def test_opacity_that_was_changed_is_found(colorize, camera):
    alpha = np.full_like(camera, 200)
    Image.fromarray(np.dstack([camera, camera, camera, alpha])).save("rgba.png")
    colorize("image", "rgba.png")
    assert verified(colorize, "rgba-colour.png", "rgba.png")[0] == DONE
    rgba = np.asarray(Image.open("rgba-colour.png")).copy()
    rgba[3, :5, 3] = 1
    Image.fromarray(rgba).save("changed.png", pnginfo=None)
    assert verified(colorize, "changed.png", "rgba.png")[1]["pages"][0]["alpha_different"] == 5


@pytest.mark.usefixtures("known_model")
def test_a_dark_result_without_colour_is_proved(colorize):
    """Its three channels are equal, and all below 4096: it must not be taken for 12 of 16 bits."""
    dark = np.random.default_rng(0).integers(0, 4000, (40, 60), dtype=np.uint16)
    tifffile.imwrite("dark.tif", dark, photometric="minisblack")
    colorize("image", "dark.tif", "--window", "0", "65535", "--saturation", "0")
    assert verified(colorize, "dark-colour.tif", "dark.tif")[0] == DONE
    colorize("gray", "dark-colour.tif", "-o", "back.tif")
    np.testing.assert_array_equal(tifffile.imread("back.tif"), dark)


def damaged_records(record: dict) -> list:
    source, colour = record["source"], record["colour"]
    changes = [{"source": source | {"page": page}} for page in ("x", -1, 1.5, True)]
    changes += [{"window": window} for window in ([1], {"lo": 0}, {"lo": "a", "hi": 1}, {"lo": 10**400, "hi": 1}, 7)]
    changes += [{"colour": colour | change} for change in ({"model_sha256": 5}, {"channel": "pink"}, {"model": [1]})]
    changes += [{"source": source | {"stored": stored}} for stored in ({"dtype": "O"}, [1], {"dtype": "uint8"})]
    return [record | change for change in changes] + [[1], "text"]


def test_damaged_records_are_refused_with_a_sentence(colorize, camera, monkeypatch):
    colorize("image", "camera.png")
    for damaged in damaged_records(read_record(Path("camera-colour.png"))):
        monkeypatch.setattr("training.records.read_record", lambda *_, damaged=damaged: damaged)
        for words in (("verify", "camera-colour.png", "camera.png"), ("gray", "camera-colour.png", "--original")):
            code, _, said = colorize(*words)
            assert (code, "camera-colour.png: the record that it carries is damaged" in said) == (WRONG_USE, True)


@pytest.mark.parametrize("change", [{"page": "0"}, {"page": -1}, {"page": 3}, {"channel": "pink"}])
def test_maps_whose_record_is_damaged_are_refused(colorize, camera, change):
    colorize("image", "camera.png", "--map")
    ChromaMap.load("camera-colour.chroma").with_record(**change).save("odd.chroma")
    code, _, said = colorize("render", "camera.png", "odd.chroma", "-o", "out.png")
    assert (code, "odd.chroma" in said, "unexpected" in said) == (WRONG_USE, True, False)


@pytest.mark.usefixtures("known_model")
def test_a_jpeg_is_told_to_deviate(colorize, camera):
    colorize("image", "camera.png", "-o", "colour.jpg")
    code, proof = verified(colorize, "colour.jpg", "camera.png")
    assert code == SOME_FAILED
    assert proof["pages"][0]["gray_different"] > 0
    assert 0 < proof["pages"][0]["gray_deviation"] < 0.1


def test_a_stranger_s_picture_has_no_record(colorize, camera):
    code, proof = verified(colorize, "camera.png", "camera.png")
    assert (code, proof["pages"][0]["gray_different"], proof["pages"][0]["model"]) == (SOME_FAILED, 0, None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("other.png", "camera.png"), "has the shape"),
        (("missing.png", "camera.png"), "missing.png"),
        (("camera.png", "missing.png"), "missing.png"),
    ],
)
def test_what_cannot_be_compared_is_refused(colorize, camera, words, sentence):
    Image.fromarray(camera[:-3]).save("other.png")
    code, _, said = colorize("verify", *words)
    assert (code, sentence in said) == (WRONG_USE, True)


@pytest.mark.usefixtures("known_model")
def test_the_report_is_complete_in_itself(colorize, camera):
    colorize("image", "camera.png", "--map")
    words = ("verify", "camera-colour.png", "camera.png", "--map", "camera-colour.chroma", "--report", "proof.html")
    assert colorize(*words)[0] == DONE
    page = Path("proof.html").read_text()
    code, _, said = colorize(*words[:-1], "camera.png")
    assert (code, "no name for a report" in said) == (WRONG_USE, True)
    assert "holds" in page
    assert sha256_file("camera.png") in page
    assert page.count("data:image/png;base64,") == 4
    assert "http-equiv" not in page
    assert 'src="http' not in page


@pytest.mark.parametrize(
    "page", [np.full((20, 30), 5, np.uint8), np.float32([[np.nan, 1], [2, 3]])], ids=["even", "float"]
)
def test_a_report_is_written_of_any_picture(colorize, page):
    tifffile.imwrite("page.tif", page, photometric="minisblack")
    assert colorize("verify", "page.tif", "page.tif", "--report", "proof.html")[0] in (SOME_FAILED, WRONG_USE)


# -- the file's own numbers ------------------------------------------------------------------------------------------


def check_original(colorize, name: str, *options: str) -> str:
    assert colorize("image", name, *options)[0] == DONE
    stem = name.partition(".")[0]
    code, _, said = colorize("gray", f"{stem}-colour.tif", "--original", "-o", "original.tif", "--overwrite")
    assert code == DONE
    return said


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize(("dtype", "below"), [(np.uint8, 256), (np.uint16, 65536), (np.uint16, 4096)])
def test_the_numbers_of_a_file_come_back(colorize, photometric, dtype, below):
    before = np.random.default_rng(0).integers(0, below, (70, 90), dtype=dtype)
    tifffile.imwrite("scan.tif", before, photometric=photometric)
    assert "pixels" not in check_original(colorize, "scan.tif")
    with tifffile.TiffFile("original.tif") as tif:
        np.testing.assert_array_equal(tif.pages[0].asarray(), before)
        assert tif.pages[0].photometric.name.lower() == photometric


def test_the_numbers_of_a_negative_come_back(colorize):
    before = np.random.default_rng(0).integers(0, 256, (70, 90), dtype=np.uint8)
    tifffile.imwrite("film.tif", before, photometric="minisblack")
    check_original(colorize, "film.tif", "--negative")
    np.testing.assert_array_equal(tifffile.imread("original.tif"), before)


def test_numbers_that_a_window_made_equal_are_counted(colorize):
    before = np.tile(np.arange(256, dtype=np.uint8), (32, 1))
    tifffile.imwrite("scan.tif", before, photometric="minisblack")
    said = check_original(colorize, "scan.tif", "--window", "50", "200", "--bits", "16")
    assert f"{(51 + 56) * 32} of {before.size} pixels" in said
    np.testing.assert_array_equal(tifffile.imread("original.tif")[:, 51:200], before[:, 51:200])


def test_floats_come_back_nearly_and_are_all_counted(colorize):
    before = np.random.default_rng(0).normal(100, 9, (70, 90)).astype(np.float32)
    tifffile.imwrite("float.tif", before, photometric="minisblack")
    said = check_original(colorize, "float.tif", "--window", "0", "200")
    assert f"{before.size} of {before.size} pixels" in said
    np.testing.assert_allclose(tifffile.imread("original.tif"), before, atol=0.004)


def test_a_tinted_scan_gives_back_the_gray_that_was_made_of_it(colorize):
    before = np.random.default_rng(0).integers(0, 256, (70, 90, 1)) * np.float32([1, 0.9, 0.7])
    sepia = np.rint(before).astype(np.uint8)
    tifffile.imwrite("sepia.tif", sepia, photometric="rgb")
    assert "its source was in colour" in check_original(colorize, "sepia.tif")
    found = tifffile.imread("original.tif")
    assert (found.dtype, found.shape) == (np.uint16, (70, 90))
    np.testing.assert_array_equal(found, gray(sepia.astype(np.uint16) * 257))


def test_what_was_edited_or_is_a_jpeg_has_no_original(colorize, camera):
    colorize("image", "camera.png", "-o", "colour.jpg")
    code, _, said = colorize("gray", "colour.jpg", "--original")
    assert (code, "its numbers cannot be told" in said) == (WRONG_USE, True)


def test_a_file_without_a_record_has_no_original(colorize, camera):
    Image.fromarray(np.dstack([camera] * 2 + [camera // 2])).save("photograph.png")
    code, _, said = colorize("gray", "photograph.png", "--original")
    assert (code, "has no record of the numbers" in said) == (WRONG_USE, True)


# -- textures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(256, 256), (300, 212)])
def test_a_texture_tiles_as_well_as_its_gray_does(colorize, shape):
    noise = np.random.default_rng(0).normal(0, 1, shape)
    tile = sum(gaussian_filter(noise, sigma, mode="wrap") * sigma for sigma in (2, 8, 24))
    tile = np.rint(128 + 40 * tile / tile.std()).clip(0, 255).astype(np.uint8)
    Image.fromarray(tile).save("tile.png")
    colorize("image", "tile.png", "--wrap", "--map", model=None)
    np.testing.assert_array_equal(gray(np.asarray(Image.open("tile-colour.png"))), tile)
    # on even gray only the colour is left
    rgb = ChromaMap.load("tile-colour.chroma").render(np.full_like(tile, 128)).astype(int)
    for axis in (0, 1):
        across, inside = np.abs(rgb.take(0, axis) - rgb.take(-1, axis)).mean(), np.abs(np.diff(rgb, axis=axis)).mean()
        assert across < 2 * inside + 0.2


def test_the_record_tells_how_the_numbers_were_stored(colorize, camera):
    colorize("image", "camera.png")
    stored = read_record(Path("camera-colour.png"))["source"]["stored"]
    assert stored == {
        "dtype": "uint8",
        "least": int(camera.min()),
        "most": int(camera.max()),
        "min_is_white": False,
        "colour": False,
    }
