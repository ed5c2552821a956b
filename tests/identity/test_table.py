"""The identity file: what its rows match, and what is wrong with others."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.identity.peers import Name, is_spiffe_id, names_of
from phoenix_grpc.identity.table import MAX_BYTES, IdentityTable, Workload, read_table

PROD = "spiffe://prod.example"


def row(pattern: str) -> Workload:
    return Workload(spiffe=pattern, role="VIEWER")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (f"{PROD}/ns/a/sa/b", f"{PROD}/ns/a/sa/b", True),
        (f"{PROD}/ns/*/sa/b", f"{PROD}/ns/a/sa/b", True),
        (f"{PROD}/*/*/*/*", f"{PROD}/ns/a/sa/b", True),
        (f"{PROD}/ns/*/sa/b", f"{PROD}/ns/a/x/sa/b", False),
        (f"{PROD}/ns/*", f"{PROD}/ns/a/sa/b", False),
        (f"{PROD}/ns/a/sa/b", f"{PROD}/ns/a/sa/bb", False),
        (f"{PROD}/ns/a/sa/b", f"{PROD}/ns/a/sa", False),
        (f"{PROD}/ns/a/sa/b", f"{PROD}.evil/ns/a/sa/b", False),
        (f"{PROD}/ns/a/sa/b", "spiffe://evil.example/ns/a/sa/b", False),
        (f"{PROD}/ns/a/sa/b", f"{PROD}/ns/a/sa/B", False),
    ],
)
def test_a_star_is_one_segment_and_the_trust_domain_is_exact(pattern: str, name: str, matches: bool) -> None:
    assert row(pattern).matches(Name("spiffe", name)) is matches


def test_a_name_is_of_its_kind() -> None:
    assert Workload(dns="A.example", role="VIEWER").matches(Name("dns", "a.example"))
    assert not Workload(dns="a.example", role="VIEWER").matches(Name("cn", "a.example"))
    assert Workload(cn="robot", role="VIEWER").matches(Name("cn", "robot"))
    assert not Workload(cn="robot", role="VIEWER").matches(Name("dns", "robot"))
    assert not row(f"{PROD}/a").matches(Name("dns", f"{PROD}/a"))


def test_the_first_row_that_matches_counts() -> None:
    table = IdentityTable(workloads=(row(f"{PROD}/a"), Workload(dns="x", role="ADMIN"), row(f"{PROD}/*")))
    found = table.row((Name("dns", "x"), Name("spiffe", f"{PROD}/a")))
    assert found == (table.workloads[0], Name("spiffe", f"{PROD}/a"))
    assert table.row((Name("spiffe", f"{PROD}/b"),)) == (table.workloads[2], Name("spiffe", f"{PROD}/b"))
    assert table.row(()) is table.row((Name("cn", "a"),)) is None


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (f"{PROD}/a", True),
        (f"{PROD}/a/b.c_d-E", True),
        (PROD, False),
        (f"{PROD}/", False),
        (f"{PROD}//a", False),
        (f"{PROD}/a/", False),
        (f"{PROD}/../a", False),
        (f"{PROD}/./a", False),
        (f"{PROD}/a%2fb", False),
        (f"{PROD}:80/a", False),
        (f"{PROD}/a?x", False),
        ("spiffe://Prod.example/a", False),
        ("https://prod.example/a", False),
        (f"{PROD}/{'a' * 2100}", False),
        (f"{PROD}/a\n", False),
    ],
)
def test_a_spiffe_id_is_what_the_standard_says(text: str, valid: bool) -> None:
    assert is_spiffe_id(text) is valid


def test_of_several_uris_none_counts() -> None:
    assert names_of([f"{PROD}/a", f"{PROD}/b"], (), "") == ()
    assert names_of([f"{PROD}/a"], ["B.example"], "c") == (
        Name("spiffe", f"{PROD}/a"),
        Name("dns", "b.example"),
        Name("cn", "c"),
    )


@pytest.mark.parametrize(
    ("trusted", "address", "names", "expected"),
    [
        ("10.0.0.0/8", "10.1.2.3", (), True),
        ("10.0.0.0/8", "11.1.2.3", (), False),
        ("127.0.0.1", "127.0.0.1", (), True),
        ("unix", "unix", (), True),
        ("10.0.0.0/8", "unix", (), False),
        ("unix", "127.0.0.1", (), False),
        ("::1", "::1", (), True),
        ("10.0.0.0/8", "::ffff:10.1.2.3", (), True),
        ("10.0.0.0/8", "::ffff:11.1.2.3", (), False),
        (f"{PROD}/envoy", "192.0.2.1", (Name("spiffe", f"{PROD}/envoy"),), True),
        (f"{PROD}/envoy", "192.0.2.1", (Name("dns", f"{PROD}/envoy"),), False),
        (f"{PROD}/envoy", "192.0.2.1", (Name("spiffe", f"{PROD}/other"),), False),
        ("10.0.0.0/8", "", (), False),
    ],
)
def test_no_hop_is_trusted_but_those_named(trusted: str, address: str, names: tuple[Name, ...], expected: bool) -> None:
    assert IdentityTable(forwarded_by=(trusted,)).trusts(address, names) is expected
    assert IdentityTable().trusts(address, names) is False


ROW = '[[workloads]]\nspiffe = "spiffe://prod.example/a"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[workloads]", "must be TOML: .*line 1"),
        ("workloads = 3", "workloads: "),
        (ROW, "workloads 1, role: Field required"),
        (f'{ROW}role = "KING"', "workloads 1, role: .*'VIEWER', 'MEMBER' or 'ADMIN'"),
        (f'{ROW}role = "VIEWER"\n{ROW}role = "SYSTEM"', "workloads 2, role"),
        (f'{ROW}role = "VIEWER"\ndns = "x"', "workloads 1: must have one of spiffe, dns and cn"),
        ('[[workloads]]\nrole = "VIEWER"', "workloads 1: must have one of spiffe, dns and cn"),
        (f'{ROW}role = "VIEWER"\ncolour = "red"', "workloads 1, colour: Extra inputs"),
        (f'{ROW}role = "VIEWER"\ndatasets = []', "workloads 1, datasets"),
        (f'{ROW}role = "VIEWER"\nread_only = "perhaps"', "workloads 1, read_only"),
        ('[[workloads]]\nspiffe = "spiffe://*/a"\nrole = "VIEWER"', "workloads 1, spiffe: must be spiffe://DOMAIN/PATH"),
        ('[[workloads]]\nspiffe = "spiffe://a/b*"\nrole = "VIEWER"', "workloads 1, spiffe: must be"),
        ('[[workloads]]\nspiffe = "spiffe://a"\nrole = "VIEWER"', "workloads 1, spiffe: must be"),
        ('[[workloads]]\nspiffe = "*"\nrole = "VIEWER"', "workloads 1, spiffe: must be"),
        ('forwarded_by = ["example.com"]', "forwarded_by: must be unix, networks"),
        ('forwarded_by = ["10.0.0.1/8"]', "forwarded_by: must be unix, networks"),
        ('issuer = "x"', "issuer: Extra inputs"),
        ("#" * (MAX_BYTES + 1), "bytes at most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_row_and_field(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "identity.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=told) as caught:
        read_table(path)
    assert str(caught.value).startswith("PHOENIX_IDENTITY_FILE: ")


@given(st.text(max_size=200))
def test_nothing_in_a_file_raises_anything_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(ConfigurationError):
        read_table(path)


DOCS = Path(__file__).parents[2] / "docs" / "mesh.md"
EXAMPLES = [text for text in re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL) if "[[" in text]


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_documentation_are_right(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity.toml"
    path.write_text(text)
    table = read_table(path)
    assert table.workloads or table.routes or table.issuers
