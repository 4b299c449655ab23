"""What was not done, as both commands tell it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file, or a page of it, with the reason why it was not taken in or colorized.

    Attributes
    ----------
    file : str
        The file.
    page : int, optional
        Its page, from 0, where it has several and one is meant.
    reason : str
        A sentence that names it.
    """

    file: str
    page: int | None
    reason: str
