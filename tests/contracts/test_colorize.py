"""The command line ``colorize``: what it writes, says and returns."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from skimage import data

from training import gray
from training.console import DONE, SOME_FAILED, WRONG_USE
from training.provenance import SENTENCE, read_record


def test_a_result_lies_beside_its_input_and_gray_gives_the_input_back(colorize, camera):
    assert colorize("image", "camera.png") == (DONE, ["camera-colour.png"], "")
    colour = np.asarray(Image.open("camera-colour.png"))
    assert colour.shape == (*camera.shape, 3)
    assert np.ptp(colour.astype(int), axis=-1).max() > 10
    assert colorize("gray", "camera-colour.png")[:2] == (DONE, ["camera-colour-gray.png"])
    assert np.array_equal(np.asarray(Image.open("camera-colour-gray.png")), camera)


def test_a_multi_page_16_bit_tiff_keeps_its_pages_depth_and_resolution(colorize):
    rng = np.random.default_rng(0)
    pages = [rng.integers(0, 65536, (40, 60), dtype=np.uint16), rng.integers(0, 65536, (50, 30), dtype=np.uint16)]
    with tifffile.TiffWriter("scan.tif") as tif:
        for page in pages:
            tif.write(page, photometric="minisblack", resolution=(300, 300), resolutionunit="inch")
    assert colorize("image", "scan.tif")[:2] == (DONE, ["scan-colour.tif"])
    with tifffile.TiffFile("scan-colour.tif") as tif:
        assert [page.dtype for page in tif.pages] == [np.uint16, np.uint16]
        assert all(np.array_equal(gray(page.asarray()), before) for page, before in zip(tif.pages, pages, strict=True))
        assert tif.pages[1].get_resolution("inch") == (300, 300)


def test_every_result_says_that_a_machine_inferred_the_colour_and_from_what(colorize, camera):
    colorize("image", "camera.png", "--saturation", "0.5")
    record = read_record(Path("camera-colour.png"))
    assert record["statement"] == SENTENCE
    assert record["source"]["file"] == "camera.png"
    assert record["colour"]["saturation"] == 0.5
    assert len(record["colour"]["model_sha256"]) == 64


@pytest.mark.parametrize(
    ("picture", "value"),
    [(np.uint8([[9]]), 9), (np.arange(20000, dtype=np.uint16)[None], 4096 * 4)],
    ids=["1x1", "1x20000"],
)
def test_pictures_of_extreme_shape_are_done(colorize, picture, value):
    tifffile.imwrite("odd.tif", picture, photometric="minisblack")
    assert colorize("image", "odd.tif", "--window", "0", str(np.iinfo(picture.dtype).max))[0] == DONE
    assert np.array_equal(gray(tifffile.imread("odd-colour.tif")), picture)


def test_nan_is_black_and_counted_and_a_float_window_is_stated(colorize):
    picture = np.linspace(-3, 5, 6400, dtype=np.float32).reshape(80, 80)
    picture[4, :7] = np.nan
    tifffile.imwrite("float.tif", picture, photometric="minisblack")
    code, _, said = colorize("image", "float.tif")
    assert code == DONE
    assert "7 pixels are no numbers" in said
    assert "percentiles" in said
    assert not gray(tifffile.imread("float-colour.tif"))[4, :7].any()


def test_alpha_is_passed_through(colorize, camera):
    alpha = np.arange(camera.size, dtype=np.uint8).reshape(camera.shape)
    Image.fromarray(np.dstack([camera, camera, camera, alpha])).save("rgba.png")
    assert colorize("image", "rgba.png")[0] == DONE
    result = np.asarray(Image.open("rgba-colour.png"))
    assert np.array_equal(result[..., 3], alpha)
    assert np.array_equal(gray(result), camera)


def test_a_gray_gamma_profile_makes_the_result_16_bit_so_that_no_values_merge(colorize):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (32, 1))
    tifffile.imwrite("gamma.tif", ramp, photometric="minisblack", iccprofile=gray_gamma_profile(2.2))
    assert colorize("image", "gamma.tif")[0] == DONE
    result = gray(tifffile.imread("gamma-colour.tif"))
    assert result.dtype == np.uint16
    assert len(np.unique(result)) == 256


def gray_gamma_profile(gamma: float) -> bytes:
    """A gray ICC profile with one gamma: the header of Pillow's sRGB profile, two tags of our own."""
    header = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()[:128])
    header[16:20] = b"GRAY"
    curve = b"curv\0\0\0\0\0\0\0\1" + int(gamma * 256).to_bytes(2, "big") + b"\0\0"
    white = b"XYZ \0\0\0\0" + b"".join(int(v * 65536).to_bytes(4, "big") for v in (0.9642, 1, 0.8249))
    table = (2).to_bytes(4, "big")
    offset = 128 + 4 + 2 * 12
    for tag, content in ((b"kTRC", curve), (b"wtpt", white)):
        table += tag + offset.to_bytes(4, "big") + len(content).to_bytes(4, "big")
        offset += len(content)
    header[0:4] = offset.to_bytes(4, "big")
    return bytes(header) + table + curve + white


