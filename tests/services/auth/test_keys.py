"""API keys: made once, listed, narrowed, rotated, revoked; personal and system ones."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from phoenix_grpc.ids import encode_id
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import auth_pb2
from tests.accounts import Accounts, Clock
from tests.conftest import ADMIN_SECRET
from tests.databases import everything

DAY = 86_400


def add_datasets(tx: Transaction, count: int) -> list[str]:
    """Datasets to limit keys to."""
    numbers = range(1, count + 1)
    for number in numbers:
        tx.run(
            "INSERT INTO datasets (id, name, name_folded, metadata, created_at, updated_at, change, latest_version_id,"
            " example_count) VALUES (:id, :name, :name, '{}', 0, 0, 1, 1, 0)",
            {"id": number, "name": f"dataset {number}"},
        )
    return [encode_id("Dataset", number) for number in numbers]


def after(clock: Clock, seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMicroseconds(clock.time + round(seconds * 1_000_000))
    return stamp


async def reads(accounts: Accounts, key: str) -> Any:
    """Who the key's caller is."""
    return await accounts.call("WhoAmI", key)


async def test_a_key_is_shown_once_and_identifies_its_owner(accounts: Accounts, clock: Clock) -> None:
    session = await accounts.session("VIEWER")
    made = await accounts.key(session, name="  ci ", description="for the pipeline")
    assert made.api_key.name == "ci"
    assert made.api_key.description == "for the pipeline"
    assert made.api_key.hint == made.key[:11]
    assert made.api_key.create_time.ToMicroseconds() == clock.time
    assert not made.api_key.HasField("expire_time")
    me = await reads(accounts, made.key)
    assert (me.kind, me.role) == (auth_pb2.PRINCIPAL_KIND_USER_KEY, auth_pb2.ROLE_VIEWER)
    assert me.credential_id == made.api_key.api_key_id
    listed = await accounts.call("ListApiKeys", session)
    assert made.key not in str(listed)
    assert list(listed.api_keys) == [made.api_key]


async def test_the_key_itself_is_nowhere_in_the_store(accounts: Accounts) -> None:
    made = await accounts.key(await accounts.session())
    content = everything(accounts.settings.database_url)
    assert made.api_key.name in content
    assert made.key[11:] not in content


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \n"}, "name"),
        ({"name": "x" * 1001}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"expire_time": Timestamp(seconds=1)}, "expire_time"),
        ({"expire_time": Timestamp(seconds=10**15)}, "expire_time"),
        ({"dataset_ids": ["garbage"]}, "dataset_ids[0]"),
        ({"dataset_ids": [encode_id("User", 1)]}, "dataset_ids[0]"),
        ({"dataset_ids": [encode_id("Dataset", 1)] * 101}, "dataset_ids"),
        ({"description": "x" * 10_001}, "description"),
    ],
)
async def test_a_bad_field_is_named(accounts: Accounts, fields: dict[str, Any], field: str) -> None:
    session = await accounts.session()
    request = {"name": "key"} | fields
    assert await accounts.violation("CreateApiKey", session, **request) == field
    assert await accounts.violation("CreateSystemApiKey", ADMIN_SECRET, **request) == field


async def test_a_key_cannot_be_limited_to_a_dataset_that_does_not_exist(accounts: Accounts) -> None:
    session = await accounts.session()
    for name, bearer in (("CreateApiKey", session), ("CreateSystemApiKey", ADMIN_SECRET)):
        reason = await accounts.reason(name, bearer, name="k", dataset_ids=[encode_id("Dataset", 7)])
        assert reason == "DATASET_NOT_FOUND"
    assert len((await accounts.call("ListApiKeys", session)).api_keys) == 0


async def test_a_key_makes_no_key(accounts: Accounts) -> None:
    session = await accounts.session("ADMIN")
    key = await accounts.key(session)
    for method in ("CreateApiKey", "CreateSystemApiKey"):
        assert await accounts.reason(method, key.key, name="k") == "CREDENTIAL_NOT_INTERACTIVE"
    for method in ("RotateApiKey", "UpdateApiKey"):
        reason = await accounts.reason(method, key.key, api_key_id=key.api_key.api_key_id)
        assert reason == "CREDENTIAL_NOT_INTERACTIVE"


