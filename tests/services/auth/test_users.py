"""Users: made, listed, changed and deleted by admins; who is protected."""

from typing import Any

import pytest

from phoenix_grpc.ids import encode_id
from phoenix_grpc.v1 import auth_pb2
from tests.accounts import PASSWORD, Accounts, Clock
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET

SYSTEM_ID, ADMIN_ID = encode_id("User", 1), encode_id("User", 2)


async def admin_key(accounts: Accounts) -> str:
    """An API key of an admin: no interactive credential."""
    return (await accounts.key(await accounts.session("ADMIN"))).key


async def test_a_user_is_made_and_found(accounts: Accounts, clock: Clock) -> None:
    user = await accounts.call(
        "CreateUser", ADMIN_SECRET, email=" Ada@EXAMPLE.com", username=" ada ", role="ROLE_VIEWER"
    )
    assert (user.email, user.username, user.role) == ("ada@example.com", "ada", auth_pb2.ROLE_VIEWER)
    assert user.create_time.ToMicroseconds() == clock.time
    assert user.password_needs_reset
    assert await accounts.call("GetUser", ADMIN_SECRET, user_id=user.user_id) == user


@pytest.mark.parametrize("method", ["OAUTH2", "LDAP"])
async def test_who_signs_in_by_a_provider_has_no_password(accounts: Accounts, method: str) -> None:
    request = {"email": "ada@example.com", "role": "ROLE_MEMBER", "auth_method": f"AUTH_METHOD_{method}"}
    assert await accounts.violation("CreateUser", ADMIN_SECRET, **request, password=PASSWORD) == "password"
    user = await accounts.call("CreateUser", ADMIN_SECRET, **request)
    assert auth_pb2.AuthMethod.Name(user.auth_method) == f"AUTH_METHOD_{method}"
    assert not user.password_needs_reset
    assert await accounts.call("GetUser", ADMIN_SECRET, user_id=user.user_id) == user
    for _ in range(2):
        assert await accounts.reason("Login", email="ada@example.com", password=PASSWORD) == "LOGIN_FAILED"
        field = await accounts.violation("UpdateUser", ADMIN_SECRET, user_id=user.user_id, password=PASSWORD)
        assert field == "password"
    changed = await accounts.call("UpdateUser", ADMIN_SECRET, user_id=user.user_id, role="ROLE_VIEWER")
    assert changed.auth_method == user.auth_method
    assert list((await accounts.call("GetServerConfig")).login_methods) == ["password"]


async def test_without_a_method_it_is_the_password(accounts: Accounts) -> None:
    assert (await accounts.user()).auth_method == auth_pb2.AUTH_METHOD_LOCAL
    request = {"email": "ada@example.com", "role": "ROLE_MEMBER", "auth_method": 99}
    assert await accounts.violation("CreateUser", ADMIN_SECRET, **request) == "auth_method"


async def test_without_a_username_it_is_the_email(accounts: Accounts) -> None:
    user = await accounts.call("CreateUser", ADMIN_SECRET, email="ada@example.com", role="ROLE_MEMBER")
    assert user.username == "ada@example.com"


async def test_a_user_without_a_password_cannot_log_in(accounts: Accounts) -> None:
    await accounts.call("CreateUser", ADMIN_SECRET, email="ada@example.com", role="ROLE_MEMBER")
    for password in ("", " ", "None"):
        reason = await accounts.reason("Login", email="ada@example.com", password=password)
        assert reason == ("LOGIN_FAILED" if password else "INVALID_FIELD")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "ada"}, "email"),
        ({"role": 0}, "role"),
        ({"role": "ROLE_SYSTEM"}, "role"),
        ({"role": 99}, "role"),
        ({"password": "1234567"}, "password"),
        ({"username": "a\nb"}, "username"),
        ({"username": "x" * 1001}, "username"),
    ],
)
async def test_a_bad_field_is_named(accounts: Accounts, fields: dict[str, Any], field: str) -> None:
    request = {"email": "ada@example.com", "role": "ROLE_MEMBER"} | fields
    assert await accounts.violation("CreateUser", ADMIN_SECRET, **request) == field


