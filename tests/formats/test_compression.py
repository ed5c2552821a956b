import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.errors import Invalid
from phoenix_grpc.formats.compression import PIECE_BYTES, Compression, open_decompressor
from tests.formats.readers import read, refusal

RECORDS = b"".join(b'{"input":{"n":%d}}\n' % number for number in range(1000))
COMPRESSORS = {Compression.NONE: bytes, Compression.GZIP: gzip.compress, Compression.DEFLATE: zlib.compress}


@given(st.sampled_from(list(Compression)), st.integers(1, 5000))
def test_compressions_and_chunks_give_the_same_records(compression: Compression, step: int) -> None:
    assert read(COMPRESSORS[compression](RECORDS), compression=compression, step=step) == read(RECORDS)


def test_gzip_may_have_several_members() -> None:
    data = gzip.compress(RECORDS[:777]) + gzip.compress(b"") + gzip.compress(RECORDS[777:])
    for step in (1, 50, 1 << 20):
        assert read(data, compression=Compression.GZIP, step=step) == read(RECORDS)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
@pytest.mark.parametrize("compression", list(Compression))
def test_pieces_are_bounded_and_complete(compression: Compression, size: int) -> None:
    decompressor = open_decompressor(compression)
    pieces = list(decompressor.feed(COMPRESSORS[compression](b"x" * size)))
    decompressor.close()
    assert b"".join(pieces) == b"x" * size
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


@pytest.mark.parametrize(
    ("data", "compression", "field", "words"),
    [
        (gzip.compress(RECORDS, mtime=0)[:-1], Compression.GZIP, "chunk", "truncated gzip"),
        (gzip.compress(RECORDS, mtime=0)[:5], Compression.GZIP, "chunk", "truncated gzip"),
        (zlib.compress(RECORDS)[:-1], Compression.DEFLATE, "chunk", "truncated deflate"),
        (gzip.compress(RECORDS, mtime=0) + b"garbage", Compression.GZIP, "chunk", "not valid gzip"),
        (zlib.compress(RECORDS) + b"garbage", Compression.DEFLATE, "chunk", "after the end"),
        (RECORDS, Compression.GZIP, "chunk", "not valid gzip"),
        (RECORDS, Compression.DEFLATE, "chunk", "not valid deflate"),
        (gzip.compress(RECORDS, mtime=0), Compression.NONE, "compression", "COMPRESSION_GZIP"),
        (gzip.compress(RECORDS, mtime=0)[:-8] + b"\0" * 8, Compression.GZIP, "chunk", "not valid gzip"),
    ],
)
def test_damaged_data_is_refused(data: bytes, compression: Compression, field: str, words: str) -> None:
    error = refusal(data, compression=compression)
    assert error.field == field
    assert words in error.description


def test_nothing_is_an_empty_file_in_every_compression() -> None:
    assert [read(b"", compression=compression) for compression in Compression] == [[], [], []]


def test_a_zip_bomb_ends_at_the_limit_of_a_record() -> None:
    bomb = gzip.compress(b'{"input":{"a":"' + b"x" * (200 << 20), compresslevel=9)
    tracemalloc.start()
    try:
        assert "1,048,576 bytes" in refusal(bomb, compression=Compression.GZIP, limit=1 << 20).description
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_bytes_that_are_not_compressed_are_gzip_only_at_the_beginning() -> None:
    decompressor = open_decompressor(Compression.NONE)
    assert list(decompressor.feed(b"a")) == [b"a"]
    assert list(decompressor.feed(b"\x1f\x8b")) == [b"\x1f\x8b"]
    with pytest.raises(Invalid):
        list(open_decompressor(Compression.NONE).feed(b"\x1f\x8b"))