def test_a_sepia_print_is_colorized_from_its_luminance_and_a_colour_photograph_is_said_to_be_one(colorize, camera):
    sepia = np.clip(camera[..., None] * np.array([1.0, 0.85, 0.62]), 0, 255).astype(np.uint8)
    Image.fromarray(sepia).save("sepia.png")
    Image.fromarray(data.coffee()).save("coffee.png")
    code, _, said = colorize("image", "sepia.png", "coffee.png")
    assert code == DONE
    assert "sepia.png: is tinted" in said
    assert "coffee.png: is a colour photograph" in said
    result = imagecodecs.imread("sepia-colour.png")
    assert np.array_equal(gray(result), gray(sepia.astype(np.uint16) * 257))


def test_a_negative_becomes_positive(colorize, camera):
    assert colorize("image", "camera.png", "--negative")[0] == DONE
    assert np.array_equal(gray(np.asarray(Image.open("camera-colour.png"))), 255 - camera)


def test_hints_of_a_file_are_used_and_recorded(colorize, camera):
    hint = {"y": 30.0, "x": 40.0, "rgb": [200, 30, 30], "source": "a letter of 1911"}
    Path("hints.json").write_text(json.dumps({"hints": [hint]}))
    assert colorize("image", "camera.png", "--hints", "hints.json")[0] == DONE
    (kept,) = read_record(Path("camera-colour.png"))["colour"]["hints"]
    assert (kept["y"], kept["rgb"], kept["source"]) == (30.0, [200, 30, 30], "a letter of 1911")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["missing.png"], "missing.png does not exist"),
        (["empty.png"], "empty.png is empty"),
        (["text.tif"], "text.tif is no picture that can be read"),
        (["cut.png"], "cut.png is damaged, cut off"),
        (["cut.tif"], "cut.tif is damaged, cut off"),
        (["camera.png", "camera.jpg"], "would both become camera-colour.png"),
        (["camera.png", "text.tif", "-o", "text.tif"], "text.tif is a file"),
        (["camera.png", "-o", "text.tif/x.png"], "text.tif/x.png cannot be written"),
        (["camera.png", "-o", "x.bmp"], "x.bmp names no format"),
        (["camera.png", "--hints", "text.tif"], "text.tif: no hints file"),
        (["camera.png", "--window", "5", "5"], "two different finite values"),
        (["camera.png", "--saturation", "-1"], "between 0 and 10"),
        (["camera.png", "--bits", "9"], "--bits"),
        (["camera.png", "--frobnicate"], "--frobnicate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_a_sentence_and_nothing_is_written(colorize, camera, words, sentence):
    Path("empty.png").touch()
    Path("text.tif").write_text("not a picture")
    Path("cut.png").write_bytes(Path("camera.png").read_bytes()[:9000])
    tifffile.imwrite(
        "whole.tif", np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8), photometric="minisblack"
    )
    Path("cut.tif").write_bytes(Path("whole.tif").read_bytes()[:2000])
    Image.fromarray(camera).save("camera.jpg")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    code, out, said = colorize("image", *words)
    assert code == WRONG_USE
    assert out == []
    assert sentence in said
    assert "Traceback" not in said
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_stack_in_one_directory_is_refused_not_cut_to_its_first_plane(colorize):
    stack = np.zeros((10, 20, 30), np.uint8)
    tifffile.imwrite("stack.tif", stack, imagej=True, truncate=True, photometric="minisblack")
    code, _, said = colorize("image", "stack.tif")
    assert (code, "10 planes in one directory" in said) == (WRONG_USE, True)