async def test_email_and_username_are_unique(accounts: Accounts) -> None:
    await accounts.user(email="ada@example.com", username="ada")
    taken = {"EMAIL_EXISTS": {"email": "ADA@example.com"}, "USERNAME_EXISTS": {"email": "b@x.com", "username": "ada"}}
    for reason, fields in taken.items():
        assert await accounts.reason("CreateUser", ADMIN_SECRET, role="ROLE_MEMBER", **fields) == reason
    other = await accounts.user()
    reason = await accounts.reason("UpdateUser", ADMIN_SECRET, user_id=other.user_id, username="ada")
    assert reason == "USERNAME_EXISTS"


async def test_users_are_listed_newest_first_page_by_page(accounts: Accounts) -> None:
    made = [(await accounts.user()).user_id for _ in range(4)]
    found, token = [], ""
    while True:
        page = await accounts.call("ListUsers", ADMIN_SECRET, page_size=4, page_token=token)
        found += [user.user_id for user in page.users]
        if not (token := page.next_page_token):
            break
    assert found == [*reversed(made), ADMIN_ID, SYSTEM_ID]


async def test_a_changed_role_ends_the_sessions(accounts: Accounts) -> None:
    user = await accounts.user("MEMBER")
    pair = await accounts.login(user.email, PASSWORD)
    changed = await accounts.call("UpdateUser", ADMIN_SECRET, user_id=user.user_id, role="ROLE_VIEWER")
    assert changed.role == auth_pb2.ROLE_VIEWER
    assert await accounts.reason("WhoAmI", pair.access_token) == "SESSION_REVOKED"
    assert await accounts.reason("RefreshToken", refresh_token=pair.refresh_token) == "SESSION_REVOKED"


@pytest.mark.parametrize("change", [{"role": "ROLE_MEMBER"}, {"username": "new"}, {}])
async def test_any_other_change_does_not(accounts: Accounts, change: dict[str, str]) -> None:
    user = await accounts.user("MEMBER")
    session = (await accounts.login(user.email, PASSWORD)).access_token
    await accounts.call("UpdateUser", ADMIN_SECRET, user_id=user.user_id, **change)
    await accounts.call("WhoAmI", session)


async def test_an_admin_sets_a_password(accounts: Accounts) -> None:
    user = await accounts.user()
    session = (await accounts.login(user.email, PASSWORD)).access_token
    for _ in range(5):
        await accounts.reason("Login", email=user.email, password="wrong")
    changed = await accounts.call("UpdateUser", ADMIN_SECRET, user_id=user.user_id, password="another password")
    assert changed.password_needs_reset
    assert await accounts.reason("WhoAmI", session) == "SESSION_REVOKED"
    assert await accounts.reason("Login", email=user.email, password=PASSWORD) == "LOGIN_FAILED"
    await accounts.login(user.email, "another password")


async def test_a_deleted_user_ends_with_sessions_and_keys(accounts: Accounts) -> None:
    user = await accounts.user()
    pair = await accounts.login(user.email, PASSWORD)
    key = (await accounts.key(pair.access_token)).key
    await accounts.call("WhoAmI", key)
    await accounts.call("DeleteUser", ADMIN_SECRET, user_id=user.user_id)
    assert await accounts.reason("WhoAmI", pair.access_token) == "SESSION_REVOKED"
    assert await accounts.reason("WhoAmI", key) == "API_KEY_INVALID"
    assert await accounts.reason("RefreshToken", refresh_token=pair.refresh_token) == "SESSION_REVOKED"
    assert await accounts.reason("Login", email=user.email, password=PASSWORD) == "LOGIN_FAILED"
    for method in ("GetUser", "DeleteUser", "UpdateUser"):
        assert await accounts.reason(method, ADMIN_SECRET, user_id=user.user_id) == "USER_NOT_FOUND"
    again = await accounts.user(email=user.email)
    assert again.user_id != user.user_id