async def test_who_is_no_user_has_no_personal_keys(accounts: Accounts) -> None:
    system = (await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="s")).key
    assert await accounts.reason("CreateApiKey", ADMIN_SECRET, name="k") == "NOT_A_USER"
    for bearer in (ADMIN_SECRET, system):
        assert len((await accounts.call("ListApiKeys", bearer)).api_keys) == 0
    unknown = encode_id("UserApiKey", 99)
    assert await accounts.reason("RevokeApiKey", system, api_key_id=unknown) == "NOT_A_USER"
    assert await accounts.reason("RevokeApiKey", ADMIN_SECRET, api_key_id=unknown) == "API_KEY_NOT_FOUND"
    assert await accounts.reason("RotateApiKey", ADMIN_SECRET, api_key_id=unknown) == "NOT_A_USER"


async def test_a_key_acts_with_its_owners_current_role(accounts: Accounts) -> None:
    user = await accounts.user("MEMBER")
    session = (await accounts.login(user.email, "a good password")).access_token
    key = (await accounts.key(session)).key
    assert (await reads(accounts, key)).role == auth_pb2.ROLE_MEMBER
    await accounts.call("UpdateUser", ADMIN_SECRET, user_id=user.user_id, role="ROLE_VIEWER")
    assert (await reads(accounts, key)).role == auth_pb2.ROLE_VIEWER


async def test_a_key_expires_at_its_time(accounts: Accounts, clock: Clock) -> None:
    made = await accounts.key(await accounts.session(), expire_time=after(clock, 60))
    assert (await reads(accounts, made.key)).expire_time == made.api_key.expire_time
    clock.advance(59.999999)
    await reads(accounts, made.key)
    clock.advance(0.000001)
    assert await accounts.reason("WhoAmI", made.key) == "API_KEY_EXPIRED"


async def test_a_limited_key_says_so(accounts: Accounts) -> None:
    first, second = await accounts.engine.write(add_datasets, 2)
    made = await accounts.key(await accounts.session(), dataset_ids=[second, first, first], read_only=True)
    assert list(made.api_key.dataset_ids) == [first, second]
    me = await reads(accounts, made.key)
    assert (me.read_only, list(me.dataset_ids)) == (True, [first, second])
    assert await accounts.reason("ListApiKeys", made.key) == "KEY_READ_ONLY"


async def test_a_key_whose_datasets_are_gone_is_limited_to_none(accounts: Accounts) -> None:
    (dataset,) = await accounts.engine.write(add_datasets, 1)
    session = await accounts.session()
    made = await accounts.key(session, dataset_ids=[dataset])
    await accounts.engine.write(lambda tx: tx.run("UPDATE datasets SET deleted_at = 1"))
    (listed,) = (await accounts.call("ListApiKeys", session)).api_keys
    assert (list(listed.dataset_ids), listed.dataset_limited) == ([], True)
    assert await accounts.reason("ListApiKeys", made.key) == "KEY_NOT_FOR_DATASET"


async def test_keys_are_listed_newest_first_page_by_page(accounts: Accounts) -> None:
    session = await accounts.session()
    await accounts.key(await accounts.session(), name="another's")
    for number in range(5):
        await accounts.key(session, name=f"key {number}")
    names, token = [], ""
    while True:
        page = await accounts.call("ListApiKeys", session, page_size=2, page_token=token)
        names += [key.name for key in page.api_keys]
        if not (token := page.next_page_token):
            break
    assert names == [f"key {number}" for number in (4, 3, 2, 1, 0)]


