"""How long API keys live at most, and which of them nobody uses."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from phoenix_grpc.errors import Invalid
from tests.accounts import Accounts, Clock, accounts_in
from tests.conftest import ADMIN_SECRET

DAY = 86_400
CAP = 30 * DAY


@pytest_asyncio.fixture
async def capped(accounts: Accounts, tmp_path: Path) -> AsyncIterator[Accounts]:
    """Another process on the store of `accounts`, with a cap of 30 days on the lives of keys."""
    async with accounts_in(tmp_path, api_key_max_days=30) as capped:
        yield capped


def at(clock: Clock, seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(clock.time + round(seconds * 1_000_000))
    return stamp


CREATIONS = [("CreateApiKey", "session"), ("CreateSystemApiKey", "admin secret")]


@pytest.mark.parametrize(("method", "who"), CREATIONS)
@pytest.mark.parametrize(
    ("asked", "given"),
    [(None, CAP), (60, 60), (CAP, CAP), (CAP + 59, CAP), (CAP + 61, None), (365 * DAY, None)],
)
async def test_a_new_key_lives_no_longer_than_the_cap(
    capped: Accounts, clock: Clock, method: str, who: str, asked: int | None, given: int | None
) -> None:
    caller = await capped.session() if who == "session" else ADMIN_SECRET
    fields: dict[str, Any] = {"name": "key"} | ({} if asked is None else {"expire_time": at(clock, asked)})
    if given is None:
        assert await capped.violation(method, caller, **fields) == "expire_time"
    else:
        made = await capped.call(method, caller, **fields)
        assert made.api_key.expire_time == at(clock, given)
        assert not made.api_key.exceeds_max_lifetime


async def test_the_refusal_names_the_setting(capped: Accounts, clock: Clock) -> None:
    with pytest.raises(Invalid, match="within 30 days: PHOENIX_API_KEY_MAX_DAYS"):
        await capped.key(await capped.session(), expire_time=at(clock, 31 * DAY))


async def test_clients_learn_the_cap(accounts: Accounts, capped: Accounts) -> None:
    assert (await capped.call("GetServerConfig")).api_key_max_lifetime == Duration(seconds=CAP)
    assert not (await accounts.call("GetServerConfig")).HasField("api_key_max_lifetime")


async def test_older_keys_keep_their_expiry_and_are_marked(accounts: Accounts, capped: Accounts, clock: Clock) -> None:
    session = await accounts.session()
    lives = {"never ends": None, "ends late": 31 * DAY, "ends soon": 29 * DAY}
    for name, seconds in lives.items():
        await accounts.key(session, name=name, **({"expire_time": at(clock, seconds)} if seconds else {}))
    await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="system")
    mine = (await capped.call("ListApiKeys", session)).api_keys
    everyones = (await capped.call("ListApiKeys", ADMIN_SECRET, all_users=True)).api_keys
    for keys in (mine, everyones):
        assert {key.name: key.exceeds_max_lifetime for key in keys} == {
            "never ends": True,
            "ends late": True,
            "ends soon": False,
        }
    assert [key.exceeds_max_lifetime for key in (await capped.call("ListSystemApiKeys", ADMIN_SECRET)).api_keys] == [1]
    assert not any(key.exceeds_max_lifetime for key in (await accounts.call("ListApiKeys", session)).api_keys)
    clock.advance(2 * DAY)
    kept = {key.name: key for key in (await capped.call("ListApiKeys", ADMIN_SECRET, all_users=True)).api_keys}
    assert not kept["never ends"].HasField("expire_time")
    assert not kept["ends late"].exceeds_max_lifetime


@pytest.mark.parametrize(("before", "after"), [(None, CAP), (365 * DAY, CAP), (5 * DAY, 5 * DAY)])
async def test_a_rotated_key_ends_with_the_cap(
    accounts: Accounts, capped: Accounts, clock: Clock, before: int | None, after: int
) -> None:
    expiry = {"expire_time": at(clock, before)} if before else {}
    session = await accounts.session()
    mine = (await accounts.key(session, **expiry)).api_key
    system = (await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="system", **expiry)).api_key
    for method, who, key in (("RotateApiKey", session, mine), ("RotateSystemApiKey", ADMIN_SECRET, system)):
        rotated = await capped.call(method, who, api_key_id=key.api_key_id)
        assert rotated.api_key.expire_time == at(clock, after)
        principal = await capped.call("WhoAmI", rotated.key)
        assert principal.expire_time == at(clock, after)


async def test_a_change_of_the_expiry_is_held_to_the_cap_and_others_are_not(
    accounts: Accounts, capped: Accounts, clock: Clock
) -> None:
    session = await accounts.session()
    key_id = (await accounts.key(session)).api_key.api_key_id
    renamed = await capped.call("UpdateApiKey", session, api_key_id=key_id, api_key={"name": "renamed"})
    assert renamed.exceeds_max_lifetime
    assert not renamed.HasField("expire_time")
    late = {"expire_time": at(clock, 31 * DAY)}
    assert await capped.violation("UpdateApiKey", session, api_key_id=key_id, api_key=late) == "api_key.expire_time"
    mask = {"update_mask": {"paths": ["expire_time"]}}
    bound = await capped.call("UpdateApiKey", session, api_key_id=key_id, **mask)
    assert bound.expire_time == at(clock, CAP)
    soon = {"expire_time": at(clock, DAY)}
    assert (await capped.call("UpdateApiKey", session, api_key_id=key_id, api_key=soon)).expire_time == at(clock, DAY)
    assert await capped.violation("UpdateApiKey", session, api_key_id=key_id, **mask) == "api_key.expire_time"


async def test_keys_that_nobody_uses_are_found(accounts: Accounts, clock: Clock) -> None:
    session = await accounts.session()
    used = await accounts.key(session, name="used")
    await accounts.key(session, name="never used")
    await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="system")
    clock.advance(60 * DAY)
    await accounts.call("WhoAmI", used.key)
    await accounts.authenticator.flush()
    session = (await accounts.login()).access_token
    clock.advance(40 * DAY)
    await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="new system")

    async def idle(days: int) -> list[str]:
        duration = Duration(seconds=days * DAY)
        mine = await accounts.call("ListApiKeys", ADMIN_SECRET, all_users=True, idle=duration)
        system = await accounts.call("ListSystemApiKeys", ADMIN_SECRET, idle=duration)
        return [key.name for key in [*mine.api_keys, *system.api_keys]]

    assert await idle(0) == ["never used", "used", "new system", "system"]
    assert await idle(39) == ["never used", "used", "system"]
    assert await idle(41) == ["never used", "system"]
    assert await idle(101) == []
    assert await idle(3_000_000) == []


async def test_the_idle_keys_come_page_by_page(accounts: Accounts, clock: Clock) -> None:
    session = await accounts.session()
    for number in range(6):
        await accounts.key(session, name=str(number))
    clock.advance(DAY)
    session, request = (await accounts.login()).access_token, {"all_users": True, "idle": Duration(seconds=DAY)}
    await accounts.key(session, name="new")
    found, token = [], ""
    while True:
        page = await accounts.call("ListApiKeys", session, page_size=4, page_token=token, **request)
        found += [key.name for key in page.api_keys]
        if not (token := page.next_page_token):
            break
        other = {**request, "idle": Duration(seconds=1), "page_token": token}
        assert await accounts.violation("ListApiKeys", session, page_size=4, **other) == "page_token"
    assert found == ["5", "4", "3", "2", "1", "0"]


@pytest.mark.parametrize("seconds", [-1, -(2**63)])
async def test_a_negative_idle_time_is_refused(accounts: Accounts, seconds: int) -> None:
    idle = Duration(seconds=seconds)
    assert await accounts.violation("ListApiKeys", ADMIN_SECRET, all_users=True, idle=idle) == "idle"
    assert await accounts.violation("ListSystemApiKeys", ADMIN_SECRET, idle=idle) == "idle"
    assert (await accounts.call("ListSystemApiKeys", ADMIN_SECRET, idle=Duration(seconds=2**63 - 1))).api_keys == []