def test_what_nobody_expected_of_one_file_does_not_stop_the_others(colorize, camera, monkeypatch):
    Image.fromarray(camera).save("odd.png")
    monkeypatch.setattr("training.pictures.sha256_file", lambda path: 1 / 0 if path.name == "odd.png" else "0" * 64)
    code, out, said = colorize("image", "odd.png", "camera.png")
    assert (code, out) == (SOME_FAILED, ["camera-colour.png"])
    assert "odd.png: unexpected ZeroDivisionError" in said


def test_gray_of_a_negative_scan_is_a_positive(colorize, camera):
    tifffile.imwrite("scan.tif", camera, photometric="miniswhite")
    assert colorize("gray", "scan.tif")[0] == DONE
    assert np.array_equal(tifffile.imread("scan-gray.tif"), 255 - camera)


def test_nothing_is_computed_for_a_result_that_cannot_be_written(colorize, camera, monkeypatch):
    Path("camera-colour.png").touch()
    monkeypatch.setattr("training.prediction.Colorizer.predict", None)
    code, _, said = colorize("image", "camera.png")
    assert (code, "exists already" in said) == (WRONG_USE, True)


def test_a_jpeg_result_is_said_not_to_be_reversible_and_claims_no_pixels(colorize, camera):
    code, _, said = colorize("image", "camera.png", "-o", "out.jpg")
    assert (code, "JPEG is not reversible" in said) == (DONE, True)
    assert "result" not in read_record(Path("out.jpg"))


def test_a_small_file_of_several_pages_is_no_bigtiff(colorize):
    for page in range(2):
        tifffile.imwrite("two.tif", np.full((9, 9), page, np.uint8), photometric="minisblack", append=page > 0)
    assert colorize("image", "two.tif")[0] == DONE
    with tifffile.TiffFile("two-colour.tif") as tif:
        assert not tif.is_bigtiff


@pytest.mark.parametrize("content", ['{"hints": 5}', '{"hints": [{"y": 1, "x": 1, "rgb": [1, 2, 3], "plane": ["a"]}]}'])
def test_hints_that_are_none_are_said_to_be(colorize, camera, content):
    Path("hints.json").write_text(content)
    code, _, said = colorize("image", "camera.png", "--hints", "hints.json")
    assert code == WRONG_USE
    assert "hints.json" in said
    assert "unexpected" not in said


def test_models_that_are_none_are_refused(colorize, camera):
    Path("text.safetensors").write_text("not a model")
    code, _, said = colorize("image", "camera.png", model="text.safetensors")
    assert (code, "text.safetensors: cannot be read as a model" in said) == (WRONG_USE, True)
    code, _, said = colorize("image", "camera.png", model="nobody")
    assert (code, "nobody: there is no model of this name" in said) == (WRONG_USE, True)


def test_the_others_are_done_when_one_fails(colorize, camera):
    Path("empty.png").touch()
    code, out, said = colorize("image", "empty.png", "camera.png", "-o", "results")
    assert (code, out) == (SOME_FAILED, ["results/camera-colour.png"])
    assert "empty.png is empty" in said


def test_nothing_is_overwritten_unasked(colorize, camera):
    assert colorize("image", "camera.png")[0] == DONE
    before = Path("camera-colour.png").read_bytes()
    code, _, said = colorize("image", "camera.png", "--saturation", "0")
    assert (code, "exists already" in said) == (WRONG_USE, True)
    assert Path("camera-colour.png").read_bytes() == before
    assert colorize("image", "camera.png", "--saturation", "0", "--overwrite")[0] == DONE
    assert Path("camera-colour.png").read_bytes() != before


