"""What learns: generator and discriminator, their optimizers, and one step of each.

The order is that of pix2pix, G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G) (Isola et al. 2017), with the generator
pretrained before the adversarial stage. Devices, precision and several processes are Lightning Fabric's.
"""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training import losses
from training.checkpoints import load_model
from training.errors import SettingsError, TrainingError
from training.evaluation.perceptual import load_lpips
from training.model_files import find_model
from training.network import PatchDiscriminator, UNetGenerator, load_imagenet
from training.samples import Sample
from training.settings import Settings, Stage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SMALL_BATCH = 8  # of smaller ones the statistics are noise: batch norm keeps what it has, from scratch nothing
STRONG_DISCRIMINATOR = 0.2  # loss below which it waits: it wins outright, and would teach nothing (at chance 1.39)
Scalars = dict[str, float]


class Trainer:
    """The parts that learn, and how far they are.

    Parameters
    ----------
    settings : Settings
        Of the run.
    fabric : Fabric
        Launched; see `make_fabric`.
    rarity : Tensor, optional
        Weight of each bin of `bin_centres`, see `training.rarity`; without it all colours count alike.

    Attributes
    ----------
    generator, discriminator : Module
        As they learn.
    average : UNetGenerator
        Exponential moving average of the generator: what ships.
    place : int
        In the schedule: samples of the stages so far.
    seen_before : int
        Samples that the model it starts from had seen.
    seen : int
        Samples that the weights learned from in this run: fewer where a stage stopped early or went back to its best.
    """

    def __init__(self, settings: Settings, fabric: "Fabric", rarity: Tensor | None = None) -> None:
        self.settings, self.fabric = settings, fabric
        torch.manual_seed(settings.seed)
        generator, self.seen_before = _new_generator(settings)
        self.generator = generator.to(memory_format=torch.channels_last)
        self.discriminator = PatchDiscriminator().to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).to(fabric.device)
        if fabric.world_size > 1 and fabric.device.type == "cuda":  # elsewhere each process has its own statistics
            self.generator = nn.SyncBatchNorm.convert_sync_batchnorm(self.generator)
            self.discriminator = nn.SyncBatchNorm.convert_sync_batchnorm(self.discriminator)
        adam_g = torch.optim.AdamW(self.generator.parameters(), weight_decay=settings.weight_decay)
        # beta1 0.5 as in pix2pix
        adam_d = torch.optim.AdamW(
            self.discriminator.parameters(), betas=(0.5, 0.999), weight_decay=settings.weight_decay
        )
        # with them the forward pass has the device's precision, and gradients are means over all processes
        self.generate, self.generator_optimizer = fabric.setup(self.generator, adam_g)
        self.discriminate, self.discriminator_optimizer = fabric.setup(self.discriminator, adam_d)
        self.lpips = None
        if settings.perceptual_weight and settings.lpips_weights:
            self.lpips = load_lpips(settings.lpips_weights).to(fabric.device)
        self.rarity = None if rarity is None else rarity.to(fabric.device)
        self.place = self.seen = 0
        synchronised = fabric.world_size > 1 and fabric.device.type == "cuda"
        if settings.batch // (1 if synchronised else fabric.world_size) < SMALL_BATCH:
            self._keep_statistics()

    def _keep_statistics(self) -> None:
        for module in (*self.generator.modules(), *self.discriminator.modules()):
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()

    def step(self, batch: Sample, stage: Stage, learning_rate: float) -> Scalars:
        """One step of the generator, and of the discriminator in the adversarial stage.

        Returns
        -------
        dict
            The parts of the loss, as weighted.
        """
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
        inputs, true_ab = (self.fabric.to_device(part) for part in batch)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        colour = self.generate(inputs)
        parts = {
            "l1": self.settings.l1_weight * losses.l1_loss(colour.ab, true_ab, self.rarity),
            "scale": self.settings.scale_weight * losses.scale_loss(colour.log_scale, colour.ab, true_ab),
            "distribution": self.settings.distribution_weight
            * losses.distribution_loss(colour.logits, true_ab, self.rarity),
        }
        if self.lpips:
            parts["perceptual"] = self.settings.perceptual_weight * losses.perceptual_loss(
                self.lpips, inputs[:, :1], colour.ab, true_ab
            )
        scalars = {}
        if stage.adversarial > 0:
            lightness = F.avg_pool2d(inputs[:, :1], 2)
            scalars["discriminator"] = self._step_discriminator(lightness, colour.ab.detach(), true_ab)
            self.discriminator.requires_grad_(False)  # it only judges now
            with self.fabric.autocast():
                fake_logits = self.discriminator(lightness, colour.ab)
            parts["adversarial"] = stage.adversarial * losses.adversarial_loss(fake_logits.float())
        weighted = torch.stack(list(parts.values()))
        self.check_finite(weighted)
        self._descend(self.generator_optimizer, weighted.sum())
        self.discriminator.requires_grad_(True)
        self.place += self.settings.batch
        self.seen += self.settings.batch
        self._update_average()
        return dict(zip(parts, weighted.tolist())) | scalars

    def check_finite(self, *values: Tensor) -> None:
        """Stop before what is not finite spoils the last checkpoint."""
        if self.in_any_process(not all(torch.isfinite(value).all() for value in values)):
            raise TrainingError(
                f"losses or weights are no longer finite after {self.place} samples; the last checkpoint, if there was "
                "one, is kept: lower the learning rate of this stage and resume, or start again if the stage had begun"
            )

    def in_any_process(self, flag: bool) -> bool:
        """Whether something holds in one of the processes: all must take the same way."""
        if self.fabric.world_size == 1:
            return flag
        flags = self.fabric.all_reduce(torch.tensor(float(flag), device=self.fabric.device), reduce_op="sum")
        return bool(torch.as_tensor(flags) > 0)

    def _step_discriminator(self, lightness: Tensor, fake_ab: Tensor, true_ab: Tensor) -> float:
        loss = losses.discriminator_loss(self.discriminate(lightness, true_ab), self.discriminate(lightness, fake_ab))
        if torch.as_tensor(self.fabric.all_reduce(loss.detach())) > STRONG_DISCRIMINATOR:
            self._descend(self.discriminator_optimizer, loss)
        return loss.item()

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.fabric.backward(loss)
        optimizer.step()

    @torch.no_grad()
    def _update_average(self) -> None:
        # early on the average follows quickly, so that it does not carry the random start along
        half_life = min(self.settings.ema_half_life, self.seen / 4 + 1)
        weight = 1 - 0.5 ** (self.settings.batch / half_life)
        for mean, value in zip(self.average.state_dict().values(), self.generator.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(value, weight)

    @torch.no_grad()
    def go_back(self, average: Mapping[str, Tensor], place: int) -> None:
        """Make the weights that the average had at an earlier place those of the average and of the generator."""
        self.average.load_state_dict(dict(average))
        self.generator.load_state_dict(dict(average))
        self.seen -= self.place - place

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a continuation needs, by name."""
        state = {
            f"{name}/{key}": value
            for name in ("generator", "average", "discriminator")
            for key, value in getattr(self, name).state_dict().items()
        }
        for name, optimizer in self._optimizers().items():
            for index, values in optimizer.state_dict()["state"].items():
                state |= {f"{name}/{index}/{key}": value for key, value in values.items()}
        return state | {"random": torch.get_rng_state()}

    def restore(self, tensors: Mapping[str, Tensor], place: int, seen: int) -> None:
        """Go on from `tensors`."""
        for name in ("generator", "average", "discriminator"):
            getattr(self, name).load_state_dict(part_of(tensors, name))
        for name, optimizer in self._optimizers().items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in part_of(tensors, name).items():
                index, part = key.split("/")
                state.setdefault(int(index), {})[part] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors["random"])
        self.place, self.seen = place, seen

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adam_g": self.generator_optimizer, "adam_d": self.discriminator_optimizer}


def part_of(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of a part, by their names in it."""
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def _new_generator(settings: Settings) -> tuple[UNetGenerator, int]:
    """The generator that a run starts from, and how many samples it has seen."""
    generator = UNetGenerator(settings.encoder, size=settings.stages[0].size, dropout=settings.dropout)
    if settings.base:
        base, info = load_model(find_model(settings.base))
        if info.encoder != settings.encoder:
            raise SettingsError(f"base: {settings.base} has the encoder {info.encoder}: set encoder to that")
        if info.encoder == "pix2pix" and info.size != settings.stages[0].size:
            raise SettingsError(f"base: {settings.base} is pix2pix of {info.size} pixels: train at that size")
        generator.load_state_dict(base.state_dict())
        return generator, info.samples
    if settings.pretrained:
        load_imagenet(generator.encoder)
    return generator, 0


def make_fabric(settings: Settings) -> "Fabric":
    """Device, precision and processes of a run: float32 on a CPU, bfloat16 on CUDA; launched.

    Raises
    ------
    SettingsError
        If the device is not there.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    cuda = torch.cuda.is_available() if settings.device == "auto" else settings.device == "cuda"
    if cuda and torch.cuda.device_count() < settings.devices:
        raise SettingsError(
            f"device, devices: torch finds {torch.cuda.device_count()} CUDA devices, {settings.devices} are asked for"
        )
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=settings.devices,
        # every process has the same average, and batch norm its own statistics or, on CUDA, common ones
        strategy=DDPStrategy(broadcast_buffers=False) if settings.devices > 1 else "auto",
        precision="bf16-mixed" if cuda else "32-true",
    )
    fabric.launch()
    return fabric
