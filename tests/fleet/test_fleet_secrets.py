"""No process of a fleet shows a secret of a manifest: not in events, logs or pages, and its pages are on loopback only."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.fleet.lab import Lab, find_port
from tests.fleet.source import make_checksum

pytestmark = pytest.mark.fleet

LOGIN, SIGNATURE, VALUE = "pw-7f3a9c", "sig-51d0e2", "set-88b1c4"
PAGES = (
    "/ /health /metrics /info/main/workers.html /info/logs.html /json/counts.json /json/identity.json /individual-plots.json "
    "/api/v1 /status /sitemap.json /info/call-stacks.html /statics/js/x.js /eventstream /proxy/80/127.0.0.1/health"
)


def list_listening(pid: int) -> set[tuple[str, int]]:
    """The addresses at which a process listens, as hexadecimal digits, and the ports."""
    handles = [link for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    inodes = {one[1] for link in handles if (one := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())))}
    found: set[tuple[str, int]] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found


def read_pages(port: int) -> dict[str, str]:
    """The pages that a port serves over HTTP."""
    found = {}
    for page in PAGES.split():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=5) as answer:
                found[page] = answer.read().decode(errors="replace")
        except urllib.error.HTTPError:
            continue
        except OSError:
            break
    return found


def test_no_output_has_a_secret_of_a_url_or_of_a_value(lab: Lab) -> None:
    """Also with all details, in log files, events, and after a failure."""
    images = lab.declare("one", "two")
    query = f"signature={SIGNATURE}&value="
    for name, image in images.items():
        url = image["source"]["url"].replace("http://", f"http://user:{LOGIN}@")
        image["source"] = {"url": f"{url}?{query}${{token}}", "checksum": make_checksum(f"{name}.raw?{query}{VALUE}")}
    images["two"]["source"]["checksum"] = "sha256:" + "0" * 64
    lab.write(images, ["a", "b"])
    manifest = json.loads((lab.catalog / "m.yaml").read_text())
    (lab.catalog / "m.yaml").write_text(json.dumps(manifest | {"values": {"token": "x"}}))
    lab.start_scheduler("-vv", "--log-file", "scheduler.log")
    for name, target in (("w-a", "a"), ("w-b", "b")):
        words = ("--target", target, "--name", name, *lab.tls, "-vv", "--log-file", f"{name}.log")
        lab.start(name, "fleet", "worker", lab.address, *words).wait_for("ready")
    words = ("-vv", "--log-file", "client.log", "--events", "events", "--format", "json", "--set", f"token={VALUE}")
    result = lab.start_apply(*words).wait(seconds=240)
    assert result.code == 1, result.output
    assert lab.list_published("a") == lab.list_published("b") == ["one"], result.output
    ports = [
        port for process in lab.processes.values() if process.is_running() for _, port in list_listening(process.pid)
    ]
    texts = {
        "command": result.output,
        **{path.name: path.read_text() for path in lab.catalog.iterdir() if path.name != "m.yaml"},
    }
    texts |= {name: process.read_output() for name, process in lab.processes.items() if process.is_running()}
    texts |= {f"{port}{page}": text for port in ports for page, text in read_pages(port).items()}
    assert {"scheduler.log", "w-a.log", "client.log", "events"} <= texts.keys()
    assert [name for name, text in texts.items() for secret in (LOGIN, SIGNATURE, VALUE) if secret in text] == []


def test_pages_are_on_loopback_and_show_nothing(lab: Lab) -> None:
    """Also if the scheduler listens on all addresses. A worker listens on loopback only."""
    lab.write(lab.declare("one"), ["a"])
    lab.port = find_port()
    process = lab.start("scheduler", "fleet", "scheduler", "--host", "0.0.0.0", "--port", str(lab.port), *lab.tls)
    process.wait_for("scheduler ready")
    worker = lab.start_worker("w", "a")
    addresses = list_listening(process.pid)
    assert ("00000000", lab.port) in addresses
    assert {address for address, port in addresses if port != lab.port} == {"0100007F"}
    assert {address for address, _ in list_listening(worker.pid)} == {"0100007F"}
    for pid in (process.pid, worker.pid):
        pages = [read_pages(port) for _, port in list_listening(pid)]
        assert {page for found in pages for page in found} == {"/health", "/sitemap.json"}
