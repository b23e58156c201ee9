"""doctor without a cloud: manifests, stores, settings, certificates, and a service without identity service."""

import http.server
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagesync import open_backend
from imagesync.lease.taking import take
from imagesync.model.image import LiveImage
from imagesync.version import __version__
from tests import forked
from tests.command import Result, cloud_environment
from tests.mounts import run_mounted

IMAGE = {"source": "a.raw", "disk_format": "raw", "container_format": "bare"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A manifest with one image."""
    (tmp_path / "a.raw").write_bytes(b"\0a" * 500)
    (tmp_path / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": {"a": IMAGE}}))
    return tmp_path


def run(folder: Path, *words: str, code: int = 0, clouds: Path | None = None) -> Result:
    """``imagesync doctor WORDS``."""
    return forked.run("doctor", *words, folder=folder, code=code, env=cloud_environment(clouds, HOME=str(folder)))


def check(folder: Path, *words: str, code: int = 0, clouds: Path | None = None) -> dict[str, tuple[str, str]]:
    """Grade, and what was found with its remedy, of each check by name."""
    found = json.loads(run(folder, *words, "--format", "json", code=code, clouds=clouds).stdout)
    assert (found["problems"] > 0) == (code == 1)
    return {one["name"]: (one["grade"], f"{one['found']}; {one['fix']}") for one in found["checks"]}


def list_files(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_that_does_not_exist_is_not_created(folder: Path) -> None:
    """apply creates it."""
    found = check(folder, ".", "--store", "lab")
    assert found["store"] == ("ok", "lab has no store yet; imagesync apply creates it; None")
    assert found["manifest"][1].startswith("catalog base, 1 image declared")
    assert not (folder / "lab").exists()


def test_a_store_is_read_and_not_changed(folder: Path) -> None:
    """Not even cleaned up: a left-over of a killed process stays."""
    forked.run("apply", "--yes", "--store", "lab", folder=folder)
    with open_backend(store=folder / "lab") as backend:
        image_id = backend.create_image(name="x").id
        backend.delete_image(image_id)
    (folder / "lab" / "content" / image_id).write_bytes(b"left")
    before = list_files(folder)
    found = check(folder, ".", "--store", "lab")
    assert found["store version"] == ("ok", "version 1, readable; None")
    assert {grade for grade, _ in found.values()} <= {"ok", "warning"}
    assert list_files(folder) == before


def test_a_store_of_another_program_and_a_file_are_problems(folder: Path) -> None:
    """No traceback; the remedy is in the line."""
    (folder / "lab").mkdir()
    (folder / "lab" / "store.db").write_bytes(b"SQLite format 3\0 but damaged")
    assert check(folder, ".", "--store", "lab", code=1)["store version"][0] == "problem"
    assert "is not a folder" in check(folder, ".", "--store", "a.raw", code=1)["store"][1]


def test_a_read_only_store_is_a_problem(folder: Path) -> None:
    """An apply would fail."""
    forked.run("apply", "--yes", "--store", "lab", folder=folder)
    script = """
        mount --bind lab lab
        mount -o remount,bind,ro lab
        imagesync doctor . --store lab --format json
    """
    ((code, output),) = run_mounted(folder, script)
    (found,) = (one for one in json.loads(output)["checks"] if one["name"] == "write")
    assert (code, found["grade"]) == (1, "problem")
    assert "is read-only" in found["found"]


def test_a_manifest_with_problems_hides_no_other_check(folder: Path) -> None:
    """The line names the command that lists all of them."""
    (folder / "base.yaml").write_text(json.dumps({"version": 1, "catalog": "base", "images": {"a": {"x": 1, "y": 2}}}))
    found = check(folder, ".", "--store", "lab", code=1)
    assert found["manifest"][0] == "problem"
    assert "images.a.x: unknown key" in found["manifest"][1]
    assert " (and 1 more)" in found["manifest"][1]
    assert "see all problems: imagesync validate . --store lab" in found["manifest"][1]
    assert {"target", "store", "write", "disk"} <= set(found)


def test_without_a_target_the_ways_to_select_one_are_shown(folder: Path) -> None:
    """One problem."""
    assert "--target NAME, --cloud NAME or --store DIR" in check(folder, ".", code=1)["target"][1]


def test_no_manifest_is_needed_with_a_target(folder: Path) -> None:
    """None is read then, even if the working directory has a wrong one."""
    (folder / "base.yaml").write_text("nonsense")
    assert "manifest" not in check(folder, "--store", "lab")


def test_quiet_prints_only_what_is_not_ok(folder: Path) -> None:
    """Nothing if all is well."""
    text = run(folder, ".", "--store", "lab", "--quiet").stdout
    assert not [line for line in text.splitlines() if line.startswith("ok ")]


def write_clouds(folder: Path, **settings: Any) -> Path:
    """A clouds.yaml with one cloud, ``c``."""
    path = folder.parent / f"{folder.name}-clouds" / "clouds.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"clouds": {"c": settings}}))
    return path


def test_a_missing_cloud_and_a_missing_setting_are_problems_of_the_settings(folder: Path) -> None:
    """With the name of the file."""
    clouds = write_clouds(folder, auth={"auth_url": "http://127.0.0.1:9/v3", "username": "u"})
    found = check(folder, ".", "--cloud", "d", code=1, clouds=clouds)
    assert found["settings"][0] == "problem"
    assert str(clouds) in found["settings"][1]
    assert "password is missing" in check(folder, ".", "--cloud", "c", code=1, clouds=clouds)["settings"][1]


def test_an_unreachable_identity_service_is_one_problem(folder: Path) -> None:
    """The secret is not shown."""
    auth = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "secret-of-the-tests"}
    clouds = write_clouds(folder, auth=auth)
    output = run(folder, ".", "--cloud", "c", code=1, clouds=clouds).output
    assert "problem  credentials" in output
    assert "Connection refused" in output
    assert "secret-of-the-tests" not in output


class DoctorService(http.server.BaseHTTPRequestHandler):
    """An image service without an identity service, and with an old or new API."""

    documents: dict[str, Any]

    def do_GET(self) -> None:
        document = self.documents.get(self.path.partition("?")[0])
        body = json.dumps(document if document is not None else {}).encode()
        self.send_response(200 if document is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Print nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The header Date, if the test sets one."""
        return str(self.documents.get("date") or super().date_time_string(timestamp))


@contextmanager
def serve(documents: dict[str, Any], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a running service."""
    handler = type("Handler", (DoctorService,), {"documents": documents})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def documents(*versions: str, **more: Any) -> dict[str, Any]:
    """The responses of an image service with these API versions and no image."""
    listed = {"versions": [{"id": f"v{version}", "status": "SUPPORTED"} for version in versions]}
    return {"/versions": listed, "/v2/images": {"images": []}, **more}


def test_a_service_without_an_identity_service_is_checked_as_far_as_possible(folder: Path) -> None:
    """Rights are unknown, which is a warning."""
    with serve(documents("2.7", "2.6", "1.0")) as address:
        clouds = write_clouds(folder, auth_type="none", auth={"endpoint": f"http://{address}"})
        found = check(folder, ".", "--cloud", "c", clouds=clouds)
    assert found["credentials"][1].startswith("no identity service (auth_type none)")
    assert found["API version"] == ("ok", "2.7 (2.7 or later is needed); None")
    assert found["images"] == ("ok", "0 images owned; 1 declared image to create; None")
    assert found["write images"][0] == "warning"
    assert "unknown without a token" in found["write images"][1]


@pytest.mark.parametrize(
    ("versions", "grade", "text"),
    [(("2.6",), "problem", "2.6; imagesync needs 2.7"), ((), "warning", "lists no version")],
)
def test_an_old_image_service_is_a_problem(folder: Path, versions: tuple[str, ...], grade: str, text: str) -> None:
    """It has no hidden images."""
    with serve(documents(*versions)) as address:
        clouds = write_clouds(folder, auth_type="none", auth={"endpoint": f"http://{address}"})
        found = check(folder, ".", "--cloud", "c", code=int(grade == "problem"), clouds=clouds)
    assert found["API version"][0] == grade
    assert text in found["API version"][1]


def test_a_clock_that_differs_is_a_warning(folder: Path) -> None:
    """By the Date of the image service."""
    with serve(documents("2.17", date="Wed, 01 Jan 2020 00:00:00 GMT")) as address:
        clouds = write_clouds(folder, auth_type="none", auth={"endpoint": f"http://{address}"})
        grade, text = check(folder, ".", "--cloud", "c", clouds=clouds)["clock"]
    assert grade == "warning"
    assert "minutes ahead of that of the image service; correct the clock" in text


def make_certificate(folder: Path, *options: str) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that signs itself: ``certificate`` in the folder."""
    key, certificate = str(folder / "key"), str(folder / "certificate")
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=c", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", *words, *options, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_certificates(folder: Path) -> None:
    """Not trusted, about to expire, not verified, trusted."""
    context = make_certificate(folder, "-days", "3")
    with serve(documents("2.17"), context) as address:
        settings: dict[str, Any] = {"auth_type": "none", "auth": {"endpoint": f"https://{address}"}}
        found = check(folder, "--cloud", "c", code=1, clouds=write_clouds(folder, **settings))
        assert "not trusted: self-signed certificate; set cacert" in found["image address"][1]
        trusting = write_clouds(folder, **settings, cacert=str(folder / "certificate"))
        found = check(folder, "--cloud", "c", clouds=trusting)
        assert found["image address"][0] == "warning"
        assert "ask the cloud's operator to renew the certificate" in found["image address"][1]
        unverified = write_clouds(folder, **settings, verify=False)
        assert "its certificate is not verified" in check(folder, "--cloud", "c", clouds=unverified)["image address"][1]
    context = make_certificate(folder, "-days", "300")
    with serve(documents("2.17"), context) as address:
        settings["auth"] = {"endpoint": f"https://{address}"}
        trusting = write_clouds(folder, **settings, cacert=str(folder / "certificate"))
        assert check(folder, "--cloud", "c", clouds=trusting)["image address"][0] == "ok"


def test_an_expired_certificate_is_a_problem_with_its_own_remedy(folder: Path) -> None:
    """A cacert would not help."""
    request = make_expired_certificate(folder)
    with serve(documents("2.17"), request) as address:
        settings = {"auth_type": "none", "auth": {"endpoint": f"https://{address}"}}
        clouds = write_clouds(folder, **settings, cacert=str(folder / "certificate"))
        found = check(folder, "--cloud", "c", code=1, clouds=clouds)
    for name in ("image address", "image service"):
        assert "certificate has expired" in found[name][1]
        assert "; ask the cloud's operator to renew it" in found[name][1]


def make_expired_certificate(folder: Path) -> ssl.SSLContext:
    """As ``make_certificate``, valid in January 2020; ``openssl ca`` sets both dates in every version."""
    make_certificate(folder)
    (folder / "index").write_text("")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n"
        "x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=CA:TRUE\n"
    )
    (folder / "serial").write_text("01\n")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-new", "-key", "key", "-subj", "/CN=c", "-out", "request")
    dates = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    openssl(
        "ca",
        "-batch",
        "-config",
        "ca.cnf",
        "-selfsign",
        "-keyfile",
        "key",
        "-in",
        "request",
        "-out",
        "certificate",
        "-notext",
        *dates,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    return context


def read_text(result: Result) -> list[str]:
    """The lines of the text without the first one, which is about Python, and without the free space."""
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ok       python           Python 3.")
    assert lines[0].endswith(f", imagesync {__version__}")
    return [re.sub(r"[0-9.]+ .iB free;", "N free;", line) for line in lines[1:]]


@pytest.fixture
def several(folder: Path) -> Path:
    """A manifest with a store, a cloud, and three images, of which the cloud has two."""
    targets = {"eu": {"cloud": "eu-prod", "only": ["a", "c"]}, "us": {"store": "us"}}
    images = {"a": IMAGE, "b": {"source": "none"}, "c": {**IMAGE, "name": "C"}}
    document = {"version": 1, "catalog": "base", "targets": targets, "images": images}
    (folder / "base.yaml").write_text(json.dumps(document))
    return folder


def test_the_text_of_a_store_has_every_check(several: Path) -> None:
    """In the order of what depends on what. What the next apply needs is the size of the missing images."""
    head = [
        "ok       manifest         catalog base, 3 images declared",
        "ok       target           target us: store us",
    ]
    assert read_text(run(several, ".", "--target", "us")) == [
        *head,
        "ok       store            us has no store yet; imagesync apply creates it",
        "ok       write            allowed",
        "ok       disk             N free; the next apply needs at least 2.0 KiB",
        "",
        "no problem.",
    ]
    forked.run("apply", "--yes", "--target", "us", "--only", "a", "--only", "b", folder=several)
    tail = ["ok       store version    version 1, readable", "ok       write            allowed"]
    assert read_text(run(several, ".", "--target", "us")) == [
        *head,
        "ok       store            us exists",
        *tail,
        "ok       disk             N free; the next apply needs at least 1000 B",
        "",
        "no problem.",
    ]
    assert read_text(run(several, "--store", str(several / "us"))) == [
        "ok       target           store us",
        "ok       store            us exists",
        *tail,
        "ok       disk             N free; the next apply needs at least 0 B",
        "",
        "no problem.",
    ]
    assert run(several, "--store", "us", "-q").output == ""


def test_a_file_that_is_missing_needs_no_room(several: Path) -> None:
    """It is a problem of validate, and not of the target."""
    (several / "a.raw").unlink()
    assert read_text(run(several, ".", "--target", "us"))[4] == (
        "ok       disk             N free; the next apply needs at least 0 B"
    )


def test_a_target_that_nothing_selects_is_one_problem(several: Path) -> None:
    """Those of the manifest are listed; nothing after it is checked."""
    assert read_text(run(several, ".", code=1)) == [
        "problem  manifest         no target selected",
        " " * 26 + "to fix: pass --target NAME (eu, us), or set default_target in the manifest; plan, apply and drift "
        "also take --all-targets",
        "",
        "1 problem.",
    ]


def test_a_catalog_without_targets_names_each_way_to_select_one(several: Path) -> None:
    """Nothing after it is checked."""
    (several / "base.yaml").write_text("version: 1\ncatalog: base\nimages: {}\n")
    assert read_text(run(several, ".", code=1)) == [
        "ok       manifest         catalog base, 0 images declared",
        "problem  target           no target is selected",
        " " * 26 + "to fix: pass --target NAME, --cloud NAME or --store DIR, set OS_CLOUD or OS_*, or declare "
        "default_target",
        "",
        "1 problem.",
    ]


def test_a_path_is_read_although_a_cloud_is_given(several: Path) -> None:
    """And the cloud is that of the option, without the name of a target; a cloud alone needs no manifest."""
    cloud = [
        "problem  settings         cloud nope is not defined, because no clouds.yaml exists",
        " " * 26 + "to fix: write it to clouds.yaml in ~/.config/openstack or /etc/openstack, or pass "
        "--clouds-file FILE",
        "",
        "1 problem.",
    ]
    target = "ok       target           cloud nope"
    environment = run(several, "--cloud", "nope", code=1)
    assert read_text(environment) == [target, *cloud]
    assert read_text(run(several, ".", "--cloud", "nope", code=1)) == [
        "ok       manifest         catalog base, 3 images declared",
        target,
        *cloud,
    ]
    assert run(several, ".", "--cloud", "nope", "-q", code=1).stdout.splitlines() == cloud


def test_a_cloud_of_the_environment_is_the_target_of_a_manifest_without_one(folder: Path) -> None:
    """Its name is shown; the file that the option names is the one that is read."""
    env = cloud_environment(None, HOME=str(folder), OS_CLOUD="d")
    (folder.parent / "x.yaml").write_text("clouds: {c: {}}")
    words = ("doctor", "base.yaml", "--clouds-file", str(folder.parent / "x.yaml"))
    lines = read_text(forked.run(*words, folder=folder, env=env, code=1))
    assert lines[1] == "ok       target           cloud d"
    assert lines[2] == f"problem  settings         cloud d is not defined in {folder.parent}/x.yaml"


def test_a_link_that_chooses_the_place_is_a_problem(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing behind it is looked at, unless it is allowed."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "way").symlink_to(elsewhere)
    lines = read_text(run(folder, "base.yaml", "--store", "way/x", code=1))
    assert lines[1:] == [
        "ok       target           store way/x",
        f"problem  target           way/x: a link leads to {elsewhere}/x, which is outside the working directory or in "
        ".git",
        " " * 26 + f"to fix: if you trust the link, use the absolute path {folder}/way/x, or pass --allow-outside",
        "",
        "1 problem.",
    ]
    assert run(folder, "base.yaml", "--store", "way/x", "--allow-outside", "-q").output == ""


def test_a_manifest_with_one_problem_names_only_that(folder: Path) -> None:
    """The command that lists all has the options that select it, without those of doctor."""
    (folder / "base.yaml").write_text("version: 1\ncatalog: base\nvalues: {a: 1}\nimages: {a: {min_rma: '${a}'}}\n")
    words = ("base.yaml", "--store", "my lab", "--set", "a=b", "--no-color")
    assert read_text(run(folder, *words, code=1))[:2] == [
        "problem  manifest         base.yaml:4:14: images.a.min_rma: unknown key; did you mean min_ram?",
        " " * 26 + "to fix: see all problems: imagesync validate base.yaml --store 'my lab' --set a=b",
    ]


def test_images_and_the_lease_of_a_cloud_are_read(several: Path) -> None:
    """The lease of a run that may still live is a warning with the command that breaks it."""
    answers = documents("2.17")
    with serve(answers) as address, open_backend(store=several / "lease") as backend:
        clouds = write_clouds(several, auth_type="none", auth={"endpoint": f"http://{address}"})
        words = (".", "--cloud", "c")
        found = check(several, *words, clouds=clouds)
        assert found["images"] == ("ok", "0 images owned; 3 declared images to create; None")
        assert found["lease"] == ("ok", "free; None")
        held = take(backend, "base", timeout=0, warn=print, is_new=lambda: True)
        (record,) = backend.leases("base")
        answers["/v2/images"] = {"images": [image_to_wire(record)]}
        grade, text = check(several, *words, clouds=clouds)["lease"]
        assert grade == "warning"
        assert text.startswith("held by host ")
        assert text.endswith("; wait for that run; if it is dead: imagesync unlock . --cloud c")
        held.release()
        (record,) = backend.leases("base")
        answers["/v2/images"] = {"images": [image_to_wire(record)]}
        assert check(several, *words, clouds=clouds)["lease"] == ("ok", "free; None")


@pytest.mark.parametrize("part", ["owner", "removed", "members"])
def test_a_project_that_cannot_be_found_hides_no_other_check(folder: Path, part: str) -> None:
    """Images of an unknown owner cannot be counted; those of unknown members can."""
    named = {"project": "x", "domain": "D"}
    images: dict[str, Any] = {"a": IMAGE, "b": {"source": "none", "visibility": "public"}}
    if part == "removed":
        more: dict[str, Any] = {"removed": {"old": {"owner": named}}}
    else:
        more = {}
        images["a"] = {**IMAGE, "owner": named} if part == "owner" else {**IMAGE, "members": [named]}
        images["a"] |= {"visibility": "shared"} if part == "members" else {}
    document = {"version": 1, "catalog": "base", "images": images, **more}
    (folder / "base.yaml").write_text(json.dumps(document))
    with serve(documents("2.17")) as address:
        clouds = write_clouds(folder, auth_type="none", auth={"endpoint": f"http://{address}"})
        found = check(folder, ".", "--cloud", "c", code=1, clouds=clouds)
    grade, text = found["projects"]
    assert grade == "problem"
    assert "this cloud has no identity service that finds a project by name; write the project's id" in text
    assert ("images" in found) is (part == "members")
    assert found["lease"] == ("ok", "free; None")
    assert "(needed for b)" in found["publish"][1]
    assert ("(needed for a)" in found["other projects"][1]) is (part == "owner")


@pytest.mark.parametrize("has_store", [False, True])
def test_a_store_does_not_know_the_names_of_projects(folder: Path, has_store: bool) -> None:
    """Its images are not counted then, and nothing else is left out."""
    named = {"project": "x", "domain": "D"}
    if has_store:
        open_backend(store=folder / "lab").close()
    document = {"version": 1, "catalog": "base", "images": {"a": {**IMAGE, "owner": named}}}
    (folder / "base.yaml").write_text(json.dumps(document))
    lines = read_text(run(folder, ".", "--store", "lab"))
    assert lines[-3:] == ["ok       disk             N free; the next apply needs at least 0 B", "", "no problem."]


def test_quiet_prints_warnings(folder: Path) -> None:
    """With the counts; what is right is left out."""
    with serve(documents("2.17")) as address:
        clouds = write_clouds(folder, auth_type="none", auth={"endpoint": f"http://{address}"})
        assert run(folder, "--cloud", "c", "-q", clouds=clouds).stdout == (
            "warning  write images     unknown without a token: the default policy requires the role member; "
            "an apply will show it\n\nno problem, 1 warning.\n"
        )


def image_to_wire(image: LiveImage) -> dict[str, Any]:
    """A lease record as an image service returns it."""
    return {
        "id": image.id,
        "name": image.name,
        "status": image.status.value,
        "visibility": image.visibility.value,
        "owner": "",
        "os_hidden": image.hidden,
        "protected": image.protected,
        "tags": sorted(image.tags),
        "min_disk": 0,
        "min_ram": 0,
        "created_at": image.created_at,
        "updated_at": image.updated_at,
        **image.properties,
    }
