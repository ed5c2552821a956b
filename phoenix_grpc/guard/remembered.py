"""Verified credentials by digest: the most recently used ones, which can also be found by their subject."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from phoenix_grpc.model import Principal
from phoenix_grpc.store.revision import AuthChange, Subject

CAPACITY = 10_000
"""How many credentials are remembered."""


class Verified(NamedTuple):
    """The principal of a credential.

    Arguments:
        session_id, key_id: the session or the key that it belongs to; the admin secret has neither.
        datasets: those it is limited to by names, which may be others' tomorrow.
    """

    principal: Principal
    session_id: str = ""
    key_id: int | None = None
    datasets: tuple[str, ...] | None = None

    def subjects(self) -> list[AuthChange]:
        """The changes that make it void."""
        found = [AuthChange(Subject.USER, str(self.principal.user_id))]
        if self.session_id:
            found.append(AuthChange(Subject.SESSION, self.session_id))
        if self.key_id is not None:
            found.append(AuthChange(Subject.KEY, str(self.key_id)))
        return found


class RememberedCredentials:
    """The credentials verified and used last, at most CAPACITY of them."""

    def __init__(self) -> None:
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()
        self._digests: defaultdict[AuthChange, set[bytes]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._verified)

    def get(self, digest: bytes) -> Verified | None:
        """The result for a credential, if it is remembered."""
        found = self._verified.get(digest)
        if found is not None:
            self._verified.move_to_end(digest)
        return found

    def put(self, digest: bytes, verified: Verified) -> None:
        """Remembers a credential, and forgets the least recently used one if there are too many."""
        self.drop(digest)
        self._verified[digest] = verified
        for subject in verified.subjects():
            self._digests[subject].add(digest)
        if len(self._verified) > CAPACITY:
            self.drop(next(iter(self._verified)))

    def drop(self, digest: bytes) -> None:
        """Forgets a credential."""
        verified = self._verified.pop(digest, None)
        for subject in verified.subjects() if verified else ():
            self._digests[subject].discard(digest)
            if not self._digests[subject]:
                del self._digests[subject]

    def apply(self, changes: Iterable[AuthChange] | None) -> None:
        """Forgets the credentials that the changes concern; all of them for None."""
        if changes is None:
            self._verified.clear()
            self._digests.clear()
            return
        for change in changes:
            for digest in list(self._digests.get(change, ())):
                self.drop(digest)
