"""Where a call came from: only trusted proxies may say so, by uvicorn's own rule, at both doors."""

from collections.abc import Sequence

from uvicorn.middleware.proxy_headers import _TrustedHosts

UNIX = "unix"
"""The address of whoever calls on a Unix socket."""
_MAX_ADDRESS = 100


class TrustedProxies:
    """The addresses and networks of proxies (PHOENIX_TRUSTED_PROXIES)."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._hosts = _TrustedHosts(list(entries))
        self._any = bool(entries)

    def __contains__(self, address: str) -> bool:
        return self._any and address in self._hosts

    def speak_for_many(self, address: str) -> bool:
        """Whether an address may have the calls of many callers, so that limits per address do not apply."""
        return address == UNIX or address in self

    def caller(self, peer: str, forwarded: Sequence[str]) -> str:
        """The address that a call came from.

        Arguments:
            forwarded: the values of X-Forwarded-For, to which each proxy adds the address of its caller.
        """
        if not forwarded or peer not in self:
            return peer
        return self._hosts.get_trusted_client_address(", ".join(forwarded))[0][:_MAX_ADDRESS] or peer
