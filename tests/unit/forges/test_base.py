"""What the clients of both forges share."""

import pytest

from imagesync.errors import ForgeError
from imagesync.forges.base import LABEL, PLAN_ARTIFACT, PLAN_FILE, need_name


def test_an_empty_name_is_an_error() -> None:
    """It would match the comments of deleted users; the message has the forge, and the option."""
    assert need_name("robot", "GitHub") == "robot"
    with pytest.raises(ForgeError) as caught:
        need_name("", "GitLab")
    expected = "GitLab did not name the user of the token; check the token, or pass --author NAME"
    assert str(caught.value) == expected


def test_the_names_are_those_of_earlier_versions() -> None:
    """Issues, artifacts and jobs of users have them."""
    assert (LABEL, PLAN_ARTIFACT, PLAN_FILE) == ("imagesync", "imagesync-plan", "plan.json")
