"""Which model of a stage to keep, and when to stop.

Everybody who trains such a model knows the point after which the discriminator makes skin orange and films flicker. It
is found here by measuring: a stage keeps its best model, and ends when none better has come for a while.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

MOST_LOST_DB = 0.2  # of gain, against the beginning of an adversarial stage
MOST_TURNED = 20.0  # degrees that the mean hue may turn there
LESS_STEADY = 1.5  # times the difference between two sizes of a picture
SAME_PALETTE = 0.002  # palette distances nearer than this are the same


@dataclass(frozen=True, slots=True)
class Look:
    """What is measured of a model while it learns.

    Attributes
    ----------
    samples : int
        Place in the schedule of the run.
    gain_db, lpips_squeeze, ciede2000, palette_distance : float, optional
        At a colourfulness ratio of 0.65; None where that is out of reach, or there are no weights.
    own_gain_db, colourfulness_ratio, kid_lite1 : float, optional
        At its own saturation.
    hue : float
        Of the mean a*, b*, in degrees.
    unsteadiness : float
        Mean distance in a*, b* between the colours of a picture and of the same picture at half the size, in parts of
        their mean chroma.
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
    """What follows from a look."""

    best: bool  # keep this model
    stop: bool  # end the stage


@dataclass
class Stopping:
    """Decides, from the looks of a stage, which model to keep and when to stop.

    Attributes
    ----------
    adversarial : bool
        In the adversarial stage, of the models that lose at most 0.2 dB of gain against its beginning, whose mean hue
        turned and whose steadiness fell little, the one with the smallest palette distance is best, then the one with
        the smallest KID. Before it, the one with the largest gain.
    patience : int
        Looks without a better model after which the stage ends; 0 for never.
    first, best : Look, optional
        Of the beginning of the stage, and of the best so far. An adversarial stage without a look at its beginning has
        nothing to be held to: there, too, the largest gain is best, and it never stops.
    smallest_palette : float
        Of the models that could be kept so far.
    misses : int
        Looks since the best.
    """

    adversarial: bool
    patience: int
    first: Look | None = None
    best: Look | None = None
    smallest_palette: float = 1.0
    misses: int = 0

    @classmethod
    def from_beginning(cls, look: Look | None, *, adversarial: bool, patience: int) -> "Stopping":
        """Of a stage whose beginning was looked at, or not."""
        bounded = adversarial and look is not None and look.gain_db is not None
        stopping = cls(adversarial=bounded, patience=0 if adversarial and not bounded else patience)
        if look:
            stopping.decide(look)
        return stopping

    def decide(self, look: Look) -> Verdict:
        """Take a new look into account."""
        if self.best is None or self._is_better(look, self.best):
            self.first = self.first or look
            self.best, self.misses = look, 0
            self.smallest_palette = min(self.smallest_palette, look.palette_distance or 1.0)
            return Verdict(best=True, stop=False)
        self.misses += 1
        return Verdict(best=False, stop=0 < self.patience <= self.misses)

    def _is_better(self, look: Look, best: Look) -> bool:
        if look.gain_db is None or best.gain_db is None:
            reached = (look.gain_db is not None, best.gain_db is not None)
            return reached[0] if any(reached) else look.own_gain_db > best.own_gain_db
        if not self.adversarial:
            return look.gain_db > best.gain_db
        return self.what_is_wrong(look) is None and self._has_better_palette(look, best)

    def _has_better_palette(self, look: Look, best: Look) -> bool:
        if look.palette_distance is None or best.palette_distance is None:
            return False
        if look.palette_distance < best.palette_distance - SAME_PALETTE:
            return True
        # of the whole stage: small losses must not add up
        same = look.palette_distance <= self.smallest_palette + SAME_PALETTE
        return same and None not in (look.kid_lite1, best.kid_lite1) and look.kid_lite1 < best.kid_lite1  # type: ignore[operator]

    def what_is_wrong(self, look: Look) -> str | None:
        """Why a model of an adversarial stage is out of the question, or None."""
        first = self.first
        if not self.adversarial or first is None or first.gain_db is None or look.gain_db is None:
            return None
        if look.gain_db < first.gain_db - MOST_LOST_DB:
            return f"{first.gain_db - look.gain_db:.2f} dB of gain lost"
        if (turned := abs((look.hue - first.hue + 180) % 360 - 180)) > MOST_TURNED:
            return f"the mean hue turned by {turned:.0f} degrees"
        if look.unsteadiness > first.unsteadiness * LESS_STEADY:
            return (
                f"unsteady: two sizes differ by {look.unsteadiness:.0%} of the chroma, {first.unsteadiness:.0%} before"
            )
        return None

    def to_dict(self) -> dict[str, object]:
        """Plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Stopping":
        """From what `to_dict` gave."""
        own: dict[str, Any] = dict(values)
        return cls(**{**own, **{key: own[key] and Look(**own[key]) for key in ("first", "best")}})
