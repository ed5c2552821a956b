"""Guesses by their names where the columns of a file belong, with the same result as the console."""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from phoenix_grpc.client.errors import UnfitFile

Kind = Literal["text", "object", "list", "other", "null", "mixed"]
Role = Literal["input", "output", "metadata", "id", "split", "span", "ignore"]


class Column(NamedTuple):
    """A column of a CSV file, or a key of the records of a JSON file.

    Arguments:
        kind: the type of its values, apart from nulls.
    """

    name: str
    kind: Kind = "text"


_OUTPUT = re.compile(
    r"(^|[_ .-])"
    r"(outputs?|answers?|responses?|expected|ideal|label|target|completion|reference|solution)$",
    re.IGNORECASE,
)
_BY_NAME: dict[str, Role] = {
    "id": "id",
    "task_id": "id",
    "example_id": "id",
    "node_id": "ignore",
    "split": "split",
    "splits": "split",
    "span_id": "span",
}
_FITTING: dict[Role, tuple[Kind, ...]] = {
    "id": ("text", "null"),
    "split": ("text", "list", "null"),
    "span": ("text", "null"),
}
_PARTS: tuple[Role, ...] = ("input", "output", "metadata")
_OWN = {"id", "node_id", "splits", "span_id"}
FIELDS = {
    "input": "input_keys",
    "output": "output_keys",
    "metadata": "metadata_keys",
    "id": "example_id_key",
    "split": "split_keys",
    "span": "span_id_key",
}
"""The field of UploadDatasetHeader that names the columns of a role."""
KEY_FIELDS = frozenset({*FIELDS.values(), "flatten_keys"})


def guess_roles(columns: Sequence[Column]) -> list[Role]:
    """A role for each column: by its name, else input before the first output and metadata after it.

    If there is an object "input", or a column "input.…", it is the input, and columns of other names are metadata.
    """
    roles: list[Role | None] = [_part(name) for name, _ in columns]
    for index, (name, kind) in enumerate(columns):
        role = _BY_NAME.get(name.lower())
        if role is not None and role not in roles and kind in _FITTING.get(role, (kind,)):
            roles[index] = role
        elif role is not None:
            roles[index] = "metadata"
    outputs = [roles[index] is None and bool(_OUTPUT.search(name)) for index, (name, _) in enumerate(columns)]
    first = outputs.index(True) if True in outputs else len(columns)
    if any((name == "input" and kind == "object") or name.startswith("input.") for name, kind in columns):
        first = -1
    return [
        role or ("output" if outputs[index] else "metadata" if index > first else "input")
        for index, role in enumerate(roles)
    ]


def _part(name: str) -> Role | None:
    return next((part for part in _PARTS if name == part or name.startswith(f"{part}.")), None)


def are_own(columns: Sequence[Column]) -> bool:
    """Whether the records have the shape that the server reads without a mapping, such as those of a download."""
    nested = [column for column in columns if column.name not in _OWN]
    return any(_part(name) == "input" for name, _ in nested) and all(
        _part(name) and ("." in name or kind in ("object", "null")) for name, kind in nested
    )


def guess_mapping(columns: Sequence[Column]) -> dict[str, Any]:
    """The fields of UploadDatasetHeader for the guess; none if the server reads the records without a mapping.

    Raises:
        UnfitFile: when no column looks like an input.
    """
    if not columns or are_own(columns):
        return {}
    fields = mapping_fields(columns, guess_roles(columns))
    if "input_keys" not in fields:
        raise UnfitFile(
            "No column looks like the input. Name it (--input-key, input_keys=[...]); "
            f"the columns are: {', '.join(name[:50] for name, _ in columns[:20])}"
        )
    return fields


def mapping_fields(columns: Sequence[Column], roles: Sequence[Role]) -> dict[str, Any]:
    """The fields of UploadDatasetHeader for these roles. An object "input" is all of the input, no part of it."""
    fields: dict[str, Any] = {}
    for (name, kind), role in zip(columns, roles, strict=True):
        if role in ("id", "span"):
            fields[FIELDS[role]] = name
        elif role != "ignore":
            fields.setdefault(FIELDS[role], []).append(name)
        if kind == "object" and name == role:
            fields.setdefault("flatten_keys", []).append(name)
    return fields
