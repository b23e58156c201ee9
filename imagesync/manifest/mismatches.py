"""A value that does not fit the schema -> what is wrong with it, and what to write. Pure.

Usually the form is wrong, not the value: quotes around a number, ``yes`` for ``true``, a list instead of a mapping, an empty
value.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from imagesync.manifest.yaml_reader import Node, parse_scalar
from imagesync.manifest.yaml_writer import write_scalar
from imagesync.model.catalog import HEX_LENGTHS, is_project_id
from imagesync.secrets import is_secret, is_secret_name, quote_value

KINDS: Final = {
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "text",
    "object": "a mapping",
    "array": "a list",
}
MAX_WRITTEN_CHARS: Final = 60
"""The longest value that a hint writes out."""
_TRUTHS: Final = {
    **dict.fromkeys(("yes", "y", "on", "true", "1", "enabled"), "true"),
    **dict.fromkeys(("no", "n", "off", "false", "0", "disabled"), "false"),
}
_UNITS: Final = {"min_disk": "GB", "min_ram": "MB", "max_size": "bytes"}
_OF_SOURCE: Final = frozenset(
    {"path", "url", "checksum", "checksum_url", "checksum_entry", "signature", "compression", "method", "stores"}
    | {"verify", "inspect", "max_size", "max_ratio"}
)
_PROPERTY: Final = re.compile(
    r"(?:os|hw|img|vmware|trait|cinder|compute|sriov|instance)_|trait:|architecture$|hypervisor_type$"
)
"""The beginnings of property names that the compute service knows."""
_OTHER_WORDS: Final = {
    "os_hidden": "hidden",
    "public": "visibility: public",
    "is_public": "visibility: public",
    "format": "disk_format",
    "file": "source",
    "image": "source",
    "metadata": "properties",
    "meta": "properties",
}
"""Names of fields in other programs, and the fields of a manifest."""
_ALGORITHMS: Final = ", ".join(f"{name} ({length} digits)" for name, length in HEX_LENGTHS.items())
_NUMBER: Final = re.compile(r"([0-9][0-9_' ]*)([a-zA-Z%. ].*)?")


def describe_mismatch(error: Any, where: Sequence[str | int]) -> str:
    """The message for one ``jsonschema`` error: the value, and the limit."""
    display = _show_instance(error.instance, where)
    value = error.validator_value
    if _is_checksum(error.instance, where):
        return f"{display} is not a digest"
    if "then" in error.schema_path:  # a condition on several fields has its own sentence
        return str(error.schema["errorMessage"])
    sentences = {
        "minimum": f"{display} is less than the minimum of {value}",
        "maximum": f"{display} is more than the maximum of {value}",
        "enum": f"{display} is not {_list_words(value)}",
        "const": f"{display} is not {error.schema.get('x-expected', repr(value))}",
        "type": f"{display} is not {' or '.join(KINDS[kind] for kind in list_types(error.schema))}",
        "pattern": f"{display} is not {error.schema.get('x-expected', f'of the form {value}')}",
        "maxLength": f"longer than {value} characters",
        "minLength": "empty",
        "minItems": "an empty list",
        "minProperties": "an empty mapping",
        "maxItems": f"more than {value} items",
        "uniqueItems": "an item is in the list twice",
        "dependentRequired": f"{_list_dependents(value, error.instance)}",
        "anyOf": f"{display} is not {error.schema.get('x-expected', 'of an allowed kind')}",
    }
    return sentences.get(error.validator, f"{display} does not fit {error.validator}")


def list_types(rule: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the types that a rule allows; none if it allows all."""
    kind = rule.get("type", ())
    return (kind,) if isinstance(kind, str) else tuple(kind)


def _list_words(words: object) -> str:
    if not isinstance(words, list):
        return str(words)
    return f"{'one of ' if len(words) > 1 else ''}{', '.join(map(str, words))}"


def _list_dependents(rule: object, instance: object) -> str:
    if not isinstance(rule, dict) or not isinstance(instance, dict):
        return ""
    return "; ".join(f"{name} needs {', '.join(needs)} beside it" for name, needs in rule.items() if name in instance)