@pytest.mark.parametrize("method", ["GetUser", "UpdateUser", "DeleteUser"])
@pytest.mark.parametrize("user_id", ["", "garbage", encode_id("UserApiKey", 1), "VXNlcjowMQ=="])
async def test_a_bad_id_is_named(accounts: Accounts, method: str, user_id: str) -> None:
    assert await accounts.violation(method, ADMIN_SECRET, user_id=user_id) == "user_id"


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("UpdateUser", {"user_id": SYSTEM_ID, "username": "x"}),
        ("UpdateUser", {"user_id": SYSTEM_ID, "role": "ROLE_MEMBER"}),
        ("UpdateUser", {"user_id": SYSTEM_ID, "password": "a good password"}),
        ("UpdateUser", {"user_id": ADMIN_ID, "role": "ROLE_MEMBER"}),
        ("DeleteUser", {"user_id": SYSTEM_ID}),
        ("DeleteUser", {"user_id": ADMIN_ID}),
    ],
)
async def test_the_first_users_are_protected(accounts: Accounts, method: str, fields: dict[str, str]) -> None:
    for bearer in (ADMIN_SECRET, await accounts.session("ADMIN")):
        assert await accounts.reason(method, bearer, **fields) == "USER_PROTECTED"


async def test_the_default_admin_is_protected_under_any_name(accounts: Accounts) -> None:
    await accounts.call("UpdateUser", ADMIN_SECRET, user_id=ADMIN_ID, username="renamed")
    assert await accounts.reason("DeleteUser", ADMIN_SECRET, user_id=ADMIN_ID) == "USER_PROTECTED"
    await accounts.login("admin@localhost", ADMIN_PASSWORD)


async def test_nobody_changes_the_own_role_or_deletes_itself(accounts: Accounts) -> None:
    user = await accounts.user("ADMIN")
    session = (await accounts.login(user.email, PASSWORD)).access_token
    for fields in ({"role": "ROLE_VIEWER"}, {"password": "another password"}):
        assert await accounts.reason("UpdateUser", session, user_id=user.user_id, **fields) == "USER_PROTECTED"
    assert await accounts.reason("DeleteUser", session, user_id=user.user_id) == "USER_PROTECTED"
    renamed = await accounts.call("UpdateUser", session, user_id=user.user_id, username="me", role="ROLE_ADMIN")
    assert renamed.username == "me"


async def test_the_last_admin_stays(accounts: Accounts) -> None:
    user = await accounts.user("ADMIN")
    await accounts.engine.write(lambda tx: tx.run("DELETE FROM users WHERE email = 'admin@localhost'"))
    for method, fields in (("DeleteUser", {}), ("UpdateUser", {"role": "ROLE_MEMBER"})):
        assert await accounts.reason(method, ADMIN_SECRET, user_id=user.user_id, **fields) == "USER_PROTECTED"
    await accounts.user("ADMIN")
    await accounts.call("DeleteUser", ADMIN_SECRET, user_id=user.user_id)


async def test_a_key_of_an_admin_manages_users_but_grants_no_admin_and_sets_no_password(accounts: Accounts) -> None:
    key = await admin_key(accounts)
    user = await accounts.call("CreateUser", key, email="ada@example.com", role="ROLE_VIEWER")
    for fields in ({"role": "ROLE_ADMIN"}, {"role": "ROLE_VIEWER", "password": PASSWORD}, {"password": "x", "role": 2}):
        reason = await accounts.reason("CreateUser", key, email="b@example.com", **fields)
        assert reason == "CREDENTIAL_NOT_INTERACTIVE"
    for fields in ({"role": "ROLE_ADMIN"}, {"password": "another password"}):
        assert await accounts.reason("UpdateUser", key, user_id=user.user_id, **fields) == "CREDENTIAL_NOT_INTERACTIVE"
    await accounts.call("UpdateUser", key, user_id=user.user_id, role="ROLE_MEMBER")
    await accounts.call("DeleteUser", key, user_id=user.user_id)


async def test_changes_of_users_are_audited(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.call("UpdateUser", ADMIN_SECRET, user_id=user.user_id, role="ROLE_VIEWER")
    await accounts.call("DeleteUser", ADMIN_SECRET, user_id=user.user_id)
    events = [event for event in await accounts.events() if event.target_id == user.user_id]
    assert [event.action for event in events] == ["user.delete", "user.update", "user.create"]
    assert {(event.actor_user_id, event.actor_kind) for event in events} == {
        (SYSTEM_ID, auth_pb2.PRINCIPAL_KIND_ADMIN_SECRET)
    }
