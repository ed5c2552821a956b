"""The first users, when the line to the database is cut while they are made."""

from pathlib import Path

import pytest

from phoenix_grpc.credentials.passwords import verify_password
from phoenix_grpc.errors import Unavailable
from phoenix_grpc.server.first_start import FirstStart
from phoenix_grpc.store.opening import open_engine
from tests.conftest import make_settings
from tests.databases import query
from tests.postgres import new_database
from tests.postgres_proxy import proxied


@pytest.mark.parametrize("committed", [False, True])
async def test_the_first_password_is_not_lost_with_the_answer_to_the_commit(tmp_path: Path, committed: bool) -> None:
    url = new_database()
    with proxied(url) as proxy:
        settings = make_settings(tmp_path, sql_database_url=proxy.url)
        settings = settings.model_copy(update={"default_admin_initial_password": None})
        engine = open_engine(proxy.url)
        try:
            start = FirstStart(engine, settings)
            proxy.cut_at(b"COMMIT", after=committed)
            with pytest.raises(Unavailable, match="outcome is unknown"):
                await start.make()
            shown = await start.make()
            assert shown is not None
            [(kept,)] = query(url, "SELECT password_hash FROM users WHERE role = 'ADMIN'")
            assert verify_password(kept, shown).ok
            assert await start.make() is None
        finally:
            await engine.close()