async def test_admins_list_the_keys_of_others(accounts: Accounts) -> None:
    user = await accounts.user()
    session = (await accounts.login(user.email, "a good password")).access_token
    await accounts.key(session, name="mine")
    await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="system")
    admin = await accounts.session("ADMIN")
    await accounts.key(admin, name="the admin's")
    everyone = (await accounts.call("ListApiKeys", admin, all_users=True)).api_keys
    assert [key.name for key in everyone] == ["the admin's", "mine"]
    assert (everyone[1].user_email, everyone[1].username) == (user.email, user.username)
    theirs = (await accounts.call("ListApiKeys", ADMIN_SECRET, user_id=user.user_id)).api_keys
    assert [(key.name, key.user_email) for key in theirs] == [("mine", "")]
    assert [key.name for key in (await accounts.call("ListApiKeys", session, user_id=user.user_id)).api_keys] == [
        "mine"
    ]


async def test_nobody_else_does(accounts: Accounts) -> None:
    session, user = await accounts.session(), await accounts.user()
    key = (await accounts.key(session)).key
    for bearer in (session, key):
        assert await accounts.reason("ListApiKeys", bearer, all_users=True) == "ROLE_INSUFFICIENT"
        assert await accounts.reason("ListApiKeys", bearer, user_id=user.user_id) == "ROLE_INSUFFICIENT"
        assert await accounts.reason("ListSystemApiKeys", bearer) == "ROLE_INSUFFICIENT"
    assert await accounts.reason("ListApiKeys", ADMIN_SECRET, user_id=encode_id("User", 99)) == "USER_NOT_FOUND"
    assert await accounts.violation("ListApiKeys", ADMIN_SECRET, user_id=user.user_id, all_users=True) == "all_users"


@pytest.mark.parametrize("token", ["garbage", "W10", "WyJ4IiwxXQ", "é"])
async def test_a_bad_page_token_is_named(accounts: Accounts, token: str) -> None:
    assert await accounts.violation("ListApiKeys", ADMIN_SECRET, page_token=token) == "page_token"
    assert await accounts.violation("ListSystemApiKeys", ADMIN_SECRET, page_token=token) == "page_token"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "new"},
        {"description": "new"},
        {"read_only": True},
        {"expire_time": Timestamp(seconds=1_800_000_000 + DAY)},
        {"dataset_ids": [encode_id("Dataset", 1)]},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_key_is_narrowed_or_renamed(accounts: Accounts, change: dict[str, Any]) -> None:
    await accounts.engine.write(add_datasets, 1)
    session = await accounts.session()
    made = await accounts.key(session, expire_time=Timestamp(seconds=1_800_000_000 + 2 * DAY))
    await reads(accounts, made.key)
    key = await accounts.call("UpdateApiKey", session, api_key_id=made.api_key.api_key_id, api_key=change)
    (name,) = change
    assert getattr(key, name) == change[name]
    assert list((await accounts.call("ListApiKeys", session)).api_keys) == [key]
    if name in ("read_only", "dataset_ids", "expire_time"):
        assert getattr(await reads(accounts, made.key), name) == change[name]


@pytest.mark.parametrize(
    ("change", "mask", "field"),
    [
        ({"expire_time": Timestamp(seconds=1_800_000_000 + 3 * DAY)}, None, "api_key.expire_time"),
        ({"expire_time": Timestamp(seconds=1_700_000_000)}, None, "api_key.expire_time"),
        ({}, ["expire_time"], "api_key.expire_time"),
        ({}, ["read_only"], "api_key.read_only"),
        ({}, ["dataset_ids"], "api_key.dataset_ids"),
        ({"dataset_ids": [encode_id("Dataset", 2)]}, None, "api_key.dataset_ids"),
        ({"dataset_ids": [encode_id("Dataset", 1), encode_id("Dataset", 2)]}, None, "api_key.dataset_ids"),
        ({"name": " "}, ["name"], "api_key.name"),
        ({"hint": "x"}, ["hint"], "update_mask"),
    ],
)
async def test_a_key_is_never_widened(
    accounts: Accounts, change: dict[str, Any], mask: list[str] | None, field: str
) -> None:
    first, _ = await accounts.engine.write(add_datasets, 2)
    session = await accounts.session()
    expires = Timestamp(seconds=1_800_000_000 + 2 * DAY)
    made = await accounts.key(session, read_only=True, dataset_ids=[first], expire_time=expires)
    request = {"api_key_id": made.api_key.api_key_id, "api_key": change, "update_mask": {"paths": mask or []}}
    assert await accounts.violation("UpdateApiKey", session, **request) == field
    assert list((await accounts.call("ListApiKeys", session)).api_keys) == [made.api_key]


