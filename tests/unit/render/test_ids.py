"""Ids by key in five formats."""

import json
import subprocess

import pytest
import yaml

from imagesync.errors import UsageError
from imagesync.manifest.yaml_reader import parse
from imagesync.render.ids import IdsForm, format_ids

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
