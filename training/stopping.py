"""Which model of a stage to keep, and when to stop.

Everybody who trains such a model knows the point after which the discriminator makes skin orange and films flicker. It
is found here by measuring: a stage keeps its best model, and ends when none better has come for a while.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

MOST_LOST_DB = 0.2  # of gain, against the beginning of an adversarial stage
MOST_TURNED = 20.0  # degrees that the mean hue may turn there
LESS_STEADY = 1.5  # times the difference between two sizes of a picture
SMALLER_PALETTE = 0.002  # palette distances nearer than this are the same


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured of a model.

    Attributes
    ----------
    samples : int
        That it had seen.
    gain_db, lpips_squeeze, ciede2000, palette_distance : float, optional
        At a colourfulness ratio of 0.65; None where that is out of reach, or there are no weights.
    own_gain_db, colourfulness_ratio, kid_lite1 : float, optional
        At its own saturation.
    hue : float
        Of the mean a*, b*, in degrees.
    unsteadiness : float
        Mean distance in a*, b* between the colours of a picture and of the same picture at half the size.
    """

    samples: int
    gain_db: float | None
    lpips_squeeze: float | None
    ciede2000: float | None
    palette_distance: float | None
    own_gain_db: float
    colourfulness_ratio: float
    kid_lite1: float | None
    hue: float
    unsteadiness: float


class Verdict(NamedTuple):
    """What follows from new figures."""

    best: bool  # keep this model
    stop: bool  # end the stage


@dataclass
class Stopping:
    """Decides, from the figures of a stage, which model to keep and when to stop.

    Attributes
    ----------
    adversarial : bool
        In the adversarial stage, of the models that lose at most 0.2 dB of gain against its beginning, whose mean hue
        turned and whose steadiness fell little, the one with the smallest palette distance is best, then the one with
        the smallest KID. Before it, the one with the largest gain.
    patience : int
        Looks without a better model after which the stage ends; 0 for never.
    first, best : Figures, optional
        Of the beginning of the stage, and of the best so far.
    misses : int
        Looks since the best.
    """

    adversarial: bool
    patience: int
    first: Figures | None = None
    best: Figures | None = None
    misses: int = 0

    def decide(self, figures: Figures) -> Verdict:
        """Take new figures into account."""
        if self.first is None or self.best is None:
            self.first = self.best = figures
            return Verdict(best=True, stop=False)
        if self._is_better(figures, self.best):
            self.best, self.misses = figures, 0
            return Verdict(best=True, stop=False)
        self.misses += 1
        return Verdict(best=False, stop=0 < self.patience <= self.misses)

    def _is_better(self, figures: Figures, best: Figures) -> bool:
        if figures.gain_db is None or figures.palette_distance is None:
            return False
        if best.gain_db is None or best.palette_distance is None:
            return True
        if not self.adversarial:
            return figures.gain_db > best.gain_db
        if self.what_is_wrong(figures):
            return False
        smaller = best.palette_distance - figures.palette_distance
        if abs(smaller) > SMALLER_PALETTE:
            return smaller > 0
        if figures.kid_lite1 is None or best.kid_lite1 is None:
            return False
        return figures.kid_lite1 < best.kid_lite1

    def what_is_wrong(self, figures: Figures) -> str | None:
        """Why a model of an adversarial stage is out of the question, or None."""
        first = self.first
        if first is None or first.gain_db is None or figures.gain_db is None:
            return None
        if figures.gain_db < first.gain_db - MOST_LOST_DB:
            return f"{first.gain_db - figures.gain_db:.2f} dB of gain lost"
        if (turned := abs((figures.hue - first.hue + 180) % 360 - 180)) > MOST_TURNED:
            return f"the mean hue turned by {turned:.0f} degrees"
        if figures.unsteadiness > first.unsteadiness * LESS_STEADY:
            return f"{figures.unsteadiness / first.unsteadiness:.1f} times less steady between two sizes"
        return None

    def to_dict(self) -> dict[str, object]:
        """Plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Stopping":
        """From what `to_dict` gave."""
        figures = {key: Figures(**values[key]) if values[key] else None for key in ("first", "best")}  # type: ignore[arg-type]
        return cls(**{**values, **figures})  # type: ignore[arg-type]
