"""Refusals for the audit log, gathered in memory and written off the calls' path."""

from collections import Counter
from collections.abc import Collection

import structlog

from phoenix_grpc.errors import Error, PermissionDenied, Unauthenticated
from phoenix_grpc.guard.call import Call
from phoenix_grpc.model import AuditEvent, PrincipalKind, now
from phoenix_grpc.store import audit
from phoenix_grpc.store.engine import Engine

MAX_GATHERED = 10_000
_MINUTE = 60_000_000

log = structlog.get_logger()


class RefusalRecorder:
    """Gathers refusals; those of unknown callers are counted by the minute, so that strangers cannot fill the log.

    Arguments:
        methods: the paths that the server has.
    """

    def __init__(self, engine: Engine, methods: Collection[str]) -> None:
        self._engine = engine
        self._methods = methods
        self._events: list[AuditEvent] = []
        self._strangers: Counter[tuple[int, str, str]] = Counter()
        self._dropped = 0

    def __call__(self, call: Call, error: Error | None) -> None:
        """Remembers a refusal until the next flush; above 10,000 of them they are only counted."""
        if not isinstance(error, Unauthenticated | PermissionDenied):
            return
        principal, reason = call.principal, error.reason
        # Strangers make up any number of methods.
        method = call.path if call.path in self._methods else ""
        if principal.kind is PrincipalKind.ANONYMOUS:
            self._strangers[(now() // _MINUTE, method, reason)] += 1
        elif len(self._events) >= MAX_GATHERED:
            self._dropped += 1
        else:
            self._events.append(
                AuditEvent(
                    action="refusal",
                    allowed=False,
                    actor_user_id=principal.user_id,
                    actor_email=principal.email,
                    actor_kind=principal.kind.value,
                    credential_id=principal.credential_id,
                    method=method,
                    reason=reason,
                    address=call.address,
                    request_id=call.request_id,
                )
            )

    async def flush(self, final: bool = False) -> None:
        """Writes the gathered refusals; the counts of the current minute only if `final`."""
        minute = now() // _MINUTE
        ended = [key for key in self._strangers if final or key[0] < minute]
        events = self._events + [
            AuditEvent("refusal", False, key[0] * _MINUTE, method=key[1], reason=key[2], count=self._strangers[key])
            for key in ended
        ]
        if not events:
            return
        await self._engine.write(audit.record, events)
        del self._events[: len(events) - len(ended)]
        for key in ended:
            del self._strangers[key]
        if self._dropped:
            log.warning("refusals not written to the audit log: too many at once", count=self._dropped)
            self._dropped = 0
