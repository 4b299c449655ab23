import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from made_pictures import colourful, encode
from training.color import srgb_to_lab
from training.degradation import softened
from training.network import AB_SCALE
from training.samples import TrainingSamples, random_crop, simulated_hints


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


def test_the_order_differs_between_epochs_and_seeds():
    flat = [encode(Image.new("RGB", (20, 20), (200, 10 * n, 30))) for n in range(10)]
    runs = [TrainingSamples(flat, 32, seed, 0.0) for seed in (1, 2)]
    orders = {
        tuple(round(run[start + place].ab[1].mean().item(), 4) for place in range(10))
        for run in runs
        for start in (0, 10)
    }
    assert len(orders) == 4


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
