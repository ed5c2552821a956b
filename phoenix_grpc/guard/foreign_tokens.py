"""Tokens of trusted issuers: from a bearer token to the principal that the identity file makes of its claims."""

from typing import Any, NamedTuple

from phoenix_grpc import model
from phoenix_grpc.credentials.foreign_tokens import NotVerified, peek, verified_claims
from phoenix_grpc.errors import Reason, Unauthenticated
from phoenix_grpc.identity.issuers import Issuer, Rule
from phoenix_grpc.identity.key_sets import KeySet
from phoenix_grpc.identity.workloads import Workloads
from phoenix_grpc.model import Principal, PrincipalKind, Role

_SECOND = 1_000_000
_MAX_SUBJECT = 500


class Foreign(NamedTuple):
    """Who bears a token of another issuer.

    Arguments:
        datasets: those it is limited to, as the file names them.
    """

    principal: Principal
    datasets: tuple[str, ...] | None


class ForeignTokens:
    """Verifies them; belongs to one event loop.

    Arguments:
        workloads: the identity file, which has the issuers.
    """

    def __init__(self, workloads: Workloads) -> None:
        self._workloads = workloads
        self._key_sets: dict[tuple[object, ...], KeySet] = {}

    @property
    def version(self) -> int:
        """Grows whenever the file has changed: what was verified before is void."""
        return self._workloads.version

    async def identify(self, token: str) -> Foreign | None:
        """Who bears it; None when it names no issuer that is trusted here.

        Raises:
            Unauthenticated: when it does not verify, or no rule is about it.
            Unavailable: when the issuer's keys cannot be read.
        """
        said = peek(token)
        issuers = [one for one in self._workloads.table.issuers if said is not None and one.issuer == said.issuer]
        if said is None or not issuers:
            return None
        problem = "no rule is about its claims"
        # An issuer may be there for several audiences.
        for issuer in issuers:
            key = await self._key_set(issuer).find(said.kid)
            if key is None:
                problem = "the issuer has no such key"
                continue
            try:
                claims = verified_claims(token, key, issuer.algorithms, issuer.issuer, issuer.audience)
            except NotVerified as error:
                problem = str(error)
                continue
            if (rule := issuer.rule(claims)) is not None:
                return _foreign(issuer, rule, claims)
        raise Unauthenticated(f"the token of a trusted issuer is refused: {problem}", Reason.ACCESS_TOKEN_INVALID)

    def _key_set(self, issuer: Issuer) -> KeySet:
        if issuer.source not in self._key_sets:
            trusted = {one.source for one in self._workloads.table.issuers}
            self._key_sets = {source: found for source, found in self._key_sets.items() if source in trusted}
            self._key_sets[issuer.source] = KeySet(issuer)
        return self._key_sets[issuer.source]


def _foreign(issuer: Issuer, rule: Rule, claims: dict[str, Any]) -> Foreign:
    expires_at = int(claims["exp"] * _SECOND)
    if rule.max_minutes is not None:
        issued = claims.get("iat")
        if not isinstance(issued, int | float):
            raise Unauthenticated("the token does not say when it was issued", Reason.ACCESS_TOKEN_INVALID)
        expires_at = min(expires_at, int((issued + rule.max_minutes * 60) * _SECOND))
        if expires_at <= model.now():
            raise Unauthenticated("the token was issued longer ago than its rule allows", Reason.ACCESS_TOKEN_EXPIRED)
    principal = Principal(
        PrincipalKind.FOREIGN_TOKEN,
        Role(rule.role),
        credential_id=f"{issuer.issuer} {str(claims['sub'])[:_MAX_SUBJECT]}",
        expires_at=expires_at,
        read_only=rule.read_only,
    )
    return Foreign(principal, rule.datasets)
