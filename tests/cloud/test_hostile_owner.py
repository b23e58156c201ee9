"""The owner of one key (``owner:``) writes everything that its project may: other keys never suffer.

The apply runs as an administrator on the real service. All the time, a user of a third project lists public images, and
sees only data of the manifest.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import pytest

from imagesync.model.image import OWN_FIELDS
from tests.cloud.neighbors import OTHERS
from tests.cloud.service import Cloud, Http, Snapshot
from tests.command import Result, cloud_environment
from tests.fault.fork_server import ForkedCommand
from tests.samples import spell

PINNED: Final = "abcdef02-0000-4000-8000-00000000abcd"
EVIL: Final = b"evil bytes\0" * 400
PLAIN: Final = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
OLD, NEW = (spell(f"build {number} ") * 150 for number in (1, 2))
DECLARED: Final = {hashlib.sha512(data).hexdigest() for data in (OLD, NEW)}


_begun: WeakKeyDictionary[Cloud, Snapshot] = WeakKeyDictionary()
"""What ``begin`` made."""

Attack = Callable[["HostileWorkspace"], object]


class HostileWorkspace:
    """A catalog with keys of two projects, applied once; the tenant of the other project; the images that must stay."""

    def __init__(self, cloud: Cloud, folder: Path, command: ForkedCommand) -> None:
        self.cloud, self.folder, self._command = cloud, folder, command
        self.other = cloud.project_id("other")
        self.evil: Http = cloud.http("bob")
        for name, data in (("old.raw", OLD), ("new.raw", NEW)):
            (folder / name).write_bytes(data)
        self.removed: dict[str, Any] = {}
        self.images: dict[str, dict[str, Any]] = {}

    def want(self, name: str) -> None:
        """Declare all keys with one build; ``theirs`` by a digest of the service, ``known`` by another digest."""
        data = (self.folder / name).read_bytes()
        sha256 = f"sha256:{hashlib.sha256(data).hexdigest()}"
        sha512 = f"sha512:{hashlib.sha512(data).hexdigest()}"
        source = {"path": name, "checksum": sha256}
        elsewhere, output = {"owner": self.other}, {"visibility": "public"}
        self.images = {
            "ours": {"source": source, "properties": {"build": name}, **output},
            "pinned": {"source": source, "id": PINNED, **output},
            "theirs": {"source": {"path": name, "checksum": sha512}, **elsewhere, **output},
            "known": {"source": source, **elsewhere, **output},
            "quiet": {"source": "old.raw", **elsewhere},
        }

    def run(self, *words: str) -> Result:
        """Run ``imagesync WORDS`` as the operator; it must not end with a bug, nor print a control character."""
        document = {
            "version": 1,
            "catalog": "base",
            "policy": {"max_delete": "100%", "on_replace": {"keep": 2}},
            "defaults": {"disk_format": "raw", "container_format": "bare"},
            "removed": self.removed,
            "images": self.images,
        }
        (self.folder / "base.yaml").write_text(json.dumps(document))
        result = self._command.run(*words, "--cloud", "operator")
        assert result.code in (0, 1), result
        assert "Traceback" not in result.output
        assert all(line.isprintable() for line in result.output.splitlines()), result.output
        return result

    def apply(self) -> Result:
        """Apply, with any result for the keys of the other project."""
        return self.run("apply", str(self.folder), "--yes")

    def begin(self) -> None:
        """Start with the old build of every key, except ``pinned``, made once for each cloud; declare the new build."""
        self.want("old.raw")
        del self.images["pinned"]
        if self.cloud in _begun:
            self.cloud.restore(_begun[self.cloud])
        else:
            assert self.apply().code == 0
            _begun[self.cloud] = self.cloud.snapshot()
        self.want("new.raw")

    def endure(self, *attacks: Attack) -> None:
        """While a user lists images, attack and apply twice; then the catalog's own keys must be as declared."""
        with self.watching():
            for attack in attacks:
                attack(self)
            output = [self.apply(), self.apply()]
        mine = [one for one in self.cloud.http().images() if one["owner"] != self.other and not one["os_hidden"]]
        ours = [one for one in mine if one.get("imagesync_key") == "ours"]
        assert [one["os_hash_value"] for one in ours] == [hashlib.sha512(NEW).hexdigest()], output
        assert (ours[0]["name"], ours[0]["build"], ours[0]["visibility"]) == ("ours", "new.raw", "public"), output
        pinned = [one for one in mine if one["id"] == PINNED]
        is_taken = self.cloud.http().get(f"/images/{PINNED}")["owner"] == self.other
        assert is_taken or pinned[0]["status"] == "active", output

    def current(self, key: str) -> dict[str, Any]:
        """The image of a key that imagesync made."""
        found = [one for one in self.cloud.http().images("visibility=all") if one.get("imagesync_key") == key]
        return next(one for one in found if one.get("imagesync_id") == one["id"] and not one["os_hidden"])

    def patch(self, key: str, **values: Any) -> None:
        """The tenant changes fields or properties of the real image of a key."""
        operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in values.items()]
        self.evil.patch(self.current(key)["id"], *operations).raise_for_status()

    def plant(self, key: str, data: bytes | None = EVIL, **changes: Any) -> str:
        """The tenant copies the image of a key with all its markers, binds the markers to the copy, and uploads data."""
        source = self.current(key)
        copied = {name: value for name, value in source.items() if name not in OWN_FIELDS and isinstance(value, str)}
        body = {**copied, **PLAIN, "name": source["name"], "visibility": "private", **changes}
        image_id = str(self.evil.send("POST", "/images", json={k: v for k, v in body.items() if v}).json()["id"])
        bind: dict[str, object] = {"op": "add", "path": "/imagesync_id", "value": image_id}
        self.evil.patch(image_id, bind).raise_for_status()
        if data is not None:
            kind = {"Content-Type": "application/octet-stream"}
            self.evil.send("PUT", f"/images/{image_id}/file", data=data, headers=kind).raise_for_status()
        return image_id

    def remove(self, key: str) -> None:
        """The tenant deletes the real image."""
        self.patch(key, protected=False)
        self.evil.send("DELETE", f"/images/{self.current(key)['id']}").raise_for_status()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """A user of a third project lists images all the time; each public image that it sees must have declared data."""
        http = Http(self.cloud.image_url, self.cloud.token("alice"))
        wrong: list[str] = []
        stop, sightings = threading.Event(), [0]

        def watch() -> None:
            while not stop.is_set():
                for hidden in ("true", "false"):
                    public = f"/images?visibility=public&limit=1000&os_hidden={hidden}&{OTHERS}"
                    for image in http.get(public)["images"]:
                        self._judge(image, wrong)
                sightings[0] += 1
                stop.wait(0.1)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert wrong == []
        assert sightings[0] > 1

    def _judge(self, image: dict[str, Any], wrong: list[str]) -> None:
        if image["status"] != "deleted" and image["os_hash_value"] not in DECLARED:
            wrong.append(f"{image['id']} ({image['name']}) of {image['owner']}: {image['status']}")


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> Iterator[HostileWorkspace]:
    """A catalog that is not applied yet."""
    env = cloud_environment(cloud.clouds_yaml, XDG_CACHE_HOME=str(tmp_path / "cache"))
    (tmp_path / "catalog").mkdir()
    with ForkedCommand(env, tmp_path) as command:
        yield HostileWorkspace(cloud, tmp_path / "catalog", command)