def _show_instance(instance: object, where: Sequence[str | int]) -> str:
    """A value that does not fit; of a whole file, and of what its keys call a secret, not a word."""
    is_text = isinstance(instance, str | int) and not isinstance(instance, bool)
    if is_text and _is_private(where):
        return "this text"
    return quote_value(instance)


def _is_private(where: Sequence[str | int]) -> bool:
    return not where or any(isinstance(part, str) and is_secret_name(part) for part in where)


def suggest_value(error: Any, node: Node, where: Sequence[str | int]) -> str:
    """What to write in the place of the value; empty if its own message says it."""
    value, rule = error.instance, error.schema
    wanted = _list_wanted(error)
    if value is None and error.validator in ("type", "anyOf", "enum", "const"):
        return _advise_on_nothing(wanted, rule)
    if isinstance(value, str) and (hint := _find_scalar_hint(value, node, wanted, where, rule)):
        return hint
    if _is_checksum(value, where):
        return _find_checksum_hint(value.strip())
    if isinstance(value, str) and where and where[-1] == "expires":
        return _find_date_hint(value)
    if isinstance(value, str) and is_project_id(value.lower()):
        return "write it in lower case"
    if error.validator == "enum" and isinstance(value, str):
        if len(error.validator_value) == 1:
            return f"write {error.validator_value[0]}, or remove it"
        found = get_close_matches(value.lower(), map(str, error.validator_value), 1)
        return f"did you mean {found[0]}?" if found else ""
    if error.validator == "uniqueItems":
        return "keep one of them"
    if error.validator == "type":
        return _find_kind_hint(value, list_types(rule)[0], node, where, rule)
    return _fill_hint(str(rule.get("x-hint", "")), value, where) if isinstance(rule, dict) else ""


def _advise_on_nothing(wanted: Collection[str], rule: Mapping[str, Any]) -> str:
    """What to write for an empty value: what is empty, where that is allowed."""
    if wanted == {"string"} and not {"minLength", "pattern", "enum"} & set(rule):
        return 'write "" for an empty text, or remove it'
    return "write {} for none" if wanted == {"object"} else "give it a value, or remove it"


def _find_date_hint(text: str) -> str:
    """The intended date; the month of 1/2/2027 is ambiguous."""
    if found := re.fullmatch(r"(\d{4})[/.]?(\d\d?)[/.]?(\d\d?)", text):
        year, month, day = found.groups()
    elif found := re.fullmatch(r"(\d\d?)\.(\d\d?)\.(\d{4})", text):
        day, month, year = found.groups()
    else:
        return ""
    return f"write {year}-{int(month):02}-{int(day):02}"


def _fill_hint(hint: str, value: object, where: Sequence[str | int]) -> str:
    """A hint of the schema, with the value in it if that may be shown."""
    is_shown = isinstance(value, str) and 0 < len(value) <= MAX_WRITTEN_CHARS and not is_secret(value)
    return hint.replace("VALUE", write_scalar(str(value))) if is_shown and not _is_private(where) else hint


def _list_wanted(error: Any) -> set[str]:
    """The types that would fit: names of JSON Schema, of the rule itself or of its choices."""
    rules = [error.schema, *error.schema.get("anyOf", ())] if isinstance(error.schema, dict) else []
    if error.validator == "const":
        return {"boolean" if isinstance(error.validator_value, bool) else "integer"}
    return {name for rule in rules for name in list_types(rule)}


def _find_scalar_hint(
    text: str, node: Node, wanted: Collection[str], where: Sequence[str | int], rule: Mapping[str, Any]
) -> str:
    """For a text in the place of a number or of true or false; ``node`` knows whether it is in quotes."""
    value = parse_scalar(text)
    is_integer = type(value) is int
    if not node.plain and ((is_integer and "integer" in wanted) or (isinstance(value, bool) and "boolean" in wanted)):
        return f"the quotes make it text: write {text} without them"
    if "boolean" in wanted and (truth := _TRUTHS.get(text.lower())):
        return f"write {truth}" if node.plain else f"write {truth} without quotes"
    name = next((part for part in reversed(where) if isinstance(part, str)), "")
    if "integer" in wanted and (found := _NUMBER.fullmatch(text.strip())) and found[2]:
        if unit := _UNITS.get(name):
            return f"write the number alone; it is in {unit}"
        return "" if "x-hint" in rule else "write the number alone"
    return ""


