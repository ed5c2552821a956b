"""Settings of the database, and of the folder that it is in by default."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from phoenix_grpc.config.fields import Group, Seconds, absolute


class DatabaseSettings(Group):
    """Which database there is, and how it is used."""

    working_dir: Path = Field(
        Path("~/.phoenix_grpc"),
        validate_default=True,
        description="Folder of the database and of the generated secret.",
    )
    sql_database_url: str = Field(
        "",
        repr=False,
        description="Database: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; by default a file in the working"
        " folder.",
    )
    sql_replica_url: str = Field(
        "",
        repr=False,
        description="Streaming replica of the PostgreSQL database, from which downloads and pages of examples and"
        " versions are read.",
    )
    sql_migration_url: str = Field(
        "",
        repr=False,
        description="The PostgreSQL database for migrations, if that takes another way or another role: past a pooler,"
        " or as the owner of the tables.",
    )
    sql_pool_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        8,
        description="Maximum number of connections to PostgreSQL for reads; as many for writes and as many for the work"
        " of uploads; seven are extra.",
    )
    sql_prepared_statements: bool = Field(
        True, description="Whether statements are prepared on PostgreSQL; PgBouncer before 1.21 cannot pass them on."
    )
    sqlite_busy_seconds: Seconds = Field(30, description="How long a write waits for a write of another process.")
    disk_reserve_bytes: Annotated[int, Field(ge=0)] = Field(
        256 << 20,
        description="Space on the database's disk that uploads and other additions leave free for deletes,"
        " revocations and logins; a twentieth of the disk at most.",
    )

    @field_validator("working_dir")
    @classmethod
    def _absolute_folder(cls, path: Path) -> Path | None:
        return absolute(path)

    @property
    def shares_database(self) -> bool:
        """Whether servers on other machines may use the same database."""
        return not self.database_url.startswith("sqlite:")

    @property
    def database_url(self) -> str:
        """The URL of the database."""
        return self.sql_database_url or f"sqlite:///{self.working_dir / 'phoenix_grpc.db'}"