def managed(**parts: Any) -> str:
    """The record's history of a build."""
    return json.dumps(parts)


def digests(data: bytes) -> str:
    """The recorded digests of some data."""
    return " ".join(f"{name}:{hashlib.new(name, data).hexdigest()}" for name in ("md5", "sha256", "sha512"))


ROLES: Final = ("current", "staging", "retired", "deleting", "lease")


def plant_roles(key: str, data: bytes, **changes: Any) -> Attack:
    """Plant bound copies in every role, with the recorded digests of some data, for one key."""

    def attack(workspace: HostileWorkspace) -> None:
        for role in ROLES:
            marks = {"imagesync_role": role, "imagesync_digest": digests(data), "imagesync_lease": "base"}
            workspace.plant(key, **{**marks, **changes})

    return attack


def replace_real(key: str, data: bytes, **changes: Any) -> Attack:
    """Delete the real image and create a private one instead."""

    def attack(workspace: HostileWorkspace) -> None:
        workspace.plant(key, imagesync_digest=digests(data), **changes)
        workspace.remove(key)

    return attack


def name_another(workspace: HostileWorkspace) -> None:
    """Delete the real images, and give foreign images the names that the plan will use."""
    for key in ("theirs", "known"):
        workspace.remove(key)
        for _ in range(2):
            body = {**PLAIN, "name": key, "visibility": "shared"}
            workspace.evil.send("POST", "/images", json=body).raise_for_status()


def take_pinned_id(workspace: HostileWorkspace) -> None:
    """Create an image with the id that the manifest pins for another key."""
    workspace.evil.send("POST", "/images", json={**PLAIN, "id": PINNED, "visibility": "shared"}).raise_for_status()


def leave_no_image_to_adopt(workspace: HostileWorkspace) -> None:
    """Delete the images of a key that adopts an image by id, and of a key without a source."""
    gone = workspace.plant("known")
    workspace.evil.send("DELETE", f"/images/{gone}").raise_for_status()
    workspace.images["theirs"] = {"adopt": gone, "owner": workspace.other}
    checksum = {"checksum": f"sha256:{hashlib.sha256(OLD).hexdigest()}"}
    workspace.images["known"] = {"source": checksum, "owner": workspace.other}
    workspace.remove("theirs")
    workspace.remove("known")


def protect_removed(workspace: HostileWorkspace) -> None:
    """Protect the image of a key that the manifest no longer declares."""
    workspace.patch("quiet", protected=True)
    del workspace.images["quiet"]
    workspace.removed = {"quiet": {"owner": workspace.other}}


