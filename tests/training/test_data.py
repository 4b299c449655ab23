import io
import os
import pickle
import subprocess
import sys
import tarfile
import tracemalloc

import imagecodecs
import numpy as np
import pytest
import torch
import zarr
from PIL import Image, JpegImagePlugin
from torch.utils.data import DataLoader

from made_pictures import colourful, encode
from training.data import Pictures, load_pictures, reduced
from training.errors import InputFileError, TrainingError
from training.picture_sources import decode_rgb
from training.samples import TrainingSamples


@pytest.fixture
def folder(tmp_path, encoded):
    for number, data in enumerate(encoded):
        (tmp_path / f"{number}.png").write_bytes(data)
    return tmp_path


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode(colourful(0).convert("L")), "gray"),
        (encode(Image.new("RGB", (40, 40), (90, 90, 90))), "gray"),
        (encode(colourful(0, (15, 90))), "smaller than 32 pixels"),
        (encode(colourful(0))[:500], "cannot be read"),
        (b"hello", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_what_would_spoil_a_model_is_left_out_with_the_reason(folder, data, reason):
    (folder / "odd.png").write_bytes(data)
    pictures = load_pictures([folder])
    assert len(pictures.names) == len(pictures.encoded) == 10
    assert list(pictures.left_out) == ["odd.png"]
    assert reason in pictures.left_out["odd.png"]


def test_too_few_pictures_are_an_error(folder):
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"broken")
    with pytest.raises(TrainingError, match=r"only 7 usable colour pictures in .* \(3 left out\): at least 8"):
        load_pictures([folder])


def sixteen_bit() -> bytes:
    return imagecodecs.png_encode(np.asarray(colourful(1)).astype(np.uint16) * 257)


ODD_PICTURES = {
    "cmyk.jpg": encode(colourful(1).convert("CMYK"), "JPEG"),
    "palette.png": encode(colourful(1).convert("P")),
    "palette with transparency.png": encode(colourful(1).convert("P"), transparency=bytes(range(256))),
    "rgba.png": encode(colourful(1).convert("RGBA")),
    "ycbcr.tif": encode(colourful(1).convert("YCbCr"), "TIFF"),
    "lab.tif": encode(colourful(1).convert("LAB"), "TIFF"),
    "animated.png": encode(colourful(1), save_all=True, append_images=[colourful(2)]),
    "animated.webp": encode(colourful(1), "WEBP", save_all=True, append_images=[colourful(2)], lossless=True),
    "multipage.tif": encode(colourful(1), "TIFF", save_all=True, append_images=[colourful(2)]),
    "16 bit.png": sixteen_bit(),
    "bitmap.bmp": encode(colourful(1), "BMP"),
}


