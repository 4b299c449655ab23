"""What is to be done, and how far it is: decided from catalogue and ledger alone."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from archive_batch.catalogue import CataloguePage, window_line
from archive_batch.ledger import LedgerLine

Mode = Literal["chroma", "rgb"]
PageState = Literal["done", "kept", "failed", "pending"]
Intact = Callable[[CataloguePage, LedgerLine], bool]


@dataclass(frozen=True, slots=True)
class Identity:
    """What all pages of a target have in common.

    Attributes
    ----------
    mode : {"chroma", "rgb"}
        Colour maps, or RGB images that carry their maps.
    model : str
        Name of the model.
    model_sha256 : str
        Of its file.
    settings : dict
        Base settings, which single pages may override later.
    """

    mode: Mode
    model: str
    model_sha256: str
    settings: dict[str, Any] = field(default_factory=lambda: {"seed": None})

    def __str__(self) -> str:
        settings = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return f"mode {self.mode}, model {self.model} ({self.model_sha256[:12]}), {settings}"


@dataclass(frozen=True, slots=True)
class PageTask:
    """One page to colorize: it reads this page and writes its objects, which no other task touches.

    Attributes
    ----------
    archive, target : str
        Folders.
    page : CataloguePage
        Of the archive.
    identity : Identity
        Of the target.
    """

    archive: str
    target: str
    page: CataloguePage
    identity: Identity

    @property
    def settings(self) -> dict[str, Any]:
        """The effective settings of the page."""
        return page_settings(self.page, self.identity)


@dataclass(frozen=True, slots=True)
class Status:
    """How far a target is.

    Attributes
    ----------
    pages : int
        Of the archive; the sum of the next five.
    done, kept, neutral, failed, pending : int
        Colorized; colour photographs left as they are; left gray on purpose; with a reason; still to do.
    bytes : int
        Length of all objects of pages that are done.
    pages_per_second : float or None
        Of the last run.
    eta_seconds : float or None
        Until nothing is pending, at that pace.
    failures : list of dict
        ``page`` and ``reason`` of those that failed.
    """

    pages: int
    done: int
    kept: int
    neutral: int
    failed: int
    pending: int
    bytes: int
    pages_per_second: float | None
    eta_seconds: float | None
    failures: list[dict[str, str]]


def page_settings(page: CataloguePage, identity: Identity) -> dict[str, Any]:
    """The effective settings of a page: those of the target, and the page's window."""
    return {**identity.settings, "window": window_line(page.window)}


def page_state(page: CataloguePage, line: LedgerLine | None, identity: Identity, intact: Intact) -> PageState:
    """What a page is; its line counts if source and settings are the same and, when done, its objects are there."""
    if line is None or line.source_sha256 != page.sha256 or line.settings != page_settings(page, identity):
        return "pending"
    if line.state == "done" and not intact(page, line):
        return "pending"
    return line.state


def pending(
    pages: Iterable[CataloguePage], lines: Mapping[str, LedgerLine], identity: Identity, intact: Intact
) -> list[CataloguePage]:
    """Pages to do: new, changed, damaged; then those that failed before, so that they hold up no others."""
    states = [(page, page_state(page, lines.get(page.id), identity, intact)) for page in pages]
    return [page for wanted in ("pending", "failed") for page, state in states if state == wanted]


def status(
    pages: Iterable[CataloguePage], lines: Mapping[str, LedgerLine], identity: Identity, intact: Intact
) -> Status:
    """Count the pages by what they are."""
    states = {page.id: page_state(page, lines.get(page.id), identity, intact) for page in pages}
    counts = Counter(states.values())
    pace = pages_per_second(lines.values())
    return Status(
        pages=len(states),
        done=counts["done"],
        kept=counts["kept"],
        neutral=0,
        failed=counts["failed"],
        pending=counts["pending"],
        bytes=sum(sum(lines[page].objects.values()) for page, state in states.items() if state == "done"),
        pages_per_second=pace,
        eta_seconds=0.0 if not counts["pending"] else pace and counts["pending"] / pace,
        failures=[{"page": p, "reason": lines[p].error} for p, state in states.items() if state == "failed"],
    )


def pages_per_second(lines: Iterable[LedgerLine]) -> float | None:
    """Pace of the last run, from its beginning to its last page; None where there is none."""
    worked = [line for line in lines if line.state != "kept"]
    run = max((line.run for line in worked), default=0.0)
    finished = [line.finished for line in worked if line.run == run]
    return len(finished) / (max(finished) - run) if finished and max(finished) > run else None
