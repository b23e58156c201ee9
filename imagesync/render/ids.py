"""Ids of images by key -> text, JSON, YAML, Terraform variables, or variables of a shell. Pure.

Ids have letters, digits and ``. _ -`` only (``backends.wire``), and so have keys (the schema). YAML and Terraform would
still read some of them as numbers, so all words are quoted there.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, assert_never

from imagesync.errors import UsageError
from imagesync.text import format_json

ENV_PREFIX: Final = "IMAGE_ID_"
TFVARS_NAME: Final = "image_ids"
"""The variable of Terraform: a map of strings."""


class IdsForm(StrEnum):
    """The format of the ids."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    TFVARS = "tfvars"
    ENV = "env"


def format_ids(ids: Mapping[str, str], form: IdsForm) -> str:
    """The ids, sorted by key; each line ends with a newline. UsageError if two keys would be one variable of a shell."""
    pairs = sorted(ids.items())
    match form:
        case IdsForm.JSON:
            return f"{format_json(dict(pairs))}\n"
        case IdsForm.TEXT:
            width = max(map(len, ids), default=0)
            lines = [f"{key:<{width}}  {image_id}" for key, image_id in pairs]
        case IdsForm.YAML:
            lines = [f"{json.dumps(key)}: {json.dumps(image_id)}" for key, image_id in pairs] or ["{}"]
        case IdsForm.TFVARS:
            entries = [f"  {json.dumps(key)} = {json.dumps(image_id)}" for key, image_id in pairs]
            lines = [f"{TFVARS_NAME} = {{", *entries, "}"]
        case IdsForm.ENV:
            check_env_names(ids)
            lines = [f"{make_env_name(key)}={image_id}" for key, image_id in pairs]
        case _:
            assert_never(form)
    return "".join(f"{line}\n" for line in lines)


def check_env_names(keys: Iterable[str]) -> None:
    """UsageError if two keys would be one variable of a shell, as ``web-1`` and ``web.1``."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        groups[make_env_name(key)].append(key)
    if shared := next(((name, group) for name, group in groups.items() if len(group) > 1), None):
        name, group = shared
        message = f"keys {' and '.join(group)} would both be the variable {name}"
        raise UsageError(message, f"use another --format, or one of them: --only {group[0]}")


def make_env_name(key: str) -> str:
    """The variable of a key: ``web-server`` as ``IMAGE_ID_WEB_SERVER``."""
    return ENV_PREFIX + re.sub(r"[^A-Z0-9]", "_", key.upper())
