"""Deadlines of responses: a head must be complete in time, a body must not be too slow; addresses are judged first."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from imagesync.deadlines import TooSlow, _Pace, apply_deadlines, read_at_rate
from tests.fault.scripted import drip, raw_service
from tests.waiting import wait_until


def test_pieces_in_time_are_returned_unchanged() -> None:
    """In order, and the connection is not cut."""
    cut = threading.Event()
    assert list(read_at_rate(iter([b"a", b"", b"b"]), 1, 60, cut.set)) == [b"a", b"", b"b"]
    assert not cut.is_set()


def test_a_window_with_too_few_bytes_is_cut_and_an_error() -> None:
    """The caller gets the pieces that arrived in time."""
    cut, found = threading.Event(), list[bytes]()

    def pieces() -> Iterator[bytes]:
        yield b"a"
        assert cut.wait(30)
        yield b"b"

    with pytest.raises(TooSlow, match="less than 1 KiB/s for 0 s"):
        found.extend(read_at_rate(pieces(), 1024, 0.1, cut.set))
    assert found == [b"a"]


def test_each_window_must_have_enough_bytes() -> None:
    """A fast start does not make up for a slow rest, even if a byte arrives often."""
    cut, pause = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        yield bytes(2**20)
        for _ in range(3000):
            pause.wait(0.01)
            if cut.is_set():
                return
            yield b"a"

    with pytest.raises(TooSlow):
        for _ in read_at_rate(pieces(), 1024, 0.2, cut.set):
            pass
    assert cut.is_set()


def test_a_fast_body_is_never_cut() -> None:
    """A window ends when it has enough bytes, and the next one starts at zero."""
    cut, pause = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            pause.wait(0.02)
            yield bytes(1024)

    assert len(list(read_at_rate(pieces(), 512, 0.2, cut.set))) == 30


def test_without_a_minimum_rate_nothing_is_cut() -> None:
    """However long the body takes."""
    pause = threading.Event()

    def pieces() -> Iterator[bytes]:
        pause.wait(0.3)
        yield b"a"

    assert list(read_at_rate(pieces(), 0, 0.05, threading.Event().set)) == [b"a"]


def test_the_time_of_the_caller_does_not_count() -> None:
    """A slow upload of the pieces is not a slow source."""
    cut = threading.Event()
    for _ in read_at_rate(iter([b"a", b"b"]), 1024, 0.05, cut.set):
        assert not cut.wait(0.2)


class FakeClock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.mark.parametrize(("size", "seconds", "is_slow"), [(999, 10.0, False), (999, 10.5, True), (1000, 10.5, False)])
def test_a_window_is_over_when_it_has_enough_bytes(
    monkeypatch: pytest.MonkeyPatch, size: int, seconds: float, is_slow: bool
) -> None:
    """100 bytes a second for 10 s, so 1000 bytes in each window; more in one window do not count for the next."""
    clock, pace = FakeClock(monkeypatch), _Pace(1000, 10.0)
    for _ in range(3):
        pace.begin_to_wait()
        assert not pace.is_too_slow()
        clock.now += 5
        pace.count(5000)
    pace.begin_to_wait()
    clock.now += seconds / 2
    pace.count(size)
    clock.now += 3600  # the caller needs this time
    assert not pace.is_too_slow()
    pace.begin_to_wait()
    clock.now += seconds / 2
    assert pace.is_too_slow() is is_slow


def test_a_mirror_that_is_too_slow_is_cut_before_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is the rate times the window: here 64 bytes in 0.25 s."""
    cut, order = threading.Event(), list[str]()

    def pieces() -> Iterator[bytes]:
        yield bytes(64)
        order.append("enough")
        yield bytes(63)
        assert cut.wait(30)
        order.append("cut")

    with pytest.raises(TooSlow):
        order += ["piece" for _ in read_at_rate(pieces(), 256, 0.25, cut.set)]
    assert order[:4] in (["enough", "cut"], ["piece", "enough", "piece", "cut"], ["enough", "cut", "piece", "piece"])


