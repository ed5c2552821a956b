"""What the parts of the identity file are made of."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A table of the file; a field that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