async def test_a_description_is_cleared_by_the_mask(accounts: Accounts) -> None:
    session = await accounts.session()
    made = await accounts.key(session, description="old")
    key = await accounts.call(
        "UpdateApiKey", session, api_key_id=made.api_key.api_key_id, update_mask={"paths": ["description"]}
    )
    assert not key.HasField("description")


async def test_a_rotated_key_keeps_its_id_and_the_old_secret_dies(accounts: Accounts) -> None:
    session = await accounts.session()
    old = await accounts.key(session, read_only=True)
    await reads(accounts, old.key)
    new = await accounts.call("RotateApiKey", session, api_key_id=old.api_key.api_key_id)
    assert new.key != old.key
    assert (new.api_key.api_key_id, new.api_key.read_only) == (old.api_key.api_key_id, True)
    assert new.api_key.hint == new.key[:11]
    assert await accounts.reason("WhoAmI", old.key) == "API_KEY_REVOKED"
    await reads(accounts, new.key)


async def test_the_old_secret_lives_for_the_overlap(accounts: Accounts, clock: Clock) -> None:
    session = await accounts.session()
    old = await accounts.key(session)
    key_id = old.api_key.api_key_id
    new = await accounts.call("RotateApiKey", session, api_key_id=key_id, overlap={"seconds": 60})
    assert (await reads(accounts, old.key)).expire_time == after(clock, 60)
    clock.advance(60)
    assert await accounts.reason("WhoAmI", old.key) == "API_KEY_REVOKED"
    await reads(accounts, new.key)


async def test_a_rotation_without_overlap_ends_all_secrets_before(accounts: Accounts) -> None:
    session = await accounts.session()
    first = await accounts.key(session)
    key_id = first.api_key.api_key_id
    second = await accounts.call("RotateApiKey", session, api_key_id=key_id, overlap={"seconds": 7 * DAY})
    third = await accounts.call("RotateApiKey", session, api_key_id=key_id)
    for dead in (first, second):
        assert await accounts.reason("WhoAmI", dead.key) == "API_KEY_REVOKED"
    await reads(accounts, third.key)


@pytest.mark.parametrize("overlap", [{"seconds": -1}, {"seconds": 7 * DAY, "nanos": 1000}, {"seconds": 10**11}])
async def test_an_overlap_is_a_week_at_most(accounts: Accounts, overlap: dict[str, int]) -> None:
    session = await accounts.session()
    key_id = (await accounts.key(session)).api_key.api_key_id
    assert await accounts.violation("RotateApiKey", session, api_key_id=key_id, overlap=overlap) == "overlap"


async def test_a_revoked_key_is_gone_at_once(accounts: Accounts) -> None:
    session = await accounts.session()
    made = await accounts.key(session)
    await reads(accounts, made.key)
    await accounts.call("RevokeApiKey", session, api_key_id=made.api_key.api_key_id)
    assert await accounts.reason("WhoAmI", made.key) == "API_KEY_REVOKED"
    assert len((await accounts.call("ListApiKeys", session)).api_keys) == 0
    for method in ("RevokeApiKey", "RotateApiKey", "UpdateApiKey"):
        reason = await accounts.reason(method, session, api_key_id=made.api_key.api_key_id)
        assert reason == "API_KEY_NOT_FOUND"


async def test_a_key_may_revoke_itself(accounts: Accounts) -> None:
    made = await accounts.key(await accounts.session())
    await accounts.call("RevokeApiKey", made.key, api_key_id=made.api_key.api_key_id)
    assert await accounts.reason("WhoAmI", made.key) == "API_KEY_REVOKED"


