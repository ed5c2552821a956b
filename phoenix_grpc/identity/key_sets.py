"""The keys of trusted issuers: found by discovery, read with bounds, kept, and asked for anew when one is not known."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import structlog

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.identity.issuers import Issuer, is_secure

MAX_BYTES = 512 << 10
TIMEOUT_SECONDS = 5.0
FRESH_SECONDS = 600.0
"""After which keys are asked for again; until that succeeds, those that there are count."""

COOL_DOWN_SECONDS = 10.0
"""How often at most an issuer is asked: strangers make up any number of key ids."""

_DISCOVERY = "/.well-known/openid-configuration"

# Of its own: an issuer that is slow must not keep the threads that read uploads.
_threads = ThreadPoolExecutor(4, thread_name_prefix="issuers")

log = structlog.get_logger()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nobody anywhere: only what the file names is asked."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class KeySet:
    """The keys of one issuer."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._keys: dict[str, Mapping[str, Any]] = {}
        self._read_at = self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> Mapping[str, Any] | None:
        """The key with an id; of an issuer with a single key that has none, that key.

        Raises:
            Unavailable: when no keys could be read yet.
        """
        known, stale = kid in self._keys, time.monotonic() - self._read_at > FRESH_SECONDS
        if not known or (stale and not self._asking.locked()):
            async with self._asking:
                if time.monotonic() - self._asked_at > COOL_DOWN_SECONDS:
                    await self._ask()
        if self._read_at == float("-inf"):
            raise Unavailable("the keys of the token's issuer cannot be read now", retry_after=COOL_DOWN_SECONDS)
        return self._keys.get(kid)

    async def _ask(self) -> None:
        self._asked_at = time.monotonic()
        try:
            reading = asyncio.get_running_loop().run_in_executor(_threads, self._read)
            self._keys = _by_id(await reading)
            self._read_at = time.monotonic()
        except (OSError, ValueError) as error:
            # A web page's own words would be somebody else's in our log.
            log.warning("the keys of an issuer cannot be read", issuer=self._issuer.issuer, error=type(error).__name__)

    def _read(self) -> Any:
        if self._issuer.jwks_file is not None:
            return json.loads(self._issuer.jwks_file.read_bytes())
        return _fetch(self._issuer.jwks_uri or self._discovered())

    def _discovered(self) -> str:
        """The address of the keys, from the discovery document.

        Raises:
            ValueError: when it is of another issuer, or names another host than the file does.
        """
        document = _fetch(self._issuer.issuer.rstrip("/") + _DISCOVERY)
        uri = document.get("jwks_uri") if isinstance(document, dict) else None
        if not isinstance(uri, str) or document.get("issuer") != self._issuer.issuer or not is_secure(uri):
            raise ValueError
        allowed = {urlsplit(self._issuer.issuer).hostname, self._issuer.jwks_host}
        if urlsplit(uri).hostname not in allowed:
            raise ValueError
        return uri


def _fetch(url: str) -> Any:
    opener = urllib.request.build_opener(_NoRedirect)
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310 - https, or loopback
    with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
        data = bytearray()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while piece := response.read1(65536):
            data += piece
            if len(data) > MAX_BYTES or time.monotonic() > deadline:
                raise ValueError
        return json.loads(data)


def _by_id(document: Any) -> dict[str, Mapping[str, Any]]:
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError
    found: dict[str, Mapping[str, Any]] = {str(key.get("kid", "")): key for key in keys if isinstance(key, dict)}
    if len(keys) == 1 and found:
        found.setdefault("", next(iter(found.values())))
    return found
