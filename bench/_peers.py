"""Two published colorization networks with random weights, to time them beside this project's own.

Speed on a CPU does not depend on the weights, so none are needed. Batch norms are layers of their own, as published;
spectral norms are left out, since they fold into the weights.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

AB_BINS = 529
QUERIES = 100
HIDDEN = 256


def siggraph17() -> nn.Module:
    """Network of user-guided colorization, with random weights, for prediction alone.

    Zhang et al., "Real-Time User-Guided Image Colorization with Learned Deep Priors", SIGGRAPH 2017: the main branch
    with local hints, which colours by itself where the mask is zero. The head of 529 classes is among the parameters,
    but does not run, as in prediction.

    Returns
    -------
    torch.nn.Module
        From (N, 4, H, W), the planes L, a, b and mask, to (N, 2, H, W), ab in -1 to 1. H and W are multiples of 8, 256
        in the paper.
    """
    return _Siggraph17().eval().requires_grad_(False)


def ddcolor_tiny() -> nn.Module:
    """DDColor in its tiny variant, with random weights, for prediction alone.

    Kang et al., "DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders", ICCV 2023, with ConvNeXt-T as
    the encoder.

    Returns
    -------
    torch.nn.Module
        From (N, 3, H, W), a gray picture as normalized RGB, to (N, 2, H, W), ab. H and W are multiples of 32, 512 in
        the published demonstration.
    """
    return _DDColorTiny().eval().requires_grad_(False)


def parameters(network: nn.Module) -> int:
    """Count of a network's parameters.

    Parameters
    ----------
    network : torch.nn.Module
        Any network.

    Returns
    -------
    int
        Count of numbers, those of heads that only training uses among them.
    """
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, input: Tensor) -> int:
    """Count of the multiply-adds of one forward pass.

    Parameters
    ----------
    network : torch.nn.Module
        Any network of one input.
    input : torch.Tensor
        What it takes: (1, 4, 256, 256) for `siggraph17`, (1, 3, 512, 512) for `ddcolor_tiny`.

    Returns
    -------
    int
        Those of convolutions, matrix products and attention. Norms, activations and resampling are not counted.
    """
    # the counter misses the fused attention of CPUs, and sees the matrix products of the plain one
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(input)
    return counter.get_total_flops() // 2


def _stage(inputs: int, outputs: int, count: int, dilation: int = 1) -> nn.Sequential:
    """3x3 convolutions with ReLU, then one batch norm."""
    layers: list[nn.Module] = []
    for index in range(count):
        channels = outputs if index else inputs
        layers += [nn.Conv2d(channels, outputs, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs))


class _ShortcutUp(nn.Module):
    """Twice the size, plus the shortcut from the stage of that size."""

    def __init__(self, inputs: int, shortcut: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        self.shortcut = nn.Conv2d(shortcut, outputs, 3, padding=1)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        return F.relu(self.up(x) + self.shortcut(shortcut), inplace=True)


class _Siggraph17(nn.Module):
    """The paper's conv1 to conv10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _stage(4, 64, 2)
        self.conv2 = _stage(64, 128, 2)
        self.conv3 = _stage(128, 256, 3)
        self.conv4 = _stage(256, 512, 3)
        self.conv5 = _stage(512, 512, 3, dilation=2)
        self.conv6 = _stage(512, 512, 3, dilation=2)
        self.conv7 = _stage(512, 512, 3)
        self.up8 = _ShortcutUp(512, 256, 256)
        self.conv8 = _stage(256, 256, 2)
        self.up9 = _ShortcutUp(256, 128, 128)
        self.conv9 = _stage(128, 128, 1)
        self.up10 = _ShortcutUp(128, 64, 128)
        self.conv10 = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1), nn.LeakyReLU(0.2, inplace=True))
        # the loss over colour classes trains on it; prediction takes the regression alone
        self.classes = nn.Conv2d(256, AB_BINS, 1)
        self.ab = nn.Sequential(nn.Conv2d(128, 2, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        full = self.conv1(x)
        half = self.conv2(full[..., ::2, ::2])
        quarter = self.conv3(half[..., ::2, ::2])
        eighth = self.conv7(self.conv6(self.conv5(self.conv4(quarter[..., ::2, ::2]))))
        x = self.conv8(self.up8(eighth, quarter))
        x = self.conv9(self.up9(x, half))
        return self.ab(self.conv10(self.up10(x, full)))


class _ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, then an MLP over the channels, with a scaled residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels, eps=1e-6),
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Linear(4 * channels, channels),
        )
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        change = self.scale * self.mlp(self.depthwise(x).permute(0, 2, 3, 1))
        return x + change.permute(0, 3, 1, 2)


