"""Checksum lists from hostile servers: the time and the memory of a run are limited, whatever the servers answer."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pysequoia import SignatureMode, Tsk, sign

from imagesync.errors import SourceError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog, SourceFault
from imagesync.sources import SourceAccess, identify
from imagesync.sources.access import Deadline
from imagesync.sources.checking import FewThreads, try_each
from imagesync.sources.list_documents import MAX_MARKS
from tests import command
from tests.fault.mirror import File, Mirror, mirror
from tests.fault.scripted import dripping, raw_service
from tests.trials import note

MIB = 2**20
MAX_MORE_MIB = 300
"""The additional memory that hostile servers may cost, compared with well-behaved ones."""
MEASURED = """
import re, sys
from imagesync.cli.app import main
try:
    main()
finally:
    open("memory", "w").write(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""
A = "a" * 64


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def write_manifest(folder: Path, lists: list[str], more: str = "") -> Path:
    """A manifest with an image for each list; ``more``: further fields of its source."""
    images = "".join(
        f"  i{number}: {{source: {{url: 'http://127.0.0.1:9/{number}.raw', checksum_url: '{url}'{more}}}}}\n"
        for number, url in enumerate(lists)
    )
    path = folder / "base.yaml"
    path.write_text(
        f"version: 1\ncatalog: c\ndefaults: {{disk_format: raw, container_format: bare}}\nimages:\n{images}"
    )
    return path


def lines_of_names() -> bytes:
    """As many entries as a list may have, each for a declared file but in another folder."""
    entries = (f"{number:064x}  {number:x}/0.raw\n" for number in range(16 * MIB // 80))
    return "".join(entries).encode()[: 16 * MIB]


def short_lines() -> bytes:
    """Millions of lines with one character each."""
    return b"a\n" * (8 * MIB)


def wide_text() -> bytes:
    """One character that makes Python store each character of the text in four bytes."""
    return "\U0001f600".encode() + b"x" * (16 * MIB - 4)


def many_values() -> bytes:
    """JSON with as many objects as are read."""
    return b"[" + b'{"a":{}},' * (MAX_MARKS // 5) + b"0]"


def wide_names() -> bytes:
    """As many entries as a list may have, in UTF-16, with characters that Python stores in four bytes."""
    entries = (f"{number:064x}  \U0001f600/{number:x}/0.raw\n" for number in range(16 * MIB // 170))
    return "".join(entries).encode("utf-16")[: 16 * MIB]


def too_long() -> bytes:
    """A list that is longer than is read."""
    return bytes(17 * MIB)


@pytest.mark.parametrize(
    ("content", "number", "is_signed"),
    [
        (lines_of_names, 4, False),
        pytest.param(short_lines, 8, False, marks=pytest.mark.exhaustive),
        pytest.param(many_values, 8, False, marks=pytest.mark.exhaustive),
        pytest.param(wide_names, 8, False, marks=pytest.mark.exhaustive),
        pytest.param(wide_text, 24, False, marks=pytest.mark.exhaustive),
        (wide_text, 24, True),
        pytest.param(too_long, 24, False, marks=pytest.mark.exhaustive),
    ],
)
def test_lists_as_large_as_they_may_be_cost_little_memory(
    web: Mirror, tmp_path: Path, content: Callable[[], bytes], number: int, is_signed: bool
) -> None:
    """If many threads read a whole list at once, each thread needs a hundred MiB and more."""
    key, found = Tsk.generate("Somebody <somebody@example.org>"), []
    (tmp_path / "keys").write_bytes(bytes(key.extract_certificate()))
    web.publish("/sig", sign(key.signer(), b"something else", mode=SignatureMode.DETACHED))
    more = f", signature: {{url: '{web.address}/sig', keyring: keys}}" if is_signed else ""
    for size, data in (("small", f"{A}\n".encode()), ("large", content())):
        lists = [web.publish(f"/{size}{index}", data) for index in range(number)]
        write_manifest(tmp_path, lists, more)
        words = ("plan", "base.yaml", "--store", "store", "--jobs", str(number))
        command.run(*words, folder=tmp_path, program=("-c", MEASURED), code=None, seconds=110)
        found.append(int((tmp_path / "memory").read_text()) // 1024)

    assert found[1] - found[0] < MAX_MORE_MIB, found
    note(
        "up to 24 checksum lists of 16 MiB at once, hostile in seven ways",
        f"less than {MAX_MORE_MIB} MiB more than small ones",
    )


def test_a_list_is_requested_and_read_once(web: Mirror, tmp_path: Path) -> None:
    """500 images may name one list: to read 100,000 entries for each of them would take minutes."""
    entries = [f"{number:064x}  {number}.raw\n" for number in range(100_000)]
    url = web.publish("/SUMS", "".join(entries).encode())
    catalog = resolve(load(write_manifest(tmp_path, [url] * 500)))
    found = identify(catalog, jobs=8)
    assert web.queries == ["GET /SUMS"]
    numbers = {spec.key: int(spec.fingerprint.digests[0].value, 16) for spec in found.images}
    assert numbers == {f"i{number}": number for number in range(500)}


def test_all_checks_together_end_in_time(tmp_path: Path) -> None:
    """32 servers send one byte now and then, or nothing. All of them together cost one time-out."""
    with ExitStack() as stack:
        slow = [stack.enter_context(raw_service(dripping)) for _ in range(16)]
        silent = [stack.enter_context(raw_service(wait_for_ever)) for _ in range(16)]
        catalog = resolve(load(write_manifest(tmp_path, [f"{address}/SUMS" for address in (*slow, *silent)])))
        begun = time.monotonic()
        faults = find_faults(identify(catalog, jobs=4, access=SourceAccess(check_seconds=1.5)))
        assert time.monotonic() - begun < 15
    assert len(faults) == 32
    assert all(re.search("took more than 60 s|no response", str(one)) and one.is_passing for one in faults.values())
    note("32 checksum lists from servers whose answers never end", "one line for each, after one time-out for all")


def find_faults(catalog: Catalog) -> dict[str, SourceFault]:
    """The errors of the sources of a catalog, by key."""
    return {spec.key: spec.fault for spec in catalog.images if spec.fault is not None}


def wait_for_ever(connection: socket.socket) -> None:
    """Never answers, and keeps the connection open."""
    connection.settimeout(60)
    connection.recv(1)


def test_one_slow_server_does_not_delay_the_others(web: Mirror, tmp_path: Path) -> None:
    """The other answers are checked: only the image of the slow server has a problem."""
    with raw_service(dripping) as slow:
        good = web.publish("/SUMS", f"{A}  1.raw\n".encode())
        catalog = resolve(load(write_manifest(tmp_path, [f"{slow}/SUMS", good])))
        assert list(find_faults(identify(catalog, jobs=2, access=SourceAccess(check_seconds=0.5)))) == ["i0"]


def test_a_check_that_cannot_be_interrupted_is_given_up() -> None:
    """The look-up of a host name, for example. The other checks have their answers."""
    release = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            release.wait(60)
        return item

    found = try_each(work, [0, 1, 2], 2, Deadline(time.monotonic() - 1.9))
    release.set()
    assert [found[0], found[2]] == [0, 2]
    assert isinstance(found[1], SourceError)


def test_any_other_error_of_a_check_is_raised() -> None:
    """A bug must not look like a server that is down."""
    with pytest.raises(ZeroDivisionError):
        try_each(lambda item: 1 // item, [1, 0, 1], 2, Deadline())


def test_few_threads_work_on_long_documents() -> None:
    """The other threads wait, but not beyond their deadline. A check that was given up does not begin later."""
    release, begun = threading.Event(), list[str]()

    def work(name: str) -> str:
        begun.append(name)
        release.wait(60)
        return threading.current_thread().name

    with FewThreads(Deadline(time.monotonic() - 1.8), 1) as threads:
        for name in ("first", "second"):
            with pytest.raises(SourceError, match="took more than 60 s"):
                threads.run(lambda name=name: work(name))  # type: ignore[misc]
    release.set()
    with FewThreads(Deadline(), 1) as threads:
        assert {threads.run(lambda: work("third")) for _ in range(3)} == {"imagesync-long-0"}
        with pytest.raises(ZeroDivisionError):
            threads.run(lambda: 1 // 0)
    assert "second" not in begun


def test_a_signature_is_never_large(web: Mirror, tmp_path: Path) -> None:
    """1 MiB has space for a thousand signatures."""
    (tmp_path / "keys").write_bytes(b"x")
    url, signed = web.publish("/SUMS", f"{A}\n".encode()), web.publish("/SUMS.sig", File(bytes(2 * MIB)))
    path = write_manifest(tmp_path, [url], f", signature: {{url: '{signed}', keyring: keys}}")
    (fault,) = find_faults(identify(resolve(load(path)))).values()
    assert "larger than 1 MiB" in fault.message
    assert not fault.is_passing


def test_reading_a_list_ends_in_time_too(web: Mirror, tmp_path: Path) -> None:
    """It takes seconds to read millions of entries, each time."""
    url = web.publish("/SUMS", lines_of_names())
    catalog = resolve(load(write_manifest(tmp_path, [url, f"{url}?again"])))
    faults = find_faults(identify(catalog, jobs=2, access=SourceAccess(check_seconds=0.4)))
    late = [fault for fault in faults.values() if "took more than 60 s" in fault.message]
    assert late
    assert all(fault.is_passing and fault.hides_content for fault in late)
