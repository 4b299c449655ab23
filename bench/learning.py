"""How fast samples are made, against how fast the network learns from them: one process each, one thread.

The network should never wait. Writes bench/results/learning.json.
"""

import io
import time
from collections.abc import Callable

import torch
from _measure import save_results
from PIL import Image
from skimage import data
from torch.utils.data import default_collate

from training.samples import TrainingSamples
from training.settings import Settings, Stage
from training.trainer import Trainer, make_fabric

PICTURES = ("astronaut", "chelsea", "coffee", "rocket")
STORED_SIDE = 144  # pixels of the short side, as the photographs of the shipped model have it
SIZES = (64, 128)
SAMPLES = 640
BATCH = 32
TURNS = 3
TARGET = 5.0  # samples made for one learned from


def encoded_pictures() -> list[bytes]:
    """JPEGs of the size of training pictures."""
    pictures = []
    for name in PICTURES:
        image = Image.fromarray(getattr(data, name)())
        scale = STORED_SIDE / min(image.size)
        buffer = io.BytesIO()
        image.resize((round(image.width * scale), round(image.height * scale))).save(buffer, "JPEG", quality=90)
        pictures.append(buffer.getvalue())
    return pictures


def rate(work: Callable[[], int]) -> float:
    """Samples a second, the best of a few turns."""
    best = 0.0
    for _ in range(TURNS):
        start = time.perf_counter()
        done = work()
        best = max(best, done / (time.perf_counter() - start))
    return best


def measure(size: int, pictures: list[bytes]) -> dict[str, float]:
    """Both rates at one size of samples."""
    stage = Stage(size=size, samples=BATCH)
    settings = Settings(name="bench", data=["none"], stages=[stage], batch=BATCH, device="cpu")
    samples = TrainingSamples(pictures, size, settings.seed, settings.hint_share, settings.degraded_share)
    trainer = Trainer(settings, make_fabric(settings))
    batch = default_collate([samples[number] for number in range(BATCH)])

    def make() -> int:
        for number in range(SAMPLES):
            samples[number]
        return SAMPLES

    def learn() -> int:
        for _ in range(4):
            trainer.step(batch, stage, 1e-4)
        return 4 * BATCH

    learn()  # warm
    made, learned = rate(make), rate(learn)
    return {"made_per_second": made, "learned_per_second": learned, "ratio": made / learned}


def main() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    pictures = encoded_pictures()
    results = {f"{size}px": measure(size, pictures) for size in SIZES}
    print(save_results("learning", {"target_ratio": TARGET, **results}))


if __name__ == "__main__":
    main()
