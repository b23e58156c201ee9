"""Which words of ``--owner`` are refused."""

import pytest

from imagesync.cli.owners import check_owners
from imagesync.errors import UsageError
from tests.unit.factories import live, spec

HEX, UUID = "0123456789abcdef" * 2, "01234567-89ab-cdef-0123-456789abcdef"
IMAGES = [live(spec("a"), owner="our project"), live(spec("b"), owner="other")]


@pytest.mark.parametrize("owners", [[], [HEX], [UUID], [HEX, UUID], ["our project"], ["other", HEX, "our project"]])
def test_an_id_or_the_owner_of_an_image_is_accepted(owners: list[str]) -> None:
    """A service may have ids of another form; what it returns shows them."""
    check_owners(owners, IMAGES)


@pytest.mark.parametrize(
    ("owners", "word"), [([HEX, "my $x", "no"], "'my $x'"), (["other", "no"], "no"), ([HEX[1:]], HEX[1:])]
)
def test_another_word_is_refused(owners: list[str], word: str) -> None:
    """The first one is named, with the command that prints the id of a project."""
    with pytest.raises(UsageError) as caught:
        check_owners(owners, iter(IMAGES))
    assert caught.value.message == f"--owner {word}: not a project id (32 hexadecimal digits, or a UUID)"
    assert caught.value.hint == f"pass the id of the project: openstack project show {word} -f value -c id"
