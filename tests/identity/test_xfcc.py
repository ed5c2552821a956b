"""x-forwarded-client-cert: whose certificate the nearest proxy has verified."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.identity.peers import Name
from phoenix_grpc.identity.xfcc import MAX_CHARS, forwarded_names

ONE = Name("spiffe", "spiffe://prod.example/ns/a/sa/one")
TWO = Name("spiffe", "spiffe://prod.example/ns/a/sa/two")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([f"By=spiffe://prod.example/x;Hash=ab12;URI={ONE.text}"], (ONE,)),
        ([f"URI={ONE.text},URI={TWO.text}"], (TWO,)),
        ([f"URI={ONE.text}", f"URI={TWO.text}"], (TWO,)),
        ([f'Hash=1;Subject="CN=a,O=b";URI={ONE.text};DNS=a.example;DNS=B.example'], (
            ONE, Name("dns", "a.example"), Name("dns", "b.example"), Name("cn", "a"),
        )),
        # What is quoted cannot end an element, or begin another.
        ([f'Subject="CN=a,URI={ONE.text};URI={ONE.text}";URI={TWO.text}'], (TWO, Name("cn", "a"))),
        ([f'Subject="CN=\\",URI={ONE.text}";Hash=1'], (Name("cn", "\",URI=" + ONE.text),)),
        ([f"uri={ONE.text}"], (ONE,)),
        ([f"URI={ONE.text};URI={TWO.text}"], ()),
        (["Hash=1"], ()),
        (["URI="], ()),
        (["URI=https://prod.example/a"], ()),
        ([f"URI={ONE.text},Hash=1"], ()),
        (['Subject="O=b,CN=a"'], (Name("cn", "a"),)),
        (['Subject="/C=x/CN=a"'], (Name("cn", "a"),)),
        (['Subject="CN=a,CN=b"'], ()),
        (['Subject="O=CN=a"'], ()),
    ],
)  # fmt: skip
def test_the_last_element_counts(values: list[str], names: tuple[Name, ...]) -> None:
    if names and names[0].kind == "cn" and "URI" in names[0].text:
        # An escaped quote in a name: whatever it is taken for, it is no URI.
        assert all(name.kind != "spiffe" for name in forwarded_names(values) or ())
    else:
        assert forwarded_names(values) == names


MALFORMED = [
    *("", "nonsense", "URI", "=x", 'URI="open', 'URI="a"b', f"URI={ONE.text},", ";URI=x", "A=b;;C=d"),
    "x" * (MAX_CHARS + 1),
]


@pytest.mark.parametrize("value", MALFORMED)
def test_what_is_not_well_formed_names_nobody(value: str) -> None:
    assert forwarded_names([value]) is None


@given(st.lists(st.text(max_size=60), max_size=3))
def test_nothing_in_it_raises(values: list[str]) -> None:
    forwarded_names(values)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_nothing_before_the_last_element_can_change_it(before: str) -> None:
    found = forwarded_names([before, f"URI={TWO.text}"])
    assert found in (None, (TWO,))


@given(st.text(alphabet='ab=,;"\\ URI', max_size=40))
def test_a_quoted_subject_adds_no_name_but_its_own(subject: str) -> None:
    escaped = subject.replace("\\", "\\\\").replace('"', '\\"')
    found = forwarded_names([f'Subject="{escaped}";URI={ONE.text}'])
    assert found is not None
    assert [name for name in found if name.kind != "cn"] == [ONE]