ODD: Final = (
    managed(g=2**31 - 1, r="9999-12-31T23:59:59+00:00"),
    managed(g=10**400, r="0001-01-01T00:00:00+23:59"),
    managed(g=True, b={"visibility": {"x": 1}, "min_disk": "x", "protected": [1], "hidden": 10**400}),
    managed(b={"visibility": "public", "properties.\ud800": "\ud800", "properties.a\n": "\x1b[2J", "name": "\u202e"}),
    managed(o="\ud800\x1b[2J\n::error::x", n=[], u="x", c=7),
    managed(f={"visibility": "\ud800", "status": "x"}, p={"": ""}, t=["\ud800", 1], m=["x"]),
    '{"b":' * 5000,
    "[" * 60000,
    '{"g": NaN, "b": {"min_ram": Infinity, "min_disk": -1}}',
    "\u202e",
)


def write_nonsense(**changes: Any) -> Attack:
    """Write records with wrong types in every part, on the real images and on planted ones."""

    def attack(workspace: HostileWorkspace) -> None:
        for number, text in enumerate(ODD):
            role = ("retired", "staging", "current")[number % 3]
            workspace.plant("theirs", imagesync_managed=text, imagesync_role=role, **changes)
        workspace.patch("known", imagesync_managed=ODD[3], imagesync_digest="\u202e x:y declared: url:" + "z" * 999)
        workspace.patch("quiet", imagesync_managed=ODD[2], imagesync_spec="", imagesync_role="\u202e")

    return attack


def say_it_was_public(workspace: HostileWorkspace) -> None:
    """Create a private image with a record of public visibility, which the manifest does not declare."""
    before = managed(b={"visibility": "public"}, g=1)
    workspace.plant("quiet", imagesync_managed=before, imagesync_digest=digests(OLD))
    workspace.remove("quiet")


ATTACKS: Final[list[tuple[str, Attack]]] = [
    ("marks for a key of ours", plant_roles("ours", NEW)),
    ("marks for a key of ours, shown to all", plant_roles("ours", NEW, visibility="community")),
    ("marks for their key", plant_roles("theirs", NEW)),
    ("marks for their other key", plant_roles("known", NEW)),
    ("marks for their key, shown to all", plant_roles("known", NEW, visibility="community")),
    ("marks of the present build", plant_roles("known", OLD)),
    ("marks without an image", plant_roles("known", NEW, os_hidden=True, protected=True)),
    ("the real image exchanged", replace_real("theirs", NEW)),
    ("the real image exchanged, no hash of the service", replace_real("known", NEW)),
    ("the real image exchanged by an older build", replace_real("known", OLD, visibility="community")),
    ("the real image taken away", lambda workspace: workspace.remove("theirs")),
    ("the real image made private", lambda workspace: workspace.patch("theirs", visibility="private", name="ours")),
    ("names of ours", lambda workspace: workspace.patch("known", name="ours", protected=True)),
    ("marks taken off", lambda workspace: workspace.patch("known", imagesync_catalog="", imagesync_id="x")),
    ("marks of another catalog", lambda workspace: workspace.patch("known", imagesync_catalog="another")),
    ("a hash that is turned off", lambda workspace: workspace.patch(
        "theirs", imagesync_managed=managed(c=True), imagesync_digest=digests(NEW)
    )),
    ("names that are about to be taken", name_another),
    ("a pinned id", take_pinned_id),
    ("nothing to adopt", leave_no_image_to_adopt),
    ("a protected image of a removed key", protect_removed),
    ("nonsense in records", write_nonsense()),
    ("nonsense in records, visible", write_nonsense(visibility="community", os_hidden=False)),
    ("a record of a public past", say_it_was_public),
    ("a guard at its end", lambda workspace: workspace.patch("known", imagesync_rev_999999999999999="x", name="x")),
]  # fmt: skip


COMBINED: Final = (
    "marks for a key of ours",
    "marks for their key",
    "marks for their other key",
    "the real image exchanged, no hash of the service",
    "a hash that is turned off",
    "a pinned id",
    "nonsense in records",
    "a record of a public past",
)
"""Attacks that do not hinder each other."""


@pytest.mark.timeout(900)
def test_simultaneous_attacks_change_no_other_key(workspace: HostileWorkspace) -> None:
    """The catalog's own key gets its new build, and no other data is public."""
    workspace.begin()
    attacks = dict(ATTACKS)
    workspace.endure(*(attacks[name] for name in COMBINED))


@pytest.mark.exhaustive
@pytest.mark.by_turns
@pytest.mark.parametrize("attack", [attack for _, attack in ATTACKS], ids=[name for name, _ in ATTACKS])
@pytest.mark.trial(
    "a user of the project that one key names forges markers", "other keys as planned; no wrong byte public"
)
def test_a_single_attack_changes_no_other_key(workspace: HostileWorkspace, attack: Attack) -> None:
    """The result is as for all attacks together."""
    workspace.begin()
    workspace.endure(attack)


def test_a_hash_that_a_record_calls_converted_is_still_compared(workspace: HostileWorkspace) -> None:
    """A record that claims a conversion, with the digest that is declared next, does not keep the old build public."""
    workspace.begin()
    dict(ATTACKS)["a hash that is turned off"](workspace)
    assert workspace.apply().code == 0
    assert workspace.current("theirs")["os_hash_value"] == hashlib.sha512(NEW).hexdigest()
