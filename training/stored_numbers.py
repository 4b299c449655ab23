"""How a file held the numbers of a gray plane: what the way back to them needs to know."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from training.formats.page import Page


@dataclass(frozen=True, slots=True)
class StoredNumbers:
    """How a file held the numbers of a plane.

    Attributes
    ----------
    dtype : str
        Their type.
    least, most : float
        Smallest and largest finite one.
    min_is_white : bool
        Whether 0 is white in the file.
    colour : bool
        Whether the page was in colour, so that the numbers are the gray that was made of it.
    """

    dtype: str
    least: float
    most: float
    min_is_white: bool
    colour: bool

    @classmethod
    def of(cls, page: Page, plane: np.ndarray) -> Self:
        """Those of a page whose gray is `plane`."""
        finite = plane if plane.dtype.kind != "f" else plane[np.isfinite(plane)]
        least, most = (finite.min().item(), finite.max().item()) if finite.size else (0, 0)
        return cls(plane.dtype.newbyteorder("=").name, least, most, page.negative, page.pixels.ndim == 3)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; `TypeError` or `ValueError` where it is of another form."""
        stored = cls(**values)
        kind = np.dtype(stored.dtype).kind
        ends = all(isinstance(end, int | float) and np.isfinite(end) for end in (stored.least, stored.most))
        if kind not in "buif" or not ends or stored.least > stored.most:
            raise ValueError(f"no numbers are stored like {dict(values)}")
        return stored
