"""The ledger of a target: a line for every page that was finished, written by the one client."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import zarr

from archive_batch.parts import PartWriter, read_parts

PREFIX = "ledger"
State = Literal["done", "kept", "failed"]


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What became of a page.

    Attributes
    ----------
    page : str
        Its id.
    state : {"done", "kept", "failed"}
        Colorized; a colour photograph that is left as it is; or not colorized, see `error`.
    source_sha256 : str
        Of the bytes of its file.
    settings : dict
        With which it was colorized: seed, window.
    content_sha256 : str
        Of the decoded pixels of the levels and of the map.
    objects : dict
        Length in bytes of each object of the result, by its key under the page.
    seconds : float
        That the task took.
    worker : str
        That did it.
    error : str
        A sentence.
    finished : float
        Seconds since 1970.
    run : float
        When the run began, seconds since 1970.
    """

    page: str
    state: State
    source_sha256: str
    settings: dict[str, Any]
    content_sha256: str = ""
    objects: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    worker: str = ""
    error: str = ""
    finished: float = 0.0
    run: float = 0.0

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Self:
        """The inverse of `to_line`."""
        return cls(**line)

    def to_line(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def latest(lines: Iterable[LedgerLine]) -> dict[str, LedgerLine]:
    """The last line of each page."""
    return {line.page: line for line in lines}


def read_ledger(root: zarr.Group) -> dict[str, LedgerLine]:
    """The last line of each page of a target."""
    return latest(map(LedgerLine.from_line, read_parts(root.store, PREFIX)))


class LedgerWriter(PartWriter):
    """Adds lines to the ledger of a target; see `PartWriter`."""

    def __init__(self, root: zarr.Group) -> None:
        super().__init__(root.store, PREFIX)

    def add_line(self, line: LedgerLine) -> None:
        """Add what became of a page."""
        self.add(line.to_line())
