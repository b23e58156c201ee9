"""Manifests that have one text in every field, where it is wrong. Pure."""

from collections.abc import Iterator
from typing import Any

FIELDS = (
    "source",
    "visibility",
    "min_disk",
    "protected",
    "status",
    "id",
    "owner",
    "expires",
    "adopt",
    "profiles",
    "tags",
)


def wrong_manifests(text: str) -> Iterator[dict[str, Any]]:
    """Manifests in which the text is wrong in many fields: for the schema, and then for each later check."""
    shapes = [text, [text], {text: text}, [{"project": text, "domain": text, text: text}]]
    images: dict[str, Any] = {
        f"a{number}-{field}": {field: shape} for field in FIELDS for number, shape in enumerate(shapes)
    }
    images |= {
        f"s-{field}": {"source": {field: text}} for field in ("checksum", "checksum_url", "method", "compression", text)
    }
    policy = {"on_replace": {text: text}, "max_delete": text}
    yield {"images": {**images, text: {}}, text: 1, "policy": policy, "targets": {text: {"cloud": text, text: text}}}
    yield {"catalog": text, "images": {"a": {"protected": text}}}
    urls = {"url": f"http://127.0.0.1:1/{text}", "checksum_url": "http://127.0.0.1:1/x"}
    yield {
        "images": {
            "a": {"source": urls},
            "b": {"source": {"path": text, "method": "web-download"}},
            "c": {"source": text},
        }
    }
    references = {"a": "${images." + text.replace("$", "") + ".id}", text: text}
    yield {
        "images": {
            "a": {"name": f"${{{text}}}", "properties": references, "expires": text},
            "b": {"name": text, "tags": [text, text.upper()], "profiles": [text]},
            "c": {"name": text, "source": {"url": f"{text}://h/x"}},
        },
        "default_target": text,
        "policy": {"on_replace": {"rename": f"{{created:%n{text}}}"}},
        "values": {text: "${" + text + "}"},
        "targets": {"t": {"cloud": text, "only": [text], "images": {text: {}}}},
    }
