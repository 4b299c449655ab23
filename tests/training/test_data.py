import io
import subprocess
import sys
import tarfile

import imagecodecs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from training.color import srgb_to_lab
from training.data import (
    TrainingSamples,
    decode_rgb,
    iter_picture_files,
    load_pictures,
    random_crop,
    simulated_hints,
    softened,
)
from training.errors import InputFileError, TrainingError
from training.network import AB_SCALE


def colourful(number: int, size=(70, 50)) -> Image.Image:
    """A smooth picture of many colours, width x height."""
    y, x = np.mgrid[: size[1], : size[0]] / 20
    channels = [np.sin(x + number), np.cos(y + 2 * number), np.sin(x * y / 3 - number)]
    return Image.fromarray(np.uint8(127 + 120 * np.stack(channels, axis=-1)))


def encode(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def encoded() -> list[bytes]:
    return [encode(colourful(number)) for number in range(10)]


@pytest.fixture
def folder(tmp_path, encoded):
    for number, data in enumerate(encoded):
        (tmp_path / f"{number}.png").write_bytes(data)
    return tmp_path


def pack(path, members: dict[str, bytes]):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


# -- reading ---------------------------------------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_names_with_its_subfolders(folder, encoded):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.JPG").write_bytes(encode(colourful(3), "JPEG"))
    (folder / "notes.txt").write_text("no picture")
    (folder / "folder.png").mkdir()
    files = dict(iter_picture_files(folder))
    assert list(files) == [f"{n}.png" for n in range(10)] + ["sub/a.JPG"]
    assert files["3.png"] == encoded[3]


def test_a_tar_is_read_in_its_own_order(tmp_path, encoded):
    path = pack(tmp_path / "shard.tar", {"b.png": encoded[1], "readme.txt": b"no picture", "a/a.png": encoded[0]})
    assert list(iter_picture_files(path)) == [("b.png", encoded[1]), ("a/a.png", encoded[0])]


def test_nothing_of_a_tar_leaves_its_place(tmp_path, encoded):
    path = pack(tmp_path / "hostile.tar", {"../../escaped.png": encoded[0], "/absolute.png": encoded[1]})
    assert len(list(iter_picture_files(path))) == 2
    assert list(tmp_path.iterdir()) == [path]
    assert not (tmp_path.parents[1] / "escaped.png").exists()


def test_links_and_devices_of_a_tar_are_passed_over(tmp_path):
    with tarfile.open(tmp_path / "odd.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert list(iter_picture_files(tmp_path / "odd.tar")) == []


def test_a_cut_tar_is_named(tmp_path, encoded):
    path = pack(tmp_path / "cut.tar", {f"{n}.png": data for n, data in enumerate(encoded)})
    path.write_bytes(path.read_bytes()[: len(encoded[0]) * 4 + 100])
    with pytest.raises(InputFileError, match=r"cut\.tar"):
        list(iter_picture_files(path))


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(InputFileError, match="nowhere: there is no such folder or file"):
        load_pictures([tmp_path / "nowhere"])


def test_several_sources_are_read_one_after_the_other(folder, tmp_path_factory, encoded):
    shard = pack(tmp_path_factory.mktemp("tar") / "shard.tar", {"x.png": encoded[0], "y.png": encoded[1]})
    assert load_pictures([folder, shard]).names == [*(f"{n}.png" for n in range(10)), "x.png", "y.png"]


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


# -- samples ---------------------------------------------------------------------------------------------------------


def equal(one, other) -> bool:
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.ab, other.ab)


@settings(max_examples=20)
@given(numbers=st.lists(st.integers(0, 1000), min_size=1, max_size=5))
def test_a_sample_depends_on_its_number_alone(encoded, numbers):
    one, other = TrainingSamples(encoded, 32, 7, 0.5), TrainingSamples(encoded, 32, 7, 0.5)
    in_order = {number: one[number] for number in numbers}
    np.random.default_rng(0).random(3)
    torch.rand(3)
    assert all(equal(other[number], in_order[number]) for number in reversed(numbers))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_of_any_number_of_workers_gives_the_same_samples(encoded, workers):
    samples = TrainingSamples(encoded, 32, 7, 0.5)
    batch = next(iter(DataLoader(samples, 6, sampler=range(9, 15), num_workers=workers)))
    assert all(torch.equal(batch.inputs[k], samples[9 + k].inputs) for k in range(6))


def test_every_picture_comes_once_in_an_epoch(encoded):
    flat = [encode(Image.new("RGB", (20, 20), (200, 10 * n, 30))) for n in range(10)]
    samples = TrainingSamples(flat, 32, 1, 0.0)
    for epoch in range(3):
        means = {round(samples[10 * epoch + place].ab[1].mean().item(), 4) for place in range(10)}
        assert len(means) == 10


def test_the_order_differs_between_epochs_and_seeds(encoded):
    runs = [TrainingSamples(encoded, 32, seed, 0.0) for seed in (1, 2)]
    assert not equal(runs[0][0], runs[1][0])
    assert not equal(runs[0][0], runs[0][10])


def test_a_sample_has_the_stated_shapes_and_ranges(encoded):
    sample = TrainingSamples(encoded, 64, 1, 1.0)[3]
    assert sample.inputs.shape == (4, 64, 64)
    assert sample.ab.shape == (2, 32, 32)
    assert sample.inputs.dtype == sample.ab.dtype == torch.float32
    assert sample.inputs[0].abs().max() <= 1
    assert sample.ab.abs().max() <= 1
    assert set(sample.inputs[1].unique().tolist()) == {0.0, 1.0}


def test_the_lightness_is_8_bit_as_in_a_map(encoded):
    levels = (TrainingSamples(encoded, 64, 1, 0.0)[0].inputs[0] + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_crop_of_a_picture_of_one_colour_is_that_colour(rgb):
    sample = TrainingSamples([encode(Image.new("RGB", (37, 61), rgb))], 32, 1, 0.0)[5]
    lightness, a, b = srgb_to_lab(np.array(rgb) / 255)
    np.testing.assert_allclose((sample.inputs[0] + 1) * 50, lightness, atol=0.2)
    np.testing.assert_allclose(sample.ab[0] * AB_SCALE, a, atol=1e-3)
    np.testing.assert_allclose(sample.ab[1] * AB_SCALE, b, atol=1e-3)


def test_the_true_chroma_is_the_mean_of_2_x_2_pixels(encoded):
    """With the whole picture as hints, the full chroma is seen beside its means."""
    rng = np.random.default_rng(4)
    image = colourful(1, (64, 64))
    sample = TrainingSamples([encode(image)], 64, 1, 0.0)._sample(image, rng)
    lab = srgb_to_lab(np.asarray(random_crop(image, 64, np.random.default_rng(4))) / 255)
    means = lab[..., 1:].reshape(32, 2, 32, 2, 2).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(sample.ab * AB_SCALE, means, atol=1e-4)


@pytest.mark.parametrize("size", [(50, 50), (50, 200), (200, 50), (16, 16), (16, 3000), (1001, 33)])
def test_crops_of_any_picture_are_squares_of_the_size(size):
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert random_crop(colourful(1, size), 32, rng).size == (32, 32)


def test_half_of_the_crops_are_mirrored():
    image = Image.fromarray(np.uint8(np.broadcast_to(np.arange(100)[None, :, None], (100, 100, 3))))
    rng = np.random.default_rng(0)
    rising = sum(np.asarray(random_crop(image, 32, rng), int)[0, [0, -1], 0] @ [-1, 1] > 0 for _ in range(200))
    assert 70 < rising < 130


# -- hints -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 60, 140), (1.0, 200, 200)])
def test_the_stated_share_of_samples_has_hints(encoded, share, least, most):
    samples = TrainingSamples(encoded, 32, 1, share)
    hinted = sum(bool(samples[number].inputs[1].any()) for number in range(200))
    assert least <= hinted <= most


def test_hints_do_not_change_the_crop(encoded):
    without, with_hints = TrainingSamples(encoded, 32, 1, 0.0)[3], TrainingSamples(encoded, 32, 1, 1.0)[3]
    assert torch.equal(without.inputs[0], with_hints.inputs[0])
    assert torch.equal(without.ab, with_hints.ab)


def test_hints_are_squares_of_true_colour():
    ab = np.random.default_rng(0).normal(0, 0.3, (64, 64, 2)).astype(np.float32)
    sizes = set()
    for seed in range(150):
        hints = simulated_hints(ab, np.random.default_rng(seed))
        assert (hints[1:, hints[0] == 0] == 0).all()
        rows, columns = (slice(where.min(), where.max() + 1) for where in np.nonzero(hints[0]))
        if hints[0, rows, columns].all():  # a single one
            sizes.add(hints[0, rows, columns].shape)
            colour = ab[rows, columns].mean(axis=(0, 1))
            np.testing.assert_allclose(hints[1:, rows.start, columns.start], colour, atol=1e-6)
    assert sizes == {(1, 1), (3, 3), (5, 5)}


def test_few_hints_are_more_common_than_many():
    ab = np.zeros((128, 128, 2), np.float32)
    areas = [simulated_hints(ab, np.random.default_rng(seed))[0].sum() for seed in range(200)]
    assert np.median(areas) < np.mean(areas)
    assert max(areas) > 100


def test_softened_lightness_is_that_of_a_smaller_picture():
    sharp = np.random.default_rng(0).uniform(0, 100, (64, 64)).astype(np.float32)
    soft = softened(sharp, np.random.default_rng(1))
    assert soft.shape == sharp.shape
    assert np.abs(np.diff(soft)).mean() < 0.7 * np.abs(np.diff(sharp)).mean()
    assert abs(soft.mean() - sharp.mean()) < 1
    np.testing.assert_allclose(softened(np.full((64, 48), 40, np.float32), np.random.default_rng(2)), 40, rtol=1e-5)
