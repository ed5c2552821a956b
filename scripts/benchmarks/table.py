"""A line of the table that scripts/bench prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    figure: str
    reference: str
    ratio: float | None
    budget: str
    met: bool | None