@contextmanager
def opened(judge: Callable[[str, str], None] | None = None) -> Iterator[requests.Session]:
    """A session whose connections have deadlines."""
    with requests.Session() as session:
        session.trust_env = False
        for scheme in ("http://", "https://"):
            adapter = requests.adapters.HTTPAdapter()
            apply_deadlines(adapter, judge)
            session.mount(scheme, adapter)
        yield session


SECONDS = (20, 0.4)
"""Timeouts of connecting and of each read."""
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("head", [OK + b"X: ", b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 C\r\nX: "])
@pytest.mark.parametrize("is_proxy", [False, True])
def test_a_head_that_drips_is_not_waited_for(head: bytes, is_proxy: bool) -> None:
    """Each byte arrives in time for one read. The head that was cut off is not taken for a complete one."""
    with raw_service(drip(head, b"x")) as address, opened() as session:
        session.proxies = {"http": address} if is_proxy else {}
        with pytest.raises((requests.Timeout, requests.ConnectionError), match="Read timed out"):
            session.get("http://images.example/x" if is_proxy else address, timeout=SECONDS, stream=True)


def test_after_the_head_only_single_reads_have_a_time_limit() -> None:
    """A large body may take as long as it needs."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 6\r\n\r\n")
        pause = threading.Event()
        for _ in range(6):
            pause.wait(0.2)
            connection.sendall(b"x")

    with raw_service(answer) as address, opened() as session:
        assert session.get(address, timeout=(20, 1.0)).content == b"xxxxxx"


def test_a_connection_that_breaks_is_not_a_timeout() -> None:
    """The error is that of the connection."""
    for sent in (b"", b"nonsense\r\n"):
        with raw_service(lambda connection, sent=sent: connection.sendall(sent)) as address, opened() as session:  # type: ignore[misc]
            with pytest.raises(requests.ConnectionError) as caught:
                session.get(address, timeout=SECONDS)
            assert "timed out" not in str(caught.value)


@pytest.mark.parametrize("timeout", [None, 20, 20.5, (20, 20)])
def test_any_form_of_a_timeout_is_accepted(timeout: float | tuple[float, float] | None) -> None:
    """None: without a limit."""
    with (
        raw_service(lambda connection: connection.sendall(OK + b"Content-Length: 1\r\n\r\nx")) as address,
        opened() as session,
    ):
        assert session.get(address, timeout=timeout).content == b"x"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refused_address_gets_no_byte(scheme: str) -> None:
    """Nor the start of a TLS handshake; the connection is closed, and the error is that of the judge."""
    judged, received = list[tuple[str, str]](), list[bytes]()

    def judge(host: str, address: str) -> None:
        judged.append((host, address))
        raise LookupError("refused")

    with socket.create_server(("127.0.0.1", 0)) as server, opened(judge) as session:
        server.settimeout(30)
        with pytest.raises(LookupError, match="refused") as refused:  # its traceback would keep the connection open
            session.get(f"{scheme}://localhost:{server.getsockname()[1]}/", timeout=SECONDS)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            received.append(connection.recv(1))
    assert (judged, received, str(refused.value)) == ([("localhost", "127.0.0.1")], [b""], "refused")


def test_each_new_connection_is_judged() -> None:
    """A kept one is not judged again."""
    judged: list[str] = []

    def answer(connection: socket.socket) -> None:
        for _ in range(2):
            connection.sendall(OK + b"Content-Length: 1\r\n\r\nx")
            connection.recv(65536)

    with raw_service(answer) as address, opened(lambda *named: judged.append(" ".join(named))) as session:
        for _ in range(2):
            assert session.get(address, timeout=SECONDS).content == b"x"
        assert judged == ["127.0.0.1 127.0.0.1"]
        session.close()
        assert session.get(address, timeout=SECONDS).content == b"x"
    assert judged == ["127.0.0.1 127.0.0.1"] * 2


def test_no_timer_is_left_after_a_response() -> None:
    """It would cut a connection that is used for the next request."""
    with (
        raw_service(lambda connection: connection.sendall(OK + b"Content-Length: 1\r\n\r\nx")) as address,
        opened() as session,
    ):
        session.get(address, timeout=(20, 600))
    wait_until(
        lambda: [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)],
        lambda found: not found,
        "the timer ends",
    )
