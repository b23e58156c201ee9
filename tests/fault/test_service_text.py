"""Text of an image service and of mirrors in every output of the command: nothing in it commands a CI system or a terminal.

``tests/cli/test_output_commands.py`` does the same with text of manifests, file names and saved plans.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.ci_logs import HOSTILE, find_commands, find_commands_below, pick_kinds
from tests.command import cloud_environment
from tests.fault.scripted import Say, Server, image, listening

OUTPUTS = ("--out", "out/report.json", "--events", "out/events.jsonl", "--ids", "out/ids.json")


def hostile_image(text: str) -> dict[str, Any]:
    """An image with the text in every text field."""
    marks = {f"imagesync_{name}": text for name in ("catalog", "key", "role", "digest", "spec", "managed", "lease")}
    fields = ("name", "owner", "disk_format", "container_format", "checksum", "os_hash_value", "file", "schema", "self")
    return image(**dict.fromkeys(fields, text), tags=[text], **{text: text}, **marks, os_glance_x=text, stores=text)


def answers(text: str) -> dict[str, Callable[[str], Say]]:
    """The answers of the service to every request."""
    found = hostile_image(text)
    owned = image("0" * 36, name=text, tags=[text], imagesync_catalog="base", imagesync_id="0" * 36, imagesync_key=text)
    listed = Say(body={"images": [found, owned], "members": [{"member_id": text, "status": text}]})
    wrong = [Say(body={"images": [{**found, field: text}]}) for field in ("id", "status", "size", "created_at")]
    pages = [json.dumps({"message": text}), f"<html><body>x<br /><br />{text}</body></html>", text]
    refusals = [
        *(Say(400, page.encode()) for page in pages),
        *(Say(status, pages[0].encode()) for status in (403, 409)),
    ]
    ways: dict[str, Callable[[str], Say]] = {
        "images": lambda path: listed if "os_hidden" in path or "members" in path else Say(body=found)
    }
    for number, say in enumerate([*wrong, *refusals, Say(302, b"", {"Location": f"http://h/{text[:1]}"})]):
        ways[f"answer {number}"] = lambda _path, say=say: say  # type: ignore[misc]
    return ways


@pytest.mark.parametrize("kind", pick_kinds(HOSTILE))
def test_text_of_the_image_service(tmp_path: Path, kind: str) -> None:
    """In images, members, markers and error pages."""
    text = HOSTILE[kind]
    (tmp_path / "out").mkdir()
    (tmp_path / "a.raw").write_bytes(b"\xe1" * 1000)
    plain = {"source": "a.raw", "disk_format": "raw", "container_format": "bare"}
    images = {"a": plain, "b": {"adopt": image()["id"]}}
    (tmp_path / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": images}))
    for way, answer in answers(text).items():
        with listening(Server(answer)) as address:
            entry = {"auth_type": "none", "auth": {"endpoint": f"{address}/image"}, "region_name": "r"}
            (tmp_path / "clouds.yml").write_text(json.dumps({"clouds": {"c": entry}}))
            commands = [("list",), ("apply", "base.yaml", "--yes", "-v", *OUTPUTS)]
            more = [("list", "--format", "json"), ("list", image()["id"]), ("export", "--all-owners", "--managed")]
            more += [("plan", "base.yaml"), ("adopt", "base.yaml", "--yes"), ("rollback", "a", "base.yaml", "--yes")]
            for words in [*commands, *(more if way == "images" else [])]:
                env = cloud_environment(tmp_path / "clouds.yml")
                result = forked.run(*words, "--cloud", "c", folder=tmp_path, env=env, code=None)
                assert list(find_commands(result.output)) == [], (way, words)
                assert result.code != 3, result
        assert find_commands_below(tmp_path / "out") == [], way


@pytest.mark.parametrize("kind", pick_kinds(HOSTILE))
def test_text_of_a_mirror(tmp_path: Path, kind: str) -> None:
    """In checksum lists, error pages and headers."""
    text = HOSTILE[kind]
    (tmp_path / "out").mkdir()
    header = {"Location": text, "Content-Type": text} if text.isprintable() and text.isascii() else {}
    bodies = [Say(200, text.encode()), Say(200, f"{'a' * 64}  {text}\n{text}".encode()), Say(404, text.encode())]
    for say in [*bodies, Say(302, text.encode(), header), Say(200, b"<html>" + text.encode(), header)]:
        with listening(Server([say])) as address:
            source = {"url": f"{address}/a.raw", "checksum_url": f"{address}/SUMS"}
            images = {"a": {"source": source, "disk_format": "raw", "container_format": "bare"}}
            images |= {"b": {**images["a"], "source": {"url": f"{address}/b.raw"}}}
            (tmp_path / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": images}))
            for words in (("plan", "base.yaml"), ("apply", "base.yaml", "--yes", "-v", "--only", "b", *OUTPUTS)):
                result = forked.run(*words, "--store", "store", folder=tmp_path, code=None)
                assert list(find_commands(result.output)) == [], words
                assert result.code != 3, result
        assert find_commands_below(tmp_path / "out") == []
