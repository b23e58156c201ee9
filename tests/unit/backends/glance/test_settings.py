"""Wrong settings of a cloud -> messages in the terms of clouds.yaml."""

import pytest

from imagesync.backends.glance.settings import KNOWN_TYPES, explain_error, find_setting_problem

WHOLE = {"auth_url": "https://h/v3", "username": "u", "password": "p", "project_name": "p"}


def problem(
    *missing: str, auth: dict[str, str] | None = None, environment: bool = False, auth_type: str = "password"
) -> object:
    """The problem of settings without the ``missing`` ones, and with those of ``auth``."""
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
            ("password is missing", "write password below auth of this cloud, or in secure.yaml in the same folder"),
        ),
        (
            ("password",),
            {"pasword": "x"},
            ("password is missing, and pasword is not a known setting", "write password instead of pasword"),
        ),
        (("username",), {}, ("username is missing", "write username below auth of this cloud")),
        (("auth_url",), {}, ("auth_url is missing", "write auth_url below auth of this cloud")),
        (
            (),
            {"auth_url": "h:5000/v3"},
            (
                "auth_url does not begin with http:// or https://",
                "write the complete address of the identity service",
            ),
        ),
        ((), {"auth_url": "HTTPS://h/v3"}, None),
        (
            (),
            {"auth_url": "x https://h/v3"},
            (
                "auth_url does not begin with http:// or https://",
                "write the complete address of the identity service",
            ),
        ),
        ((), {"auth_url": "https://h/v3 x"}, ("auth_url contains a space", "remove the space")),
    ],
)
def test_settings_missing_beside_a_password_are_named(
    missing: tuple[str, ...], auth: dict[str, str], expected: object
) -> None:
    """They are found before a request; the identity service would report only an invalid request."""
    assert problem(*missing, auth=auth) == expected


def test_the_remedy_for_settings_of_the_environment_is_a_variable() -> None:
    """There is no file to edit."""
    assert problem("password", environment=True) == ("password is missing", "set OS_PASSWORD")


def test_the_library_checks_the_settings_of_other_auth_types() -> None:
    """It knows which settings they require."""
    assert problem("password", "username", auth_type="v3token") is None
    assert find_setting_problem({"auth_type": "none"}) is None
    assert find_setting_problem({"auth_type": "password", "auth": {}}) is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "password is a required attribute",
            "password is missing",
            "write password below auth of this cloud, or in secure.yaml in the same folder",
        ),
        (
            "Auth plugin requires parameters which were not given: auth_url",
            "auth_url is missing",
            "write auth_url below auth of this cloud",
        ),
        (
            "Token.__init__() missing 1 required positional argument: 'token'",
            "token is missing",
            "write token below auth of this cloud",
        ),
        (
            "You must provide an auth secret",
            "application_credential_secret is missing",
            "write it below auth of this cloud, or in secure.yaml in the same folder",
        ),
        (
            "Password.__init__() got an unexpected keyword argument 'pasword'",
            "its auth_type has no setting pasword",
            "write password instead",
        ),
        ("The plugin v3passwrd could not be found", "auth_type v3passwrd does not exist", "write v3password instead"),
        (
            "'str' object has no attribute 'get'",
            "its settings are not a mapping",
            "write auth, region_name and its other settings below the name of the cloud, each on its own line",
        ),
        (
            "Configuration file c.yaml is empty or not a valid mapping.",
            "c.yaml is empty or not a mapping",
            "write clouds: in its first line, and the clouds below it",
        ),
        (
            "The plugin xyz could not be found",
            "auth_type xyz does not exist",
            f"use one of {', '.join(KNOWN_TYPES[:5])}",
        ),
        (
            "The plugin admin_tokn could not be found",
            "auth_type admin_tokn does not exist",
            "write admin_token instead",
        ),
        (
            "Password.__init__() got an unexpected keyword argument 'xyz'",
            "its auth_type has no setting xyz",
            "remove xyz from auth of this cloud",
        ),
        ("a\x1b[2J\nb", "a\\x1b[2J b", ""),
        ("something else, password=abc", "something else, password=…", ""),
    ],
)
def test_errors_of_the_libraries_are_explained_in_terms_of_the_file(text: str, message: str, hint: str) -> None:
    """An unknown error is shown without secrets."""
    assert explain_error(Exception(text)) == (message, hint)


