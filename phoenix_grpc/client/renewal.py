"""A channel that takes up changed certificates: gRPC reads them once, when a channel is made."""

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

LOOK_SECONDS = 1.0
"""How often the files are looked at, at most."""

_KEPT = 2
"""How many channels before the last one stay open for the calls that they still carry."""


class RenewedChannel(grpc.Channel):
    """Makes its calls by a channel that is made anew when a file of certificates has changed.

    Calls that run go on with the channel that they began with. Files that do not fit together yet change nothing.

    Arguments:
        make: makes a channel with the files as they are.
        files: those that are read for it.
        fits: whether the files may be used.
    """

    def __init__(self, make: Callable[[], grpc.Channel], files: tuple[Path, ...], fits: Callable[[], bool]) -> None:
        self._make = make
        self._files = files
        self._fits = fits
        self._lock = threading.Lock()
        self._stamp = self._stamps()
        self._looked = time.monotonic()
        self._channels = [make()]

    def _current(self) -> grpc.Channel:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return self._channels[-1]
        with self._lock:
            self._looked = time.monotonic()
            if (stamp := self._stamps()) != self._stamp and self._fits():
                self._stamp = stamp
                self._channels.append(self._make())
                for old in self._channels[: -1 - _KEPT]:
                    old.close()
                del self._channels[: -1 - _KEPT]
            return self._channels[-1]

    def _stamps(self) -> tuple[object, ...]:
        return tuple(_stamp(file) for file in self._files)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._current().unary_unary(*args, **kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._current().unary_stream(*args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return self._current().stream_unary(*args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        return self._current().stream_stream(*args, **kwargs)

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        self._current().subscribe(callback, bool(try_to_connect))

    def unsubscribe(self, callback: Any) -> None:
        for channel in self._channels:
            channel.unsubscribe(callback)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> "RenewedChannel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fits(certificate: Path | None, key: Path | None, authorities: Path | None) -> bool:
    """Whether a key is that of a certificate, and authorities can be read; those that are None are not asked about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if certificate is not None:
            # Without a password it would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password="")
        if authorities is not None:
            context.load_verify_locations(authorities)
    except (OSError, ValueError):
        return False
    return True


def _stamp(file: Path) -> object:
    """Changes with the file, also when it is behind a link that is turned to another, as Kubernetes does."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
