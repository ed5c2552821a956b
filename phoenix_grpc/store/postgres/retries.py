"""When a transaction is run again."""

import random
import time

import psycopg

from phoenix_grpc.store.postgres.faults import CONFLICTS, as_ours, lost_connection

PATIENCE_SECONDS = 5.0
"""How long a call waits for a connection, for the database to come back, and for conflicts to end."""

_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.2
_RECONNECT_PAUSE_SECONDS = 0.1


class Retries:
    """When to run a transaction again: after a conflict, and without a connection, for some seconds."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + PATIENCE_SECONDS
        self._conflicts = 0

    def pause_after(self, error: psycopg.Error) -> float:
        """How many seconds to wait before the next try.

        Raises:
            the error in the domain's words, when there is to be none.
        """
        if time.monotonic() < self._ends:
            if isinstance(error, CONFLICTS):
                self._conflicts += 1
                longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._conflicts)
                return random.uniform(0, longest)  # noqa: S311 - no secret
            if lost_connection(error):
                return _RECONNECT_PAUSE_SECONDS
        raise as_ours(error) from error