@pytest.mark.parametrize("name", ODD_PICTURES)
def test_odd_kinds_of_pictures_are_read_by_their_first_frame(folder, name):
    (folder / name).write_bytes(ODD_PICTURES[name])
    assert name in load_pictures([folder]).names
    difference = np.abs(np.asarray(decode_rgb(ODD_PICTURES[name]), int) - np.asarray(colourful(1), int))
    assert difference.mean() < 25


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "I", "F"])
def test_gray_kinds_of_pictures_are_left_out(folder, mode):
    (folder / "gray.tif").write_bytes(encode(colourful(1).convert("L").convert(mode), "TIFF"))
    assert "gray.tif" in load_pictures([folder]).left_out


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_stand_upright(orientation):
    """Cameras store them as the sensor lay, and say how to turn them."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # of Image.Transpose
    stored = colourful(1).transpose(undo[orientation]) if orientation > 1 else colourful(1)
    exif = Image.Exif()
    exif[0x112] = orientation
    upright = decode_rgb(encode(stored, exif=exif))
    np.testing.assert_array_equal(np.asarray(upright), np.asarray(colourful(1)))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_damaged_files_never_stop_the_reading(folder, kind):
    whole = encode(colourful(1), kind)
    rng = np.random.default_rng(0)
    for number in range(40):
        damaged = np.frombuffer(whole, np.uint8)[: rng.integers(1, len(whole))].copy()
        damaged[rng.integers(0, len(damaged), 5)] = rng.integers(0, 256, 5)
        (folder / f"damaged-{number}.png").write_bytes(damaged.tobytes())
    pictures = load_pictures([folder])
    assert len(pictures.names) + len(pictures.left_out) == 50


READ_UNDER_LIMITS = """
import resource, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from training.data import load_pictures
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
pictures = load_pictures([Path(source) for source in sys.argv[1:]])
print(len(pictures.names), len(pictures.left_out))
"""


def test_hostile_files_are_read_or_left_out(test_data, folder):
    command = [sys.executable, "-c", READ_UNDER_LIMITS, str(folder), str(test_data / "corrupt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 10


def test_several_sources_are_read_one_after_the_other_and_named(folder, tmp_path_factory, encoded):
    other = tmp_path_factory.mktemp("other")
    for name in ("x.png", "y.png"):
        (other / name).write_bytes(encoded[0])
    expected = [f"{folder.name}/{n}.png" for n in range(10)]
    expected += [f"{label}/{name}.png" for label in (other.name, f"{other.name}-2") for name in "xy"]
    assert load_pictures([folder, other, other]).names == expected


def test_a_name_in_one_source_leaves_out_that_one_alone(folder, tmp_path_factory, encoded):
    other = tmp_path_factory.mktemp("other")
    (other / "3.png").write_bytes(encoded[5])
    pictures = load_pictures([folder, other], left_out={f"{folder.name}/3.png": "ugly"})
    assert pictures.left_out == {f"{folder.name}/3.png": "ugly"}
    assert f"{other.name}/3.png" in pictures.names


def test_pictures_that_an_audit_found_are_left_out_with_its_reason(folder):
    pictures = load_pictures([folder], left_out={"3.png": "a collage", "elsewhere.png": "sepia"})
    assert pictures.left_out == {"3.png": "a collage"}
    assert pictures.names == [f"{n}.png" for n in range(10) if n != 3]


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="nothing is forbidden here")
def test_a_file_that_may_not_be_read_is_left_out(folder):
    (folder / "3.png").chmod(0)
    assert "check that it still is there, and its permissions" in load_pictures([folder]).left_out["3.png"]


# -- zarr ------------------------------------------------------------------------------------------------------------


def test_planes_of_zarr_arrays_are_pictures_like_others(tmp_path):
    planes = np.stack([np.asarray(colourful(number)) for number in range(10)])
    zarr.create_array(tmp_path / "stack.zarr", data=planes, chunks=(1, 50, 70, 3))
    pictures = load_pictures([tmp_path / "stack.zarr"])
    assert pictures.names == [f"stack.zarr#{number}" for number in range(10)]
    np.testing.assert_array_equal([np.asarray(decode_rgb(data)) for data in pictures.encoded], planes)


def test_planes_of_zarr_arrays_that_would_spoil_a_model_are_left_out(folder):
    planes = np.zeros((2, 50, 70, 3), np.float32)
    planes[1] = 300
    zarr.create_array(folder / "odd.zarr", data=planes)
    left_out = load_pictures([folder]).left_out
    assert left_out == {
        "odd.zarr#0": "gray",
        "odd.zarr#1": "odd.zarr#1 has values from 300 to 300: floats must lie in 0..1",
    }


# -- large pictures --------------------------------------------------------------------------------------------------


@pytest.fixture
def photographs(tmp_path):
    """Larger than need be: files of two formats, members of a tar, planes of an array."""
    large = [colourful(number, (400, 330) if number < 3 else (330, 400)) for number in range(12)]
    for number in range(3):
        (tmp_path / f"a{number}.jpg").write_bytes(encode(large[number], "JPEG", quality=90))
        (tmp_path / f"b{number}.png").write_bytes(encode(large[3 + number]))
    with tarfile.open(tmp_path / "c.tar", "w") as tar:
        for number in range(6, 9):
            data = encode(large[number], "JPEG", quality=90)
            info = tarfile.TarInfo(f"{number}.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    zarr.create_array(tmp_path / "d.zarr", data=np.stack(large[9:]))
    return tmp_path


def test_pictures_whose_short_side_is_longer_are_reduced_to_it(photographs):
    (photographs / "small.png").write_bytes(encode(colourful(1, (90, 60))))
    pictures = load_pictures([photographs], side=80)
    sizes = {name: decode_rgb(data).size for name, data in zip(pictures.names, pictures.encoded)}
    assert sizes.pop("small.png") == (90, 60)
    assert set(sizes.values()) == {(80, 97), (97, 80)}


@pytest.mark.parametrize(("kind", "side"), [("PNG", 80), ("JPEG", 80), ("JPEG", 40), ("JPEG", 150)])
def test_a_reduced_picture_has_the_area_means_of_the_picture(kind, side):
    large = encode(colourful(1, (66, 80)).resize((330, 400), Image.Resampling.BICUBIC), kind)
    small = decode_rgb(reduced(large, side))
    means = decode_rgb(large).resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, int) - np.asarray(means, int)).mean() < 2


def test_a_reduced_picture_keeps_its_chroma_at_full_resolution(photographs):
    encoded = load_pictures([photographs], side=80).encoded[0]
    with Image.open(io.BytesIO(encoded)) as image:
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4


def test_a_photograph_that_is_reduced_stands_upright(folder):
    exif = Image.Exif()
    exif[0x112] = 6  # lay on its side
    (folder / "a.jpg").write_bytes(encode(colourful(1, (400, 300)), "JPEG", exif=exif))
    pictures = load_pictures([folder], side=100)
    assert decode_rgb(pictures.encoded[pictures.names.index("a.jpg")]).size == (100, 133)


def test_a_large_picture_that_is_damaged_is_left_out(photographs):
    whole = (photographs / "a0.jpg").read_bytes()
    (photographs / "torn.jpg").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in load_pictures([photographs], side=80).left_out["torn.jpg"]


# -- more pictures than memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [None, 80])
@pytest.mark.parametrize("cache_bytes", [0, 20_000])
def test_samples_are_the_same_whether_pictures_are_held_or_read_again(photographs, side, cache_bytes):
    held = load_pictures([photographs], side=side)
    streamed = load_pictures([photographs], side=side, cache_bytes=cache_bytes)
    assert list(streamed.encoded) == list(held.encoded)
    one, other = (TrainingSamples(pictures.encoded, 32, 7, 0.5) for pictures in (held, streamed))
    for number in range(30):
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(one[number], other[number]))


def test_after_a_picture_that_does_not_fit_none_is_held(folder, encoded):
    (folder / "0.png").write_bytes(encode(colourful(0, (300, 300))))
    pictures = load_pictures([folder], cache_bytes=2 * len(encoded[1]))
    assert list(pictures.encoded)[1:] == encoded[1:]


def test_the_hash_of_the_pictures_is_that_of_their_files(photographs, folder, encoded):
    hashes = {
        load_pictures([photographs], side=side, cache_bytes=cache_bytes).sha256
        for side in (None, 80)
        for cache_bytes in (0, 10**9)
    }
    assert len(hashes) == 1
    (photographs / "b1.png").write_bytes(encoded[0])
    assert load_pictures([photographs], side=80).sha256 not in hashes


def test_pictures_in_a_list_have_the_same_hash(folder, encoded):
    pictures = load_pictures([folder])
    assert Pictures(pictures.names, encoded, {}).sha256 == pictures.sha256


def test_memory_is_bounded_however_many_pictures_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr("training.parallel.usable_cores", lambda: 2)
    rng = np.random.default_rng(0)
    for number in range(60):
        noise = Image.fromarray(rng.integers(0, 256, (200, 200, 3), np.uint8))
        (tmp_path / f"{number}.png").write_bytes(encode(noise))
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    tracemalloc.start()
    try:
        pictures = load_pictures([tmp_path], cache_bytes=total // 20)
        samples = TrainingSamples(pictures.encoded, 32, 1, 0.0)
        for number in range(60):
            samples[number]
        assert tracemalloc.get_traced_memory()[1] < total / 3
    finally:
        tracemalloc.stop()


def test_what_is_held_in_memory_does_not_travel_to_other_processes(photographs):
    pictures = load_pictures([photographs])
    pickled = pickle.dumps(pictures.encoded)
    assert len(pickled) < 5000
    assert list(pickle.loads(pickled)) == list(pictures.encoded)


def test_fresh_processes_make_the_same_samples(photographs):
    samples = TrainingSamples(load_pictures([photographs], side=80, cache_bytes=20_000).encoded, 32, 7, 0.5)
    loader = DataLoader(samples, 6, sampler=range(9, 15), num_workers=1, multiprocessing_context="spawn")
    batch = next(iter(loader))
    assert all(torch.equal(batch.inputs[k], samples[9 + k].inputs) for k in range(6))


def test_a_picture_that_was_replaced_meanwhile_is_named(folder, encoded):
    pictures = load_pictures([folder], cache_bytes=0)
    (folder / "3.png").write_bytes(encoded[4])
    with pytest.raises(InputFileError, match=r"3\.png is another picture than at the start"):
        pictures.encoded[3]


def test_pictures_are_counted_from_either_end(folder, encoded):
    stored = load_pictures([folder], cache_bytes=len(encoded[0]) * 3).encoded
    assert stored[-1] == encoded[-1]
    with pytest.raises(IndexError):
        stored[10]
