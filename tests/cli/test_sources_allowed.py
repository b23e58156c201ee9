"""Which URLs a pull request may name: hosts that the runner allows, and secrets only beside a digest."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.fault.mirror import Mirror, mirror
from tests.forging import fit_digest

DIGEST = "sha256:" + "0" * 64
DATA = b"bytes of an imag\0" * 100


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def write(folder: Path, **sources: object) -> None:
    """A manifest with these sources."""
    images = {
        key: {"source": source, "disk_format": "raw", "container_format": "bare"} for key, source in sources.items()
    }
    (folder / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": images}, indent=1))


@pytest.mark.parametrize("words", [("validate",), ("plan", "--store", "s"), ("apply", "--yes", "--store", "s")])
def test_a_host_that_is_not_named_is_a_problem_with_its_place(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Each mirror, the list and its signature; nothing is asked."""
    (tmp_path / "keys").write_text("x")
    listed = {"checksum_url": "https://d.example/x", "signature": {"url": "https://e.example/x", "keyring": "keys"}}
    write(tmp_path, a={"url": ["https://ok.example/a", "https://b.example/a"], "checksum": DIGEST},
          b={"url": "https://OK.example/b", **listed})  # fmt: skip
    done = forked.run(*words, "base.yaml", "--source-hosts", "ok.*", folder=tmp_path, code=1)
    for key, host in (("a", "b.example"), ("b", "d.example"), ("b", "e.example")):
        expected = (
            f"images.{key}.source: {host} is not named by --source-hosts; pass --source-hosts {host} if you trust it"
        )
        assert expected in done.stderr
    assert "base.yaml:6:" in done.stderr
    assert "ok.example is not" not in done.stderr.lower()


def test_a_saved_plan_uses_only_the_hosts_that_apply_allows(tmp_path: Path, web: Mirror) -> None:
    """A user who may write the file may name any host in it."""
    write(tmp_path, a={"url": web.publish("/a", DATA)})
    forked.run("plan", "base.yaml", "--store", "s", "-o", "plan.json", folder=tmp_path)
    apply = ("apply", "plan.json", "--yes", "--source-hosts")
    done = forked.run(*apply, "mirror.example", folder=tmp_path, code=1)
    assert "create:a: 127.0.0.1 is not named by --source-hosts" in done.stderr
    assert "1 created" in forked.run(*apply, "127.0.0.1", folder=tmp_path).stdout


def test_a_url_in_a_forged_plan_is_read_as_it_is_shown(tmp_path: Path, web: Mirror) -> None:
    """The rule for manifests is the rule for plans."""
    write(tmp_path, a={"url": web.publish("/a", DATA)})
    forked.run("plan", "base.yaml", "--store", "s", "-o", "plan.json", folder=tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["steps"][0]["source"]["urls"][0]["url"] = "http://EVIL\\@cloud-images.ubuntu.com/x"
    (tmp_path / "plan.json").write_text(fit_digest(plan))
    done = forked.run("apply", "plan.json", "--yes", folder=tmp_path, code=1)
    assert "its URL holds a backslash" in done.stderr


def test_every_mirror_of_a_plan_is_shown(tmp_path: Path, web: Mirror) -> None:
    """Any of them may give the data."""
    write(tmp_path, a={"url": [web.publish("/a", DATA), "http://10.9.8.7:81/a"]})
    assert "127.0.0.1" in (text := forked.run("plan", "base.yaml", "--store", "s", folder=tmp_path).stdout)
    assert "10.9.8.7:81" in text


@pytest.mark.parametrize("url", ["https://me:CANARY@mirror.example/a", "https://mirror.example/a?signature=CANARY"])
def test_a_url_with_a_secret_needs_a_digest(tmp_path: Path, url: str) -> None:
    """The place, the way out, and no word of the secret."""
    write(tmp_path, a={"url": url})
    for words in (("validate",), ("plan", "--no-color", "--store", "s")):
        done = forked.run(*words, "base.yaml", folder=tmp_path, code=1)
        assert "base.yaml:6" in done.stderr
        assert "images.a.source: a URL with a log-in or a query needs a digest" in done.stderr
        assert "CANARY" not in done.output


def test_the_digest_to_declare_is_printed_and_then_nothing_is_planned(tmp_path: Path, web: Mirror) -> None:
    """It is that of the build which is there; no hash of the URL is in the store, or in a plan."""
    url = web.publish("/a", DATA)
    write(tmp_path, a={"url": url})
    forked.run("apply", "base.yaml", "--yes", "--store", "s", folder=tmp_path)
    write(tmp_path, a={"url": f"{url}?signature=CANARY"})
    done = forked.run("plan", "base.yaml", "--store", "s", folder=tmp_path, code=1)
    digest = done.stderr.partition("add checksum: ")[2].partition(" (the content of image")[0]
    write(tmp_path, a={"url": f"{url}?signature=CANARY", "checksum": digest})
    output = forked.run("apply", "base.yaml", "--yes", "--store", "s", folder=tmp_path).stdout
    assert "1 to update" in output
    assert "No changes" in forked.run("plan", "base.yaml", "--store", "s", folder=tmp_path).stdout
    listed = forked.run("list", "--store", "s", "--format", "json", folder=tmp_path).stdout
    assert digest in listed
    assert "url:" not in listed


def test_a_saved_plan_of_a_url_with_a_secret_has_neither_it_nor_its_hash(tmp_path: Path, web: Mirror) -> None:
    """The manifests have it: apply reads it there, and the data must have the digest of the plan."""

    url = f"{web.publish('/a', DATA)}?signature=CANARY"
    checksum = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
    write(tmp_path, a={"url": url, "checksum": checksum})
    forked.run("plan", "base.yaml", "--store", "s", "-o", "plan.json", folder=tmp_path)
    text = (tmp_path / "plan.json").read_text()
    assert "CANARY" not in text
    assert hashlib.sha256(url.encode()).hexdigest() not in text
    assert [item["withheld"] for item in json.loads(text)["steps"][0]["source"]["urls"]] == [True]
    assert "1 created" in forked.run("apply", "plan.json", "--yes", folder=tmp_path).stdout


def test_the_digest_of_a_catalog_does_not_depend_on_a_secret(tmp_path: Path) -> None:
    """Plans hold it, beside all its parts except the secret."""
    digests = []
    for secret in ("one", "two"):
        write(tmp_path, a={"url": f"https://me:{secret}@mirror.example/a?{secret}", "checksum": DIGEST})
        words = ("plan", "base.yaml", "--store", "s", "--no-source-check", "-o", "plan.json")
        forked.run(*words, folder=tmp_path)
        digests.append(json.loads((tmp_path / "plan.json").read_text())["manifest"]["digest"])
    assert digests[0] == digests[1]


def test_a_least_rate_can_be_set(tmp_path: Path, web: Mirror) -> None:
    """0: no mirror is given up for being slow."""
    write(tmp_path, a={"url": web.publish("/a", DATA)})
    words = ("apply", "base.yaml", "--yes", "--store", "s", "--min-source-rate")
    assert "1 created" in forked.run(*words, "0", folder=tmp_path).stdout
    assert forked.run(*words, "-1", folder=tmp_path, code=64).stderr.startswith("imagesync: ")
