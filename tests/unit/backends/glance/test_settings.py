"""What is wrong with the settings of a cloud, in the words of clouds.yaml."""

import pytest

from imagesync.backends.glance.settings import explain_error, find_setting_problem

WHOLE = {"auth_url": "https://h/v3", "username": "u", "password": "p", "project_name": "p"}


def problem(
    *missing: str, auth: dict[str, str] | None = None, environment: bool = False, auth_type: str = "password"
) -> object:
    """Of settings that lack something or have something else."""
    values = {name: value for name, value in {**WHOLE, **(auth or {})}.items() if name not in missing}
    return find_setting_problem({"auth_type": auth_type, "auth": values}, of_environment=environment)


@pytest.mark.parametrize(
    ("missing", "auth", "expected"),
    [
        ((), {}, None),
        (("username",), {"user_id": "x"}, None),
        (("password",), {"token": "x"}, None),
        (
            ("password",),
            {},
            ("it has no password", "write password below its auth, or in a secure.yaml in the same place"),
        ),
        (
            ("password",),
            {"pasword": "x"},
            ("it has no password, and pasword is no setting", "write password for pasword"),
        ),
        (("username",), {}, ("it has no username", "write username below its auth")),
        (("auth_url",), {}, ("it has no auth_url", "write auth_url below its auth")),
        (
            (),
            {"auth_url": "h:5000/v3"},
            (
                "its auth_url has no http:// or https:// at its beginning",
                "write the whole address of the identity service",
            ),
        ),
        ((), {"auth_url": "https://h/v3 x"}, ("its auth_url holds a space", "take it out")),
    ],
)
def test_what_a_password_needs(missing: tuple[str, ...], auth: dict[str, str], expected: object) -> None:
    """Found before a request fails: the identity service would only say that the request is wrong."""
    assert problem(*missing, auth=auth) == expected


def test_settings_of_the_environment_are_variables() -> None:
    """There is no file to write into."""
    assert problem("password", environment=True) == ("it has no password", "set OS_PASSWORD")


def test_other_ways_to_log_in_are_left_to_the_library() -> None:
    """It knows what they need."""
    assert problem("password", "username", auth_type="v3token") is None
    assert find_setting_problem({"auth_type": "none"}) is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "password is a required attribute",
            "it has no password",
            "write password below its auth, or in a secure.yaml in the same place",
        ),
        (
            "Auth plugin requires parameters which were not given: auth_url",
            "it has no auth_url",
            "write auth_url below its auth",
        ),
        (
            "Token.__init__() missing 1 required positional argument: 'token'",
            "it has no token",
            "write token below its auth",
        ),
        (
            "You must provide an auth secret",
            "it has no application_credential_secret",
            "write it below its auth, or in a secure.yaml in the same place",
        ),
        (
            "Password.__init__() got an unexpected keyword argument 'pasword'",
            "pasword is no setting of its auth_type",
            "write password",
        ),
        ("The plugin v3passwrd could not be found", "there is no auth_type v3passwrd", "write v3password"),
        (
            "'str' object has no attribute 'get'",
            "its settings are no mapping",
            "write auth, region_name and so on below its name, each on a line",
        ),
        (
            "Configuration file c.yaml is empty or not a valid mapping.",
            "c.yaml is empty or no mapping",
            "write clouds: in its first line, and the clouds below it",
        ),
        ("something else, password=abc", "something else, password=…", ""),
    ],
)
def test_what_the_libraries_say_in_the_words_of_the_file(text: str, message: str, hint: str) -> None:
    """Names of arguments become names of settings; what is not known stays, without secrets."""
    assert explain_error(Exception(text)) == (message, hint)
