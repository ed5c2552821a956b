"""What calls leave in the audit log: the one way in which a method changes anything."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeVar

from phoenix_grpc import model
from phoenix_grpc.guard.call import Call, current_call
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import AuditEvent, Dataset, PrincipalKind, Version
from phoenix_grpc.store import audit
from phoenix_grpc.store.datasets.publishing import unclaimed
from phoenix_grpc.store.datasets.versions import Counts
from phoenix_grpc.store.engine import Engine, Transaction

T = TypeVar("T")


class Target(NamedTuple):
    """What something is done to: its id, and the name that tells people what it was when it is gone."""

    id: str
    name: str = ""


class Trail:
    """Collects what one transaction of this call does.

    Arguments:
        call: the event of the call, whose action is not known yet.
    """

    def __init__(self, call: AuditEvent) -> None:
        self._call = call
        self.events: list[AuditEvent] = []

    def add(self, action: str, target: Target | None = None, dataset: Dataset | None = None, **facts: int) -> None:
        """Notes what was done.

        Arguments:
            dataset: where it was done, as it was before; the target as well, when there is no other.
            facts: the version and the counts, as AuditEvent names them.
        """
        if dataset is not None:
            target = target or dataset_target(dataset)
        identity, name = target or Target("")
        self.events.append(
            replace(
                self._call,
                action=action,
                target_id=identity,
                target_name=name,
                dataset_id=dataset.id if dataset else None,
                dataset_name=dataset.name if dataset else None,
                **facts,  # type: ignore[arg-type] # counts all
            )
        )

    def add_examples(self, action: str, dataset: Dataset, version: Version, counts: Counts) -> None:
        """Notes a change of examples, when it changed any."""
        if any(counts):
            self.add(
                action,
                dataset=dataset,
                version_id=version.id,
                created_count=counts.created,
                updated_count=counts.updated,
                deleted_count=counts.deleted,
            )


def dataset_target(dataset: Dataset) -> Target:
    """A dataset under its name."""
    return Target(encode_id("Dataset", dataset.id), dataset.name)


async def recorded(engine: Engine, act: Callable[[Transaction, Trail], T]) -> T:
    """Runs a change, and records what it adds to the trail, as done by the caller, in the same transaction.

    It waits for a publication into its dataset to end.

    Raises:
        DatasetBusy: when it has waited for long.
    """
    call = call_event("")  # here: the thread that writes serves no call

    def change(tx: Transaction) -> T:
        trail = Trail(call)
        result = act(tx, trail)
        audit.record(tx, trail.events)
        return result

    return await unclaimed(engine, lambda: engine.write(change))


def call_event(action: str) -> AuditEvent:
    """The audit event of this call, by this caller."""
    call: Call = current_call.get()
    principal = call.principal
    known = principal.kind is not PrincipalKind.ANONYMOUS
    return AuditEvent(
        action,
        allowed=True,
        created_at=model.now(),
        actor_user_id=principal.user_id,
        actor_email=principal.email,
        actor_kind=principal.kind.value if known else "",
        credential_id=principal.credential_id,
        method=call.path,
        address=call.address,
        request_id=call.request_id,
    )
