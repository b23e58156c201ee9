"""Ids by key in five formats."""

import json
import subprocess

import pytest
import yaml

from imagesync.errors import UsageError
from imagesync.manifest.yaml_reader import parse
from imagesync.render.ids import IdsForm, check_env_names, format_ids, make_env_name

ID, OTHER = "0ebee56c-939c-455a-8292-1e8b071ca51d", "12345678-0000-4000-8000-000000000000"
ODD = {"web-server": ID, "24.04": OTHER, "no": "123", "1e3": "1_0", "A": "0x1F", "null": "2026-01-01"}
"""Keys and ids that are numbers, dates or truth values if they are not quoted."""


def test_text_is_aligned_and_sorted() -> None:
    """One line for each key."""
    assert format_ids({"web": ID, "a": OTHER}, IdsForm.TEXT) == f"a    {OTHER}\nweb  {ID}\n"


def test_json_and_yaml_are_read_back() -> None:
    """As texts, also by a reader of YAML 1.1."""
    assert json.loads(format_ids(ODD, IdsForm.JSON)) == ODD
    text = format_ids(ODD, IdsForm.YAML)
    assert yaml.safe_load(text) == ODD
    root, problems = parse(text, "ids.yaml")
    assert (root is not None, problems) == (True, [])


def test_variables_of_terraform_are_one_map_of_texts() -> None:
    """Keys are quoted, because a name in HCL cannot begin with a digit."""
    assert format_ids({"web": ID, "24.04": OTHER}, IdsForm.TFVARS) == (
        f'image_ids = {{\n  "24.04" = "{OTHER}"\n  "web" = "{ID}"\n}}\n'
    )


def test_variables_of_a_shell_are_read_by_a_shell() -> None:
    """Each key is a valid name."""
    text = format_ids({"web-server": ID, "24.04": OTHER}, IdsForm.ENV)
    done = subprocess.run(
        ["sh", "-euc", f'{text}echo "$IMAGE_ID_WEB_SERVER $IMAGE_ID_24_04"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{ID} {OTHER}\n"


@pytest.mark.parametrize(("keys", "name"), [(("a-b", "a.b"), "IMAGE_ID_A_B"), (("x_1", "x-1", "y"), "IMAGE_ID_X_1")])
def test_two_keys_never_share_a_variable(keys: tuple[str, ...], name: str) -> None:
    """The message names both and the ways out."""
    with pytest.raises(UsageError, match=rf"^keys .+ and .+ would both be the variable {name}; .*--only "):
        format_ids(dict.fromkeys(keys, ID), IdsForm.ENV)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (IdsForm.TEXT, ""),
        (IdsForm.JSON, "{}\n"),
        (IdsForm.YAML, "{}\n"),
        (IdsForm.TFVARS, "image_ids = {\n}\n"),
        (IdsForm.ENV, ""),
    ],
)
def test_no_ids_are_a_valid_document(form: IdsForm, text: str) -> None:
    """In each format."""
    assert format_ids({}, form) == text


def test_each_format_is_sorted_by_key() -> None:
    """Whatever the order of the ids."""
    ids = {"web": OTHER, "a-b.c": ID, "B": "1"}
    assert {form: format_ids(ids, form) for form in IdsForm} == {
        IdsForm.TEXT: f"B      1\na-b.c  {ID}\nweb    {OTHER}\n",
        IdsForm.JSON: f'{{\n  "B": "1",\n  "a-b.c": "{ID}",\n  "web": "{OTHER}"\n}}\n',
        IdsForm.YAML: f'"B": "1"\n"a-b.c": "{ID}"\n"web": "{OTHER}"\n',
        IdsForm.TFVARS: f'image_ids = {{\n  "B" = "1"\n  "a-b.c" = "{ID}"\n  "web" = "{OTHER}"\n}}\n',
        IdsForm.ENV: f"IMAGE_ID_B=1\nIMAGE_ID_A_B_C={ID}\nIMAGE_ID_WEB={OTHER}\n",
    }


def test_the_message_about_a_shared_variable_names_all_of_its_keys() -> None:
    """In their order, of the first variable; the first key is the example. Case does not count in a variable."""
    with pytest.raises(UsageError) as found:
        check_env_names(["y", "x_1", "Y", "x.1", "x-1", "z"])
    assert str(found.value) == (
        "keys Y and y would both be the variable IMAGE_ID_Y; use another --format, or one of them: --only Y"
    )
    with pytest.raises(UsageError) as found:
        check_env_names(["y", "x_1", "x.1", "x-1", "z"])
    assert str(found.value) == (
        "keys x-1 and x.1 and x_1 would both be the variable IMAGE_ID_X_1; use another --format, "
        "or one of them: --only x-1"
    )
    check_env_names(["a", "a-1", "b"])
    assert [make_env_name(key) for key in ("Web-1.2_x", "0")] == ["IMAGE_ID_WEB_1_2_X", "IMAGE_ID_0"]
    for form in IdsForm:
        if form is not IdsForm.ENV:
            assert "x.1" in format_ids({"x-1": ID, "x.1": OTHER}, form)