def test_a_full_disk_leaves_nothing_behind(colorize, small_disk):
    noise = np.random.default_rng(0).integers(0, 256, (512, 512), np.uint8)
    Image.fromarray(noise).save("noise.png")
    code, _, said = colorize("image", "noise.png", "-o", small_disk / "out.png")
    assert code == WRONG_USE
    assert "the disk is full" in said
    assert list(small_disk.iterdir()) == []


def test_ctrl_c_leaves_no_half_result(model_file, tmp_path):
    for number in range(200):
        Image.fromarray(data.camera()).save(tmp_path / f"{number:03}.png", compress_level=1)
    command = [Path(sys.executable).with_name("colorize"), "image", *sorted(tmp_path.glob("*.png"))]
    command += ["-o", tmp_path / "out", "--model", model_file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("out/*.png")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    for result in (tmp_path / "out").iterdir():
        assert result.suffix == ".png"
        Image.open(result).load()


@pytest.mark.parametrize("command", ["image", "gray", "evaluate", "train"])
def test_help_shows_an_example(colorize, command):
    code, out, _ = colorize(command, "--help", model=None)
    assert code == DONE
    assert any(f"colorize {command}" in line for line in out)


def test_results_go_to_stdout_and_errors_to_stderr_as_a_program(model_file, camera, tmp_path):
    program = Path(sys.executable).with_name("colorize")
    done = subprocess.run(
        [program, "image", "gone.png", "--model", model_file], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip().startswith("gone.png does not exist")


@pytest.mark.parametrize("target", ["colour.png", "colour.jpg"])
def test_exif_is_kept_but_for_the_orientation(colorize, camera, target):
    exif = Image.Exif()
    exif[274], exif[271] = 6, "Leica"
    exif.get_ifd(0x8769).update({36867: "1938:05:01 10:00:00", 40962: 999})
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 0.0)
    Image.fromarray(camera[:100]).save("photo.jpg", exif=exif, quality=95)
    assert colorize("image", "photo.jpg", "-o", target)[0] == DONE
    with Image.open(target) as image:
        found = image.getexif()
        assert image.size == (100, 256)  # upright
        assert (found.get(274, 1), found[271]) == (1, "Leica")
        assert dict(found.get_ifd(0x8769)) == {36867: "1938:05:01 10:00:00"}
        assert found.get_ifd(0x8825)[2] == (51.0, 30.0, 0.0)


def test_damaged_exif_spoils_no_picture(colorize, camera):
    Image.fromarray(camera).save("photo.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(256)))
    assert colorize("image", "photo.jpg")[0] == DONE


@pytest.mark.parametrize("words", [("image", "camera.png"), ("gray", "camera.png")])
def test_a_picture_is_never_replaced_by_its_own_result(colorize, camera, words):
    before = Path("camera.png").read_bytes()
    code, _, said = colorize(*words, "-o", "camera.png", "--overwrite")
    assert (code, "is the picture itself" in said) == (WRONG_USE, True)
    assert Path("camera.png").read_bytes() == before


def test_a_name_without_a_suffix_is_a_folder_and_one_with_a_suffix_none(colorize, camera):
    assert colorize("image", "camera.png", "-o", "colour")[:2] == (DONE, [str(Path("colour", "camera-colour.png"))])
    Image.fromarray(camera).save("other.png")
    code, _, said = colorize("image", "camera.png", "other.png", "-o", "out.tif")
    assert (code, "out.tif is a file" in said) == (WRONG_USE, True)


def test_two_pictures_never_share_a_map(colorize, camera):
    tifffile.imwrite("camera.tif", camera, photometric="minisblack")
    code, _, said = colorize("image", "camera.png", "camera.tif", "--map")
    assert (code, "would both become camera-colour.chroma" in said) == (WRONG_USE, True)
    assert colorize("image", "camera.png", "camera.tif")[0] == DONE


def test_a_window_that_is_negative_already_is_not_turned_again(colorize, camera):
    code, _, said = colorize("image", "camera.png", "--negative", "--window", "255", "0")
    assert (code, "negative already" in said) == (WRONG_USE, True)
