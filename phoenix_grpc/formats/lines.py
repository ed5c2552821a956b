"""Splits a stream of bytes into lines, wherever its chunks end."""

from phoenix_grpc.errors import InvalidRecord

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineSplitter:
    """Cuts chunks at line feeds and keeps an incomplete line for the next chunk.

    Arguments:
        max_bytes: the longest line.
    """

    def __init__(self, max_bytes: int) -> None:
        self._line = 1  # the number of the line that is held
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self.held = 0  # bytes of it
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their line feed; a byte order mark before the first one is dropped.

        Raises:
            InvalidRecord: when a line is longer than max_bytes.
        """
        head, separator, tail = data.partition(b"\n")
        if not separator:
            self._hold(data)
            return []
        lines = [b"".join((*self._parts, head)), *tail.split(b"\n")]
        self._parts, self.held = [], 0
        rest = lines.pop()
        if max(map(len, lines)) > self._max_bytes:
            longest = next(index for index, line in enumerate(lines) if len(line) > self._max_bytes)
            raise record_too_long(self._line + longest, self._max_bytes)
        self._line += len(lines)
        self._hold(rest)
        return self._without_mark(lines)

    def close(self) -> list[bytes]:
        """The last line, if no line feed ended it."""
        rest = b"".join(self._parts)
        self._parts, self.held = [], 0
        return self._without_mark([rest]) if rest else []

    def _hold(self, part: bytes) -> None:
        self._parts.append(part)
        self.held += len(part)
        if self.held > self._max_bytes:
            raise record_too_long(self._line, self._max_bytes)

    def _without_mark(self, lines: list[bytes]) -> list[bytes]:
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        return lines


def record_too_long(line: int, max_bytes: int) -> InvalidRecord:
    """The record that begins on `line` is longer than the server accepts."""
    return InvalidRecord(line, f"a record has {max_bytes:,} bytes at most (PHOENIX_MAX_RECORD_BYTES)")
