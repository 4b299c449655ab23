"""Tables that grow: JSON lines in numbered parts, each part an object that is written once."""

import json
import re
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from zarr.abc.store import Store

from archive_batch.stores import get, names, put
from training.errors import InputFileError

MOST_LINES = 1000
MOST_SECONDS = 5.0  # between two parts: what a kill may lose
_PART = re.compile(r"part-(\d+)\.jsonl")


def part_numbers(store: Store, prefix: str) -> list[int]:
    """Numbers of the parts that there are, rising."""
    return sorted(int(match[1]) for name in names(store, prefix) if (match := _PART.fullmatch(name)))


def read_parts(store: Store, prefix: str) -> Iterator[dict[str, Any]]:
    """The lines of a table in the order in which they were written.

    Raises
    ------
    InputFileError
        If a part is damaged.
    """
    for number in part_numbers(store, prefix):
        key = f"{prefix}/part-{number}.jsonl"
        try:
            lines = [json.loads(line) for line in (get(store, key) or b"").splitlines()]
        except ValueError as error:
            raise InputFileError(f"{store}/{key} is damaged ({error}): restore it from a copy") from error
        yield from lines


class PartWriter:
    """Adds lines to a table; used in a with-statement, which writes the last part also when it is left by an error.

    Parameters
    ----------
    store : Store
        Where the table lies.
    prefix : str
        Its name.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.store, self.prefix = store, prefix
        self._number = 1 + max(part_numbers(store, prefix), default=-1)
        self._lines: list[str] = []
        self._written = time.monotonic()

    def add(self, *lines: dict[str, Any]) -> None:
        """Add lines that belong together; a part is written when there are many, or the last one was seconds ago."""
        self._lines += map(json.dumps, lines)
        if len(self._lines) >= MOST_LINES or time.monotonic() - self._written >= MOST_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what there is as the next part."""
        if self._lines:
            put(self.store, f"{self.prefix}/part-{self._number}.jsonl", "".join(f"{x}\n" for x in self._lines).encode())
            self._number += 1
            self._lines = []
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
