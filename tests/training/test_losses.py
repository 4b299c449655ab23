import numpy as np
import pytest
import torch

from training.color import bin_centres, lab_to_srgb
from training.evaluation.perceptual import Lpips
from training.losses import (
    adversarial_loss,
    discriminator_loss,
    distribution_loss,
    l1_loss,
    nearest_bin,
    perceptual_loss,
    scale_loss,
)
from training.network import AB_SCALE


def test_l1_is_the_mean_absolute_error():
    ab, true_ab = torch.tensor([[0.1, 0.5], [-0.2, 0.0]]), torch.tensor([[0.0, 0.5], [0.2, 0.1]])
    assert l1_loss(ab, true_ab).item() == pytest.approx((0.1 + 0 + 0.4 + 0.1) / 4)


def test_the_discriminator_loses_log_2_twice_when_it_cannot_tell():
    assert discriminator_loss(torch.zeros(3), torch.zeros(5)).item() == pytest.approx(2 * np.log(2))


def test_the_discriminator_loss_is_equation_1():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5])
    expected = -(np.log(1 / (1 + np.exp(-2))) + np.log(1 / (1 + np.exp(1)))) / 2 - np.log(1 - 1 / (1 + np.exp(-0.5)))
    assert discriminator_loss(real, fake).item() == pytest.approx(expected)


def test_the_adversarial_loss_is_minus_log_d():
    assert adversarial_loss(torch.tensor([3.0])).item() == pytest.approx(-np.log(1 / (1 + np.exp(-3))))


def test_losses_of_logits_stay_finite_where_the_discriminator_is_certain():
    certain = torch.tensor([1e4])
    assert discriminator_loss(-certain, certain).item() == pytest.approx(2e4)
    assert adversarial_loss(-certain).item() == pytest.approx(1e4)


def test_the_scale_loss_is_the_likelihood_of_a_laplace_distribution():
    ab, true_ab = torch.zeros(1, 2, 1, 1), torch.tensor([0.3, -0.1]).reshape(1, 2, 1, 1)
    scale = 0.25
    expected = -np.log(np.exp(-0.2 / scale) / (2 * scale))
    assert scale_loss(torch.full((1, 1, 1, 1), np.log(scale)), ab, true_ab).item() == pytest.approx(expected)


def test_the_best_scale_is_the_mean_absolute_error():
    ab, true_ab = torch.zeros(1, 2, 4, 4), torch.full((1, 2, 4, 4), 0.2)
    scales = torch.linspace(0.05, 0.5, 91)
    losses = [scale_loss(torch.full((1, 1, 4, 4), float(torch.log(scale))), ab, true_ab) for scale in scales]
    assert scales[int(torch.stack(losses).argmin())].item() == pytest.approx(0.2, abs=0.003)


def test_the_scale_loss_leaves_the_chroma_alone():
    ab, log_scale = torch.zeros(1, 2, 4, 4, requires_grad=True), torch.zeros(1, 1, 4, 4, requires_grad=True)
    scale_loss(log_scale, ab, torch.full((1, 2, 4, 4), 0.2)).backward()
    assert ab.grad is None
    assert log_scale.grad.abs().sum() > 0


def test_the_centre_of_every_bin_belongs_to_it():
    ab = torch.from_numpy(bin_centres().T / AB_SCALE)[None, :, None]
    assert nearest_bin(ab).flatten().tolist() == list(range(len(bin_centres())))


def test_a_colour_belongs_to_the_nearest_bin():
    ab = torch.tensor([[14.9, -5.1], [-15.1, 24.0], [4.9, 4.9]])
    index = nearest_bin(ab.T[None, :, None] / AB_SCALE).flatten()
    np.testing.assert_array_equal(bin_centres()[index], [[10, -10], [-20, 20], [0, 0]])


