"""Remembered credentials: what a change makes the server forget, and no more than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.guard.remembered import RememberedCredentials, Verified
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.store.revision import AuthChange, Subject

SUBJECTS = st.builds(AuthChange, st.sampled_from(Subject), st.sampled_from("123"))


def verified(user_id: int, session_id: str = "", key_id: int | None = None) -> Verified:
    return Verified(Principal(PrincipalKind.SESSION, Role.MEMBER, user_id), session_id, key_id)


CREDENTIALS = st.builds(
    verified, st.integers(1, 3), st.sampled_from(["", "1", "2", "3"]), st.sampled_from([None, 1, 2, 3])
)


@given(st.dictionaries(st.binary(max_size=1), CREDENTIALS), st.lists(SUBJECTS))
def test_a_change_voids_what_it_is_about_and_nothing_else(
    credentials: dict[bytes, Verified], changes: list[AuthChange]
) -> None:
    remembered = RememberedCredentials()
    for digest, credential in credentials.items():
        remembered.put(digest, credential)
    remembered.apply(changes)
    for digest, credential in credentials.items():
        expected = None if set(credential.subjects()) & set(changes) else credential
        assert remembered.get(digest) is expected
    remembered.apply(None)
    assert len(remembered) == 0
    assert not remembered._digests


def test_the_credential_not_used_for_longest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix_grpc.guard.remembered.CAPACITY", 2)
    remembered = RememberedCredentials()
    remembered.put(b"1", verified(1))
    remembered.put(b"2", verified(2))
    assert remembered.get(b"1")
    remembered.put(b"3", verified(3))
    assert [remembered.get(digest) is not None for digest in (b"1", b"2", b"3")] == [True, False, True]


def test_a_credential_that_is_put_again_belongs_to_its_new_owner_alone() -> None:
    remembered = RememberedCredentials()
    remembered.put(b"1", verified(1))
    remembered.put(b"1", verified(2))
    remembered.apply([AuthChange(Subject.USER, "1")])
    assert remembered.get(b"1") == verified(2)
    remembered.apply([AuthChange(Subject.USER, "2")])
    assert remembered.get(b"1") is None
