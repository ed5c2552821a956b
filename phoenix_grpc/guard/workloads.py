"""What a workload may do: the row of the identity file for the peer of a call, with the datasets that there are now."""

from collections.abc import Sequence

from phoenix_grpc.identity.peers import Peer
from phoenix_grpc.identity.workloads import Workloads
from phoenix_grpc.ids import parse_id
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.store.datasets.references import DatasetRef, lookup_dataset
from phoenix_grpc.store.engine import Engine, Transaction


async def workload_principal(workloads: Workloads, engine: Engine, peer: Peer) -> Principal | None:
    """The principal that a peer is; None when no row is about it."""
    found = workloads.find(peer)
    if found is None:
        return None
    row, name = found
    datasets = None if row.datasets is None else await engine.read(dataset_ids, row.datasets)
    return Principal(
        PrincipalKind.WORKLOAD,
        Role(row.role),
        credential_id=str(name),
        read_only=row.read_only,
        dataset_ids=datasets,
    )


def dataset_ids(tx: Transaction, named: Sequence[str]) -> frozenset[int]:
    """The datasets that there are of these, by id or by name."""
    found = set()
    for text in named:
        kind, number = parse_id(text) or ("", 0)
        ref = DatasetRef(number, None, text) if kind == "Dataset" else DatasetRef(None, text, text)
        dataset = lookup_dataset(tx, ref)
        if dataset is not None:
            found.add(dataset.id)
    return frozenset(found)