def test_a_colour_outside_the_gamut_belongs_to_a_bin_at_its_border():
    index = nearest_bin(torch.tensor([1.5, -1.5]).reshape(1, 2, 1, 1))
    assert (bin_centres()[index.item()] * [1, -1] > 40).all()


def test_the_distribution_loss_of_a_uniform_guess_is_log_of_the_number_of_bins():
    logits = torch.zeros(2, len(bin_centres()), 3, 4)
    assert distribution_loss(logits, torch.zeros(2, 2, 12, 16)).item() == pytest.approx(np.log(len(bin_centres())))


def test_the_distribution_loss_vanishes_when_the_right_bin_is_certain():
    """One pixel of each cell of 4 x 4 counts, that in row 2 and column 2."""
    ab = torch.full((1, 2, 4, 8), 0.3)
    ab[0, :, 2, 2], ab[0, :, 2, 6] = torch.tensor([20.0, 30.0]) / AB_SCALE, torch.tensor([-40.0, 10.0]) / AB_SCALE
    logits = torch.zeros(1, len(bin_centres()), 1, 2)
    for column, centre in enumerate([(20, 30), (-40, 10)]):
        logits[0, np.flatnonzero((bin_centres() == centre).all(axis=1))[0], 0, column] = 100
    assert distribution_loss(logits, ab).item() == pytest.approx(0, abs=1e-6)


def test_the_distribution_loss_is_the_cross_entropy_at_one_pixel_of_each_cell():
    true_ab = torch.zeros(1, 2, 8, 8)
    logits = torch.zeros(1, len(bin_centres()), 2, 2)
    logits[:, nearest_bin(true_ab)[0, 0, 0]] = 100
    assert distribution_loss(logits, true_ab).item() == pytest.approx(0, abs=1e-6)


def test_rare_colours_weigh_more():
    true_ab = torch.tensor([[0.0, 0.0], [0.5, 0.5]]).T.reshape(1, 2, 1, 2)
    rarity = torch.ones(len(bin_centres()))
    rarity[nearest_bin(true_ab)[0, 0, 1]] = 3
    ab = torch.zeros(1, 2, 1, 2)
    assert l1_loss(ab, true_ab, rarity).item() == pytest.approx(3 * l1_loss(ab, true_ab).item())
    assert l1_loss(ab, ab, rarity).item() == 0


def random_lpips() -> Lpips:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lpips = Lpips().requires_grad_(False)
    for weight in lpips.lin:
        weight += 1
    return lpips


def test_the_perceptual_loss_is_that_of_the_rendered_pictures():
    lpips, rng = random_lpips(), np.random.default_rng(0)
    lightness = np.float32(rng.uniform(40, 60, (64, 64)))
    chroma = [np.float32(np.broadcast_to(ab, (64, 64, 2))) for ab in ((10, 5), (-5, 8))]
    looks = []
    for ab in chroma:
        rgb = lab_to_srgb(np.concatenate([lightness[..., None], ab], axis=-1))
        looks.append(lpips(torch.from_numpy(rgb * 2 - 1).permute(2, 0, 1)[None]))
    expected = sum(((a - b).square() * w).sum(dim=1).mean() for a, b, w in zip(*looks, lpips.lin))
    halves = [torch.from_numpy(ab[::2, ::2] / AB_SCALE).permute(2, 0, 1)[None] for ab in chroma]
    found = perceptual_loss(lpips, torch.from_numpy(lightness / 50 - 1)[None, None], *halves)
    assert found.item() == pytest.approx(expected.item(), rel=1e-3)


def test_the_perceptual_loss_has_a_finite_slope_for_any_colour():
    ab = (torch.rand(2, 2, 32, 32) * 2 - 1).requires_grad_()
    lightness = torch.rand(2, 1, 64, 64) * 2 - 1
    perceptual_loss(random_lpips(), lightness, ab, torch.zeros(2, 2, 32, 32)).backward()
    assert ab.grad.isfinite().all()
    assert ab.grad.abs().sum() > 0
