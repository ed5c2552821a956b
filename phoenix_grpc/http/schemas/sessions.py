"""Logins and sessions."""

from datetime import datetime
from typing import Literal

from phoenix_grpc.http.schemas import Model


class Session(Model):
    """A session, which began with one login."""

    id: str
    created_at: datetime
    refreshed_at: datetime | None
    expires_at: datetime
    user_agent: str
    address: str
    current: bool


class Tokens(Model):
    """The tokens of a session, for programs without a cookie jar."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int


class Config(Model):
    """What a client must know before it logs in."""

    authentication_enabled: bool
    version: str
    phoenix_version: str
    login_methods: list[str]
    password_reset_enabled: bool
    api_key_max_days: float | None