def _is_checksum(value: object, where: Sequence[str | int]) -> bool:
    return isinstance(value, str) and len(where) > 1 and tuple(where[-2:]) == ("source", "checksum")


def _find_checksum_hint(text: str) -> str:
    """For what people declare as a digest: an address, or a digest in the form of some program.

    The digits are not repeated: without an algorithm before them they may be a token.
    """
    if (at := re.search(r"https?://\S+", text)) is not None:
        url = at[0] if len(at[0]) <= MAX_WRITTEN_CHARS and not is_secret(at[0]) and "?" not in at[0] else "URL"
        return f"a list of digests is declared as checksum_url: {url}"
    name, digits = "", text
    if found := re.fullmatch(r"(?i)(md5|sha-?(?:1|256|384|512))(?:sums?)?\s*[:=\s]\s*(.*)", text):
        name, digits = found[1].lower().replace("-", ""), found[2].strip()
    if not re.fullmatch(r"[0-9a-fA-F]+", digits):
        return f"{name} has hexadecimal digits only" if name and digits else f"write ALGORITHM:HEX: {_ALGORITHMS}"
    fitting = [one for one, length in HEX_LENGTHS.items() if length == len(digits)]
    if name and name not in fitting:
        return f"{name} has {HEX_LENGTHS[name]} digits, this has {len(digits)}"
    return f"write {name or fitting[0]}:HEX with these digits" if fitting else f"no algorithm has {len(digits)} digits"


def _find_kind_hint(value: object, wanted: str, node: Node, where: Sequence[str | int], rule: Mapping[str, Any]) -> str:
    """The hint for a list, a mapping or a text if the schema requires another of these kinds."""
    key = str(where[-1]) if where else "KEY"
    if wanted == "object" and isinstance(value, list):
        return "write a mapping instead of the list: a key for each item, and no dash before it"
    if wanted == "object" and isinstance(value, str):
        match = re.match(r"[\w.-]+(?=:\S)", value)
        is_shown = match and node.plain and not is_secret(value) and not _is_private(where)
        return (
            f"write a space after the colon of {match[0]}:"
            if match and is_shown
            else f"write {[*rule.get('required', ()), 'KEY'][0]}: VALUE below it"
        )
    if wanted == "array" and isinstance(value, str) and not is_secret(value) and not _is_private(where):
        items = [part for part in re.split(r"[,\s]+", value) if part]
        written = ", ".join(map(write_scalar, items))
        return f"write {key}: [{written}]" if 0 < len(written) <= MAX_WRITTEN_CHARS else f"write {key}: [A, B]"
    if wanted == "array" and isinstance(value, dict) and rule.get("items", {}).get("type") != "string":
        return f"write it as an item of a list: {key}: [{{…}}]"
    if wanted == "array":
        return f"write {key}: [A, B], or a line - ITEM for each"
    if wanted == "string" and isinstance(value, list | dict):
        return "put it in quotes if it is text"
    if wanted == "boolean":
        return _suggest_truth(value)
    return ""


def _suggest_truth(value: object) -> str:
    return f"write {_TRUTHS[str(value)]}" if str(value) in _TRUTHS and not isinstance(value, bool) else ""


def find_key_hint(key: str, known: Collection[str], *, is_top: bool) -> str:
    """The hint for a common unknown key; empty for any other."""
    name, colon, _ = key.partition(":")
    if colon and name in known:
        return f"write a space after the colon of {name}:"
    if {"source", "properties"} <= set(known):
        if key in _OF_SOURCE:
            return f"write it below source: source: {{{key}: …}}"
        if key in _OTHER_WORDS:
            return f"write {_OTHER_WORDS[key]}"
        if _PROPERTY.match(key):
            return "a property is declared below properties"
    if is_top and re.match(r"(?i)x-|\.|_|anchors?$|common$|templates?$", key):
        return "a manifest has no section for anchors: put common values into defaults or profiles"
    return ""
