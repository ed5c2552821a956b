"""Counts the records of a download as its chunks arrive, for progress."""


class RecordCount:
    """Counts records: lines, or the rows of CSV without their header."""

    def __init__(self, *, is_csv: bool) -> None:
        self._is_csv = is_csv
        self._lines = 0
        self._quoted = False

    def add(self, chunk: bytes) -> int:
        """Takes the next chunk; returns how many records are complete."""
        if not self._is_csv:
            self._lines += chunk.count(b"\n")
            return self._lines
        for number, part in enumerate(chunk.split(b'"')):  # a quote within a cell is two: the turns even out
            self._quoted ^= number > 0
            self._lines += 0 if self._quoted else part.count(b"\n")
        return max(0, self._lines - 1)
