"""Requests that come again under their id."""

import dataclasses
from collections.abc import Callable

import pytest

from phoenix_grpc.errors import Invalid
from phoenix_grpc.store.datasets import replays
from phoenix_grpc.store.datasets.replays import Request, checked_request_id, once
from phoenix_grpc.store.engine import Engine, Transaction

ID = "123e4567-e89b-42d3-a456-426614174000"
REQUEST = Request("USER_KEY:1", "/phoenix_grpc.v1.DatasetsService/CreateDataset", ID, b"digest")


def acts(answer: bytes) -> Callable[[Transaction], bytes]:
    """An act that answers this."""
    return lambda tx: answer


async def test_a_request_that_comes_again_gets_the_first_answer(engine: Engine) -> None:
    assert await engine.write(once, REQUEST, acts(b"first")) == b"first"
    assert await engine.write(once, REQUEST, acts(b"second")) == b"first"


async def test_a_request_without_an_id_is_never_replayed(engine: Engine) -> None:
    assert await engine.write(once, None, acts(b"first")) == b"first"
    assert await engine.write(once, None, acts(b"second")) == b"second"


@pytest.mark.parametrize("other", [{"principal": "USER_KEY:2"}, {"method": "/other"}, {"request_id": ID[:-1] + "1"}])
async def test_ids_of_other_callers_and_methods_do_not_meet(engine: Engine, other: dict[str, str]) -> None:
    await engine.write(once, REQUEST, acts(b"first"))
    assert await engine.write(once, dataclasses.replace(REQUEST, **other), acts(b"second")) == b"second"


async def test_another_request_under_the_same_id_is_refused(engine: Engine) -> None:
    await engine.write(once, REQUEST, acts(b"first"))
    with pytest.raises(Invalid) as refused:
        await engine.write(once, dataclasses.replace(REQUEST, digest=b"other"), acts(b"second"))
    assert (refused.value.field, refused.value.reason) == ("request_id", "REQUEST_ID_REUSED")


async def test_a_request_that_failed_may_come_again(engine: Engine) -> None:
    def fail(tx: Transaction) -> bytes:
        raise Invalid("name", "no")

    with pytest.raises(Invalid):
        await engine.write(once, REQUEST, fail)
    assert await engine.write(once, REQUEST, acts(b"second")) == b"second"


async def test_requests_are_forgotten_after_a_day(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    await engine.write(once, REQUEST, acts(b"first"))
    assert await engine.stage(replays.sweep_requests, 10) == 0
    monkeypatch.setattr(replays, "REPLAY_MICROS", -1)
    assert await engine.write(once, REQUEST, acts(b"second")) == b"second"
    assert await engine.stage(replays.sweep_requests, 10) == 1


@pytest.mark.parametrize("text", [ID, ID.upper(), f"{{{ID}}}"])
def test_a_request_id_is_a_uuid(text: str) -> None:
    assert checked_request_id(text) == ID
    assert checked_request_id("") == ""


@pytest.mark.parametrize("text", ["1", "x" * 36, ID + "0", "\0"])
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        checked_request_id(text)
