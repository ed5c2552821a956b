"""Calls of DatasetsService in one line: `await datasets.GetDataset(name="d")`."""

from collections.abc import Callable
from typing import Any

from phoenix_grpc.v1 import datasets_pb2
from tests.conftest import Api, Metadata, details, reason_of, refused


class DatasetCaller:
    """The methods of DatasetsService over a channel; the arguments are the fields of the request."""

    def __init__(self, api: Api, metadata: Metadata) -> None:
        self.api = api
        self.metadata = metadata

    def __getattr__(self, method: str) -> Callable[..., Any]:
        request = getattr(datasets_pb2, f"{method}Request")
        return lambda **fields: getattr(self.api.datasets, method)(request(**fields), metadata=self.metadata)

    async def append(self, *contents: int, name: str = "d", **fields: Any) -> datasets_pb2.ChangeExamplesResponse:
        """Appends examples with the input {"value": content}."""
        examples = [new_example(content) for content in contents]
        return await self.AppendExamples(name=name, examples=examples, **fields)

    async def values(self, **fields: Any) -> list[int]:
        """The contents of the examples of all pages."""
        found: list[int] = []
        token = ""
        while True:
            page = await self.ListExamples(name="d", page_token=token, **fields)
            found += [int(example.input["value"]) for example in page.examples]
            token = page.next_page_token
            if not token:
                return found


def new_example(content: int, external_id: str = "", splits: list[str] | None = None) -> datasets_pb2.NewExample:
    """An example with the input {"value": content}."""
    example = datasets_pb2.NewExample(external_id=external_id)
    example.input.update({"value": content})
    if splits is not None:
        example.splits.names.extend(splits)
        example.splits.SetInParent()
    return example


async def refusal(call: Any) -> tuple[str, str, str]:
    """Why a call that must fail does: status, reason, and the first field that is not valid."""
    error = await refused(call)
    bad = details(error).get("BadRequest")
    return error.code().name, reason_of(error), bad.field_violations[0].field if bad else ""