SETTINGS = [
    "auth_url",
    "username",
    "user_id",
    "password",
    "user_domain_name",
    "user_domain_id",
    "project_name",
    "project_id",
    "project_domain_name",
    "project_domain_id",
    "domain_name",
    "domain_id",
    "system_scope",
    "token",
    "passcode",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "trust_id",
    "endpoint",
]
TYPES = [
    "password",
    "v3password",
    "token",
    "v3token",
    "v3applicationcredential",
    "v3totp",
    "v3oidcpassword",
    "v3oidcclientcredentials",
    "v3oidcaccesstoken",
    "v3multifactor",
    "admin_token",
    "none",
    "http_basic",
]


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_suggested_for_a_similar_name(name: str) -> None:
    """As the library knows them."""
    found = explain_error(Exception(f"Password.__init__() got an unexpected keyword argument '{name}x'"))
    assert found == (f"its auth_type has no setting {name}x", f"write {name} instead")


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_suggested_for_a_similar_name(name: str) -> None:
    """As the library knows them."""
    found = explain_error(Exception(f"The plugin {name}x could not be found"))
    assert found == (f"auth_type {name}x does not exist", f"write {name} instead")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "'NoneType' object has no attribute 'split'",
            "region_name is empty",
            "write the name of a region, or remove region_name",
        ),
        (
            "dictionary update sequence element #0 has length 1; 2 is required",
            "its settings are not a mapping",
            "write auth, region_name and its other settings below the name of the cloud, each on its own line",
        ),
        (
            "Totp.__init__() missing 2 required keyword-only arguments: 'passcode' and 'username'",
            "passcode is missing",
            "write passcode below auth of this cloud",
        ),
        (
            "f() missing 1 required keyword-only argument: 'password'",
            "password is missing",
            "write password below auth of this cloud, or in secure.yaml in the same folder",
        ),
        (
            "Configuration file /etc/openstack/clouds.yaml is empty or not a valid mapping.",
            "/etc/openstack/clouds.yaml is empty or not a mapping",
            "write clouds: in its first line, and the clouds below it",
        ),
        (
            "The plugin xyz could not be found",
            "auth_type xyz does not exist",
            "use one of password, v3password, token, v3token, v3applicationcredential",
        ),
        ("the password is a required attribute", "the password is a required attribute", ""),
        ("see https://me:S3CRET@h/x?sig=S3CRET.", "see https://h/x", ""),
    ],
)
def test_other_errors_of_the_libraries(text: str, message: str, hint: str) -> None:
    """Only the beginning of some messages counts."""
    assert explain_error(Exception(text)) == (message, hint)


@pytest.mark.parametrize("name", ["username", "password", "auth_url"])
@pytest.mark.parametrize("auth_type", ["password", "v3password", None])
def test_each_needed_setting_has_a_value(name: str, auth_type: str | None) -> None:
    """An empty one is missing; the remedy for the environment is its variable, in upper case."""
    for value in (None, ""):
        settings = {"auth_type": auth_type, "auth": {**WHOLE, name: value}}
        found = find_setting_problem(settings, of_environment=True)
        if name == "auth_url" and value == "":
            assert found is not None
            assert found[0] == "auth_url does not begin with http:// or https://"
        else:
            assert found == (f"{name} is missing", f"set OS_{name.upper()}")
    assert find_setting_problem({"auth_type": auth_type, "auth": WHOLE}) is None
    assert find_setting_problem({"auth_type": auth_type}) is None


def test_the_first_missing_setting_is_named() -> None:
    """The address first, then the user, then the password; a known setting is not a misspelled one."""
    assert find_setting_problem({"auth": {"project_name": "p"}}) == (
        "auth_url is missing",
        "write auth_url below auth of this cloud",
    )
    assert find_setting_problem({"auth": {"auth_url": "http://h", "user_name": "u", "user_id": ""}}) == (
        "username is missing, and user_name is not a known setting",
        "write username instead of user_name",
    )
    assert find_setting_problem({"auth": {"auth_url": "http://h", "username": "u", "passcode": "1"}}) == (
        "password is missing",
        "write password below auth of this cloud, or in secure.yaml in the same folder",
    )
    assert find_setting_problem({"auth_type": "v3token", "auth": {"auth_url": "h"}}) == (
        "auth_url does not begin with http:// or https://",
        "write the complete address of the identity service",
    )
    assert find_setting_problem({"auth": {"auth_url": "http://h/\tx"}}) == (
        "auth_url contains a space",
        "remove the space",
    )
    assert find_setting_problem({"auth": "x", "auth_type": "password"}) is None
