"""What a transaction offers, on every engine."""

import pytest

from phoenix_grpc.model import Row
from phoenix_grpc.store.engine import Engine, Transaction


def one(tx: Transaction, wanted: int) -> Row:
    return tx.one("SELECT value FROM (SELECT 1 AS value) AS numbers WHERE value = :wanted", {"wanted": wanted})


async def test_a_row_that_must_be_there_is_returned_or_its_absence_is_a_defect(engine: Engine) -> None:
    assert tuple(await engine.read(one, 1)) == (1,)
    with pytest.raises(LookupError, match="SELECT value"):
        await engine.read(one, 2)
