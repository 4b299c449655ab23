import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from training.chroma_map import ChromaMap
from training.color import gray, srgb_to_lab
from training.errors import ModelFileError, PlaneError, SettingsError
from training.hashes import sha256_file
from training.hints import Hint
from training.network import AB_SCALE
from training.prediction import Colorizer
from training.small_lightness import small_lightness
from training.window import Window

RED = (200, 30, 40)


@pytest.fixture(scope="module")
def colorizer(model_file) -> Colorizer:
    return Colorizer.load(model_file, device="cpu")


@pytest.fixture(scope="module")
def plane() -> np.ndarray:
    """Something smooth with a little noise, 300 x 400."""
    y, x = np.mgrid[:300, :400]
    smooth = 128 + 70 * np.sin(y / 30) * np.cos(x / 45)
    return (smooth + np.random.default_rng(0).normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def seen(colorizer):
    """What the network gets, one entry a pass, without the batch axis."""
    passes = []
    hook = colorizer.network.register_forward_pre_hook(lambda _, args: passes.append(args[0][0].numpy().copy()))
    yield passes
    hook.remove()


def same(one: ChromaMap, other: ChromaMap) -> bool:
    return all(np.array_equal(array, other.arrays()[name]) for name, array in one.arrays().items())


# -- deterministic ---------------------------------------------------------------------------------------------------


def test_the_same_plane_gives_the_same_bytes(colorizer, plane):
    assert colorizer.predict(plane).to_bytes() == colorizer.predict(plane).to_bytes()


def test_a_model_loaded_again_gives_the_same_bytes(colorizer, model_file, plane):
    again = Colorizer.load(str(model_file), device="cpu")
    assert again.predict(plane).to_bytes() == colorizer.predict(plane).to_bytes()


def test_a_shipped_model_that_was_changed_is_refused(model_file, tmp_path, monkeypatch):
    shutil.copy(model_file, tmp_path / "photo.safetensors")
    monkeypatch.setattr("training.model_files.SHIPPED_FOLDER", tmp_path)
    for listed in ("0" * 64, sha256_file(model_file)):
        (tmp_path / "SHA256SUMS").write_text(f"{listed}  photo.safetensors\n")
        if listed.startswith("000"):
            with pytest.raises(ModelFileError, match="is not the model that was shipped"):
                Colorizer.load("photo", device="cpu")
        else:
            assert Colorizer.load("photo", device="cpu").name == "random"


def test_four_threads_at_once_give_the_same_bytes(colorizer, plane):
    expected = [colorizer.predict(plane + np.uint8(k)).to_bytes() for k in range(4)]
    results = [b""] * 4

    def predict(k: int) -> None:
        results[k] = colorizer.predict(plane + np.uint8(k)).to_bytes()

    threads = [threading.Thread(target=predict, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == expected


def test_the_number_of_threads_set_before_changes_no_bit(colorizer, plane):
    """In what the network gives, too: a map is rounded, which would hide the last bits most of the time."""
    outputs = []
    hook = colorizer.network.register_forward_hook(lambda *args: outputs.append(args[-1].ab.clone()))
    expected = colorizer.predict(plane).to_bytes()
    torch.set_num_threads(2)
    try:
        assert colorizer.predict(plane).to_bytes() == expected
    finally:
        torch.set_num_threads(1)
        hook.remove()
    assert len(outputs) == 4
    assert all(torch.equal(one, other) for one, other in zip(outputs[:2], outputs[2:]))


def test_gradients_and_training_elsewhere_change_no_bit(colorizer, plane):
    expected = colorizer.predict(plane).to_bytes()
    torch.manual_seed(99)
    with torch.enable_grad():
        assert colorizer.predict(plane).to_bytes() == expected


def test_a_map_predicted_again_is_itself(colorizer, plane):
    chroma = colorizer.predict(plane)
    again = colorizer.predict(chroma)
    assert again.to_bytes() == chroma.to_bytes()


def test_a_zarr_array_gives_what_a_numpy_array_gives(colorizer, plane):
    stored = zarr.create_array(zarr.storage.MemoryStore(), data=plane, chunks=(77, 131))
    assert colorizer.predict(stored).to_bytes() == colorizer.predict(plane).to_bytes()


def test_a_mirrored_picture_gets_the_mirrored_colours(colorizer, plane):
    square = plane[:, :300]  # its small lightness needs no padding
    straight, mirrored = (colorizer.predict(np.ascontiguousarray(p)) for p in (square, square[:, ::-1]))
    np.testing.assert_array_equal(mirrored.ab[..., ::-1], straight.ab)


# -- what is seen and kept -------------------------------------------------------------------------------------------


def test_the_map_is_that_of_the_plane(colorizer, plane):
    chroma = colorizer.predict(plane)
    assert chroma.shape == (300, 400)
    assert chroma.window == Window(0, 255)
    np.testing.assert_array_equal(chroma.lightness, small_lightness(plane, Window(0, 255), 128))


def test_the_network_sees_the_small_lightness_and_no_hint(colorizer, plane, seen):
    chroma = colorizer.predict(plane)
    rows, columns = chroma.lightness.shape
    np.testing.assert_allclose(seen[0][0, :rows, :columns], chroma.lightness / 127.5 - 1, atol=1e-6)
    assert (seen[0][1:] == 0).all()


def test_colour_is_visible_and_uncertain(colorizer, plane):
    chroma = colorizer.predict(plane)
    assert np.abs(chroma.ab).mean() > 2
    assert chroma.uncertainty.max() > 0


def test_the_gray_of_the_rendered_map_is_the_plane(colorizer, plane):
    np.testing.assert_array_equal(gray(colorizer.predict(plane).render(plane)), plane)


def test_the_record_says_which_model_and_settings_made_it(colorizer, model_file, plane):
    record = colorizer.predict(plane, [Hint(1, 2, RED, source="a letter")], seed=4).record
    assert record["model"] == colorizer.name == "random"
    assert record["model_sha256"] == colorizer.sha256 == sha256_file(model_file)
    assert record["working_size"] == 128
    assert record["saturation"] == 1.0
    assert record["seed"] == 4
    assert record["hints"][0]["source"] == "a letter"
    assert record["nan_pixels"] == 0


def test_nan_pixels_are_counted(colorizer, plane):
    values = plane.astype(np.float32) / 255
    values[:7, :9] = np.nan
    assert colorizer.predict(values).record["nan_pixels"] == 63


def test_a_window_asked_for_is_kept(colorizer, plane):
    window = Window(40, 180)
    chroma = colorizer.predict(plane, window=window)
    assert chroma.window == window
    assert colorizer.predict(chroma).window == window
    np.testing.assert_array_equal(chroma.lightness, small_lightness(plane, window, 128))


def test_another_window_for_a_map_is_refused(colorizer, plane):
    with pytest.raises(SettingsError, match="keeps its window"):
        colorizer.predict(colorizer.predict(plane), window=Window(0, 100))


def test_of_levels_the_coarsest_that_is_large_enough_is_read(colorizer, plane):
    level_0 = plane.repeat(4, axis=0).repeat(4, axis=1)
    levels = [level_0, level_0[::2, ::2], plane, plane[::2, ::2]]
    chroma = colorizer.predict(levels)
    assert chroma.record["level_read"] == 2  # 300 x 400; the next one is 150 x 200
    assert chroma.shape == (1200, 1600)
    assert same(chroma, colorizer.predict(level_0))


def test_levels_that_are_all_small_are_read_from_the_finest(colorizer, plane):
    chroma = colorizer.predict([plane[:200, :200], plane[:200:2, :200:2]])
    assert chroma.record["level_read"] == 0
    assert same(chroma, colorizer.predict(plane[:200, :200]))


@settings(max_examples=8)
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_planes_of_any_size_get_a_map(colorizer, height, width):
    plane = np.full((height, width), 90, np.uint8)
    assert gray(colorizer.predict(plane).render(plane)).tolist() == plane.tolist()


# -- hints -----------------------------------------------------------------------------------------------------------


def test_a_hint_is_a_small_square_of_its_hue_and_chroma(colorizer, plane, seen):
    colorizer.predict(plane, [Hint(y=149.5, x=100, rgb=RED)])
    mask = np.zeros((128, 170))
    # pixel 149.5 of 300 is 63.5 of 128, pixel 100 of 400 is 42.2 of 170; 63.5 is rounded to even
    mask[63:66, 41:44] = 1
    _, seen_mask, a, b = seen[0][:, :128, :170]
    np.testing.assert_array_equal(seen_mask, mask)
    _, true_a, true_b = srgb_to_lab(np.array(RED) / 255)
    np.testing.assert_allclose(a, mask * true_a / AB_SCALE, atol=1e-6)
    np.testing.assert_allclose(b, mask * true_b / AB_SCALE, atol=1e-6)


@pytest.mark.parametrize(("y", "x", "row", "column"), [(-0.5, -0.5, 0, 0), (299.5, 399.5, 127, 169), (0, 399, 0, 169)])
def test_hints_at_the_border_stay_inside(colorizer, plane, seen, y, x, row, column):
    colorizer.predict(plane, [Hint(y, x, RED)])
    mask = seen[0][1, :128, :170]
    assert mask[row, column] == 1
    assert mask.sum() == 4


def test_hints_are_not_weakened_by_the_saturation_of_the_model(model_file, plane):
    colorizer = Colorizer.load(model_file, device="cpu")
    object.__setattr__(colorizer.info, "saturation", 0.5)
    passes = []
    colorizer.network.register_forward_pre_hook(lambda _, args: passes.append(args[0][0].numpy()))
    colorizer.predict(plane, [Hint(0, 0, RED)])
    np.testing.assert_allclose(passes[0][2, 0, 0] * AB_SCALE * 0.5, srgb_to_lab(np.array(RED) / 255)[1], rtol=1e-5)


def test_a_hint_changes_the_colours(colorizer, plane):
    assert not same(colorizer.predict(plane, [Hint(150, 200, RED)]), colorizer.predict(plane))


def test_hints_can_be_added_to_a_map(colorizer, plane):
    hints = [Hint(150, 200, RED)]
    assert same(colorizer.predict(colorizer.predict(plane), hints), colorizer.predict(plane, hints))


@pytest.mark.parametrize(("y", "x"), [(-0.6, 0), (0, -0.6), (299.6, 0), (0, 400)])
def test_a_hint_outside_the_plane_is_refused(colorizer, plane, y, x):
    with pytest.raises(PlaneError, match=r"the hint at y .* lies outside the plane of shape \(300, 400\)"):
        colorizer.predict(plane, [Hint(y, x, RED)])


# -- variants --------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_variant_every_time(colorizer, plane):
    assert colorizer.predict(plane, seed=3).to_bytes() == colorizer.predict(plane, seed=3).to_bytes()


def test_other_seeds_give_other_variants(colorizer, plane):
    variants = [colorizer.predict(plane, seed=seed).ab.tobytes() for seed in (None, 0, 1, 2)]
    assert len(set(variants)) == 4


def test_a_variant_never_overrules_a_hint(colorizer, seen):
    plane = np.full((128, 128), 120, np.uint8)
    hints = [Hint(y, x, RED) for y in range(3, 128, 8) for x in range(3, 128, 8)]
    colorizer.predict(plane, hints)
    colorizer.predict(plane, hints, seed=1)
    np.testing.assert_array_equal(seen[-2], seen[0])  # of each pair the first is not mirrored


def test_a_negative_seed_is_refused(colorizer, plane):
    with pytest.raises(SettingsError, match="seed"):
        colorizer.predict(plane, seed=-1)


# -- what cannot be predicted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 50, 50), np.uint8),
        np.zeros((50, 50, 3), np.uint8),
        np.zeros((0, 5)),
        np.zeros((5, 5), complex),
        np.array([["a", "b"]]),
        "picture.tif",
        None,
        [],
        [[1, 2], [3, 4]],
    ],
)
def test_what_is_no_plane_is_refused(colorizer, wrong):
    with pytest.raises(PlaneError):
        colorizer.predict(wrong)


def test_an_unknown_model_is_refused():
    with pytest.raises(ModelFileError, match="no model of this name"):
        Colorizer.load("no-such-model")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(model_file):
    with pytest.raises(SettingsError, match="no CUDA device"):
        Colorizer.load(model_file, device="cuda")


def test_the_window_of_levels_does_not_clip_single_bright_pixels_of_the_finest(colorizer):
    plane = np.full((600, 600), 1000, np.uint16)
    plane[7, 7] = 20000
    coarse = plane.reshape(300, 2, 300, 2).mean(axis=(1, 3)).astype(np.uint16)
    chroma = colorizer.predict([plane, coarse])
    assert chroma.record["level_read"] == 1
    assert (gray(chroma.render(plane)) == plane).all()


def test_the_map_of_a_page_stays_readable_whatever_the_working_size(colorizer, plane):
    page = np.full((600, 2600), 230, np.uint8)
    for left in (100, 700, 1300, 1900):
        page[100:500, left : left + 400] = np.resize(plane, (400, 400))
    for size in (64, 640):
        info = replace(colorizer.info, working_size=size)
        large = Colorizer(colorizer.network, info, colorizer.sha256, colorizer.device)
        chroma = large.predict(page, distribution=True)
        assert len(chroma.record["pictures"]) == 4
        assert min(chroma.lightness.shape) <= 1024
        assert ChromaMap.from_bytes(chroma.to_bytes()).to_bytes() == chroma.to_bytes()