async def test_others_keys_are_not_found_but_by_admins(accounts: Accounts) -> None:
    made, stranger = await accounts.key(await accounts.session()), await accounts.session()
    key_id = made.api_key.api_key_id
    for method in ("RevokeApiKey", "RotateApiKey", "UpdateApiKey"):
        assert await accounts.reason(method, stranger, api_key_id=key_id) == "API_KEY_NOT_FOUND"
    admin = await accounts.session("ADMIN")
    for method in ("RotateApiKey", "UpdateApiKey"):
        assert await accounts.reason(method, admin, api_key_id=key_id) == "API_KEY_NOT_FOUND"
    await accounts.call("RevokeApiKey", admin, api_key_id=key_id)
    assert await accounts.reason("WhoAmI", made.key) == "API_KEY_REVOKED"


async def test_a_system_key_reads_and_writes_and_is_no_admin(accounts: Accounts) -> None:
    made = await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="worker")
    assert made.api_key.api_key_id == encode_id("SystemApiKey", 1)
    me = await reads(accounts, made.key)
    assert (me.kind, me.role) == (auth_pb2.PRINCIPAL_KIND_SYSTEM_KEY, auth_pb2.ROLE_SYSTEM)
    assert me.user.email == "system@localhost"
    assert await accounts.reason("ListUsers", made.key) == "ROLE_INSUFFICIENT"
    rotated = await accounts.call("RotateSystemApiKey", ADMIN_SECRET, api_key_id=made.api_key.api_key_id)
    assert await accounts.reason("WhoAmI", made.key) == "API_KEY_REVOKED"
    assert [key.name for key in (await accounts.call("ListSystemApiKeys", ADMIN_SECRET)).api_keys] == ["worker"]
    await accounts.call("RevokeSystemApiKey", ADMIN_SECRET, api_key_id=made.api_key.api_key_id)
    assert await accounts.reason("WhoAmI", rotated.key) == "API_KEY_REVOKED"


async def test_the_owner_decides_the_class_of_a_key_not_its_id(accounts: Accounts) -> None:
    system = await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="s")
    personal = await accounts.key(await accounts.session())
    numbers = {"system": 1, "personal": 2}
    assert personal.api_key.api_key_id == encode_id("UserApiKey", 2)
    wrong_class = {"RevokeApiKey": encode_id("UserApiKey", numbers["system"])} | dict.fromkeys(
        ("RevokeSystemApiKey", "RotateSystemApiKey"), encode_id("SystemApiKey", numbers["personal"])
    )
    for method, key_id in wrong_class.items():
        assert await accounts.reason(method, ADMIN_SECRET, api_key_id=key_id) == "API_KEY_NOT_FOUND"
    assert await accounts.violation("RevokeApiKey", ADMIN_SECRET, api_key_id=system.api_key.api_key_id) == "api_key_id"
    for bad in ("", "garbage", encode_id("Dataset", 1), encode_id("UserApiKey", 1)):
        assert await accounts.violation("RevokeSystemApiKey", ADMIN_SECRET, api_key_id=bad) == "api_key_id"


async def test_changes_of_keys_are_audited(accounts: Accounts) -> None:
    session = await accounts.session()
    key_id = (await accounts.key(session)).api_key.api_key_id
    await accounts.call("UpdateApiKey", session, api_key_id=key_id, api_key={"name": "new"})
    await accounts.call("RotateApiKey", session, api_key_id=key_id)
    await accounts.call("RevokeApiKey", session, api_key_id=key_id)
    events = [event for event in await accounts.events() if event.action.startswith("api_key")]
    assert [event.action for event in events] == [
        "api_key.revoke",
        "api_key.rotate",
        "api_key.update",
        "api_key.create",
    ]
    assert {event.target_id for event in events} == {key_id}
    assert {event.actor_kind for event in events} == {auth_pb2.PRINCIPAL_KIND_SESSION}


async def test_a_refused_change_leaves_no_trace_of_having_happened(accounts: Accounts) -> None:
    session = await accounts.session()
    await accounts.reason("RevokeApiKey", session, api_key_id=encode_id("UserApiKey", 99))
    assert await accounts.events(action="api_key.revoke") == []
