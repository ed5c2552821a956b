"""The auth revision: a number that every revoking change raises, so that what was verified before it counts no more."""

from phoenix_grpc.store.engine import Transaction


def raise_auth_revision(tx: Transaction) -> None:
    """To be called in the transaction of any change after which a credential is worth less, or nothing."""
    tx.run("UPDATE auth_revision SET revision = revision + 1")
