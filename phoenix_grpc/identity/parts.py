"""What the parts of the identity file are made of."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A table of the file; a field that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Rights(Part):
    """What somebody may do.

    Attributes:
        datasets: those it is limited to, by name or by id; None is all.
    """

    role: Literal["VIEWER", "MEMBER", "ADMIN"]
    read_only: bool = False
    datasets: (
        Annotated[tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...], Field(min_length=1, max_length=100)]
        | None
    ) = None