class _ConvNeXtTiny(nn.Module):
    """The encoder: normalized features at strides 4, 8, 16 and 32."""

    depths = (3, 3, 9, 3)
    channels = (96, 192, 384, 768)

    def __init__(self) -> None:
        super().__init__()
        downs: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, 96, 4, stride=4), _ChannelNorm(96, eps=1e-6))]
        for inputs, outputs in zip(self.channels, self.channels[1:]):
            downs.append(nn.Sequential(_ChannelNorm(inputs, eps=1e-6), nn.Conv2d(inputs, outputs, 2, stride=2)))
        self.stages = nn.ModuleList(
            nn.Sequential(down, *(_ConvNeXtBlock(channels) for _ in range(depth)))
            for down, depth, channels in zip(downs, self.depths, self.channels)
        )
        self.norms = nn.ModuleList(_ChannelNorm(channels, eps=1e-6) for channels in self.channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage, norm in zip(self.stages, self.norms):
            x = stage(x)
            features.append(norm(x))
        return features


class _ShuffleUp(nn.Sequential):
    """Larger by pixel shuffle, with a 2x2 blur against its checkerboard."""

    def __init__(self, inputs: int, outputs: int, scale: int, norm: bool) -> None:
        channels = outputs * scale**2
        super().__init__(
            # a batch norm has a bias of its own
            nn.Conv2d(inputs, channels, 1, bias=not norm),
            nn.BatchNorm2d(channels) if norm else nn.Identity(),
            nn.ReLU(inplace=True),
            nn.PixelShuffle(scale),
            nn.ReplicationPad2d((1, 0, 1, 0)),
            nn.AvgPool2d(2, stride=1),
        )


class _UpBlock(nn.Module):
    """One step of the pixel decoder: twice the size, joined with the encoder's feature of that size."""

    def __init__(self, inputs: int, skip: int, outputs: int) -> None:
        super().__init__()
        self.up = _ShuffleUp(inputs, outputs, 2, norm=True)
        self.skip_norm = nn.BatchNorm2d(skip)
        self.join = nn.Sequential(
            nn.Conv2d(outputs + skip, outputs, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.join(F.relu(torch.cat([self.up(x), self.skip_norm(skip)], dim=1), inplace=True))


class _QueryLayer(nn.Module):
    """One layer of the colour decoder: cross attention to the picture, self attention, feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.cross = nn.MultiheadAttention(HIDDEN, 8, batch_first=True)
        self.mutual = nn.MultiheadAttention(HIDDEN, 8, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(HIDDEN, 2048), nn.ReLU(inplace=True), nn.Linear(2048, HIDDEN))
        self.norms = nn.ModuleList(nn.LayerNorm(HIDDEN) for _ in range(3))

    def forward(self, queries: Tensor, places: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        after_cross, after_mutual, after_feed = self.norms
        queries = after_cross(queries + self.cross(queries + places, keys, values, need_weights=False)[0])
        placed = queries + places
        queries = after_mutual(queries + self.mutual(placed, placed, queries, need_weights=False)[0])
        return after_feed(queries + self.feed(queries))


def _sine_positions(feature: Tensor) -> Tensor:
    """Positions of a feature's pixels as sines and cosines, (H * W, HIDDEN)."""
    height, width = feature.shape[-2:]
    pairs = HIDDEN // 4
    rates = 10000 ** (-torch.arange(pairs, device=feature.device) / pairs)

    def waves(size: int) -> Tensor:
        angles = torch.arange(1, size + 1, device=feature.device)[:, None] * (2 * math.pi / size) * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    down = waves(height)[:, None].expand(-1, width, -1)
    across = waves(width)[None].expand(height, -1, -1)
    return torch.cat([down, across], dim=2).flatten(0, 1)


class _ColourDecoder(nn.Module):
    """Learned colour queries, refined over three scales in turn, three times."""

    def __init__(self, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(QUERIES, HIDDEN))
        self.places = nn.Parameter(torch.randn(QUERIES, HIDDEN))
        self.levels = nn.Parameter(torch.randn(len(scales), HIDDEN))
        self.projections = nn.ModuleList(nn.Conv2d(channels, HIDDEN, 1) for channels in scales)
        self.layers = nn.ModuleList(_QueryLayer() for _ in range(3 * len(scales)))
        self.embed = nn.Sequential(
            nn.LayerNorm(HIDDEN),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, HIDDEN),
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        values = [
            projection(feature).flatten(2).transpose(1, 2) + level
            for projection, feature, level in zip(self.projections, features, self.levels)
        ]
        keys = [value + _sine_positions(feature) for value, feature in zip(values, features)]
        queries = self.queries.expand(len(features[0]), -1, -1)
        for index, layer in enumerate(self.layers):
            scale = index % len(features)
            queries = layer(queries, self.places, keys[scale], values[scale])
        return self.embed(queries)


class _DDColorTiny(nn.Module):
    """Encoder, pixel decoder, colour decoder and the fusion of the two."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _ConvNeXtTiny()
        self.ups = nn.ModuleList([_UpBlock(768, 384, 512), _UpBlock(512, 192, 512), _UpBlock(512, 96, 256)])
        self.last_up = _ShuffleUp(256, HIDDEN, 4, norm=False)
        self.colours = _ColourDecoder((512, 512, 256))
        self.refine = nn.Conv2d(QUERIES + 3, 2, 1)

    def forward(self, picture: Tensor) -> Tensor:
        *skips, x = self.encoder(picture)
        scales = []
        for up, skip in zip(self.ups, reversed(skips)):
            x = up(x, skip)
            scales.append(x)
        maps = torch.einsum("nqc,nchw->nqhw", self.colours(scales), self.last_up(x))
        return self.refine(torch.cat([maps, picture], dim=1))
