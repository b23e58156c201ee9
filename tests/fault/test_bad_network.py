"""A network that fails between imagesync and the real service: each fault on each kind of request, and random faults.

If a retry is safe, the run continues as if there was no fault. Otherwise it fails with one line, and the next run
converges. A repeated POST never makes two images.
"""

import random
import threading
from collections.abc import Callable, Collection
from contextlib import closing
from functools import partial

import pytest

from imagesync.backends.glance.api import Timeouts
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.connect import connect
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.sources import identify
from tests.fault.proxied_workspace import ProxiedWorkspace
from tests.fault.proxy import Call, Fault
from tests.fault.scenario import AFTER, write_manifest
from tests.pipeline import planned
from tests.trials import note

EXPIRED = "401, the token expired"
FAULTS: dict[str, Callable[[threading.Event], Fault]] = {
    "reset before the service got the request": lambda _: Fault(forward=False, cut=0),
    "reset after the service got the request": lambda _: Fault(cut=0),
    "half a response": lambda _: Fault(cut=20),
    "no answer": lambda ended: Fault(stall=ended),
    "429 with Retry-After": lambda _: Fault(forward=False, status=429, headers={"Retry-After": "1"}),
    "500": lambda _: Fault(forward=False, status=500),
    "500 although it was carried out": lambda _: Fault(status=500),
    "502 although it was carried out": lambda _: Fault(status=502, body=b"<html>Bad Gateway</html>"),
    "503": lambda _: Fault(forward=False, status=503, headers={"Retry-After": "1"}),
    "504 although it was carried out": lambda _: Fault(status=504),
    EXPIRED: lambda _: Fault(forward=False, status=401),
}
CONVERGED = {1: "the same run converged", 2: "one line, and the next run converged"}
LOG_IN = "POST /v3/auth/tokens"
STORING = "PUT /images/ID/file"
"""A kind of request whose answer a test cannot wait for: a store may need an hour to copy the data."""
ONE_IN = 8
"""One in this many requests of a random run fails."""


class Firsts:
    """Makes the first request of each kind fail, except for some kinds. ``kinds``: the kinds that arrived."""

    def __init__(self, spoil: Callable[[], Fault], but: Collection[str] = ()) -> None:
        self._spoil, self._but = spoil, but
        self.kinds: set[str] = set()

    def __call__(self, call: Call) -> Fault | None:
        if call.kind in self._but or call.kind in self.kinds:
            return None
        self.kinds.add(call.kind)
        return self._spoil()


def run_with_faults(
    workspace: ProxiedWorkspace, fault: Callable[[Call], Fault | None], expected: list[str], what: str
) -> int:
    """Run an apply with these faults, and if it fails another one without faults; the number of runs until the state
    was as expected."""
    workspace.proxy.forget()
    workspace.proxy.fault = fault
    result = workspace.apply()
    workspace.proxy.forget()
    runs = 1
    if result.code:
        assert result.code == 1, (what, result)
        assert "Traceback" not in result.stderr, (what, result)
        lines = result.output.splitlines()
        assert any(line.startswith(("failed", "imagesync:", "not as planned")) for line in lines), result
        result = workspace.apply()
        runs += 1
    assert (result.code, workspace.state()) == (0, expected), (what, result)
    return runs


@pytest.mark.exhaustive
def test_each_fault_on_each_kind_of_request(workspace: ProxiedWorkspace) -> None:
    """In one run, the first request of every kind fails. The state is as without faults after this run, or after the
    next one."""
    beginning = workspace.prepare()
    kinds, expected = workspace.apply_undisturbed(beginning)
    for name, fault in FAULTS.items():
        workspace.cloud.restore(beginning)
        ended = threading.Event()
        spoilt = Firsts(partial(fault, ended), but={STORING} if name == "no answer" else ())
        runs = run_with_faults(workspace, spoilt, expected, name)
        ended.set()
        assert runs == 2 or kinds - spoilt.kinds <= {STORING}, (name, kinds - spoilt.kinds)
        for _kind in spoilt.kinds:
            note(f"{name}: the first request of each kind, in one run", CONVERGED[runs])


@pytest.mark.exhaustive
def test_each_fault_on_the_log_in(workspace: ProxiedWorkspace) -> None:
    """Every kind of request to the identity service is repeated, and the same run continues. A refusal is not repeated."""
    beginning = workspace.prepare()
    write_manifest(
        workspace.folder, {**AFTER, "shared": {**AFTER["shared"], "members": [{"id": "p2"}, {"project": "other"}]}}
    )
    workspace.identity.forget()
    _, expected = workspace.apply_undisturbed(beginning)
    kinds = {call.kind for call in workspace.identity.calls}
    assert LOG_IN in kinds
    assert len(kinds) == 3
    for name, fault in FAULTS.items():
        workspace.cloud.restore(beginning)
        workspace.identity.forget()
        ended = threading.Event()
        workspace.identity.fault = spoilt = Firsts(partial(fault, ended))
        result = workspace.apply()
        ended.set()
        if name == EXPIRED:
            assert (result.code, result.output.count("\n")) == (1, 1), (name, result)
            assert "the service rejected the credentials" in result.stderr, (name, result)
            note("login refused (401)", "one line, not retried")
            continue
        assert (result.code, workspace.state(), spoilt.kinds) == (0, expected, kinds), (name, result)
        for _kind in kinds:
            note(f"{name}: the first request of each kind to the identity service, in one run", CONVERGED[1])


@pytest.mark.exhaustive
def test_each_fault_on_the_log_in_after_the_token_expired(workspace: ProxiedWorkspace) -> None:
    """The token expires before each kind of request. Every new token needs two requests, and the same run continues."""
    beginning = workspace.prepare()
    kinds, expected = workspace.apply_undisturbed(beginning)
    workspace.identity.forget()
    ended, expired = threading.Event(), Firsts(partial(FAULTS[EXPIRED], threading.Event()))
    faults = {name: fault for name, fault in FAULTS.items() if name != EXPIRED}
    tokens, left = list[Call](), list(faults)

    def every_second(call: Call) -> Fault | None:
        if call.kind != LOG_IN:
            return None
        tokens.append(call)
        return None if len(tokens) % 2 or not left else faults[left.pop()](ended)

    workspace.proxy.fault, workspace.identity.fault = expired, every_second
    result = workspace.apply()
    ended.set()
    assert (result.code, workspace.state()) == (0, expected), result
    assert (expired.kinds, left) == (kinds, []), result
    for name in faults:
        note(f"{name}: the login after the token expired during the run", CONVERGED[1])


def watch_log(workspace: ProxiedWorkspace, text: str) -> Callable[[], bool]:
    """Let the command write a log file; return a function that returns whether it has ``text``."""
    log = workspace.folder.with_name("log")
    workspace.words += ("-v", "--log-file", str(log))
    return lambda: log.exists() and text in log.read_text()


@pytest.mark.exhaustive
def test_no_identity_service_for_a_moment(workspace: ProxiedWorkspace) -> None:
    """The address exists, and no server listens there."""
    beginning = workspace.prepare()
    _, expected = workspace.apply_undisturbed(beginning)
    workspace.identity.refuse(watch_log(workspace, "trying again in"))
    result = workspace.apply()
    assert (result.code, workspace.state()) == (0, expected), result
    assert "trying again in" in result.stderr, result
    note("connection refused: the login", CONVERGED[1])


@pytest.mark.exhaustive
@pytest.mark.parametrize("forward", [True, False], ids=["got", "lost"])
def test_no_answer_to_the_data(workspace: ProxiedWorkspace, monkeypatch: pytest.MonkeyPatch, forward: bool) -> None:
    """Whether the service received the data or not: no image is made twice, and none is lost.

    The first run is made from Python, where the waiting time of an hour can be shortened.
    """
    beginning = workspace.prepare()
    _, expected = workspace.apply_undisturbed(beginning)
    ended, spoilt = threading.Event(), list[Call]()

    def first_data(call: Call) -> Fault | None:
        if call.kind != STORING or spoilt:
            return None
        spoilt.append(call)
        return Fault(forward=forward, stall=ended)

    workspace.proxy.fault = first_data
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", workspace.env["OS_CLIENT_CONFIG_FILE"])
    with closing(Glance(connect("operator"), timeouts=Timeouts(storing=3.0))) as backend:
        plan = planned(backend, identify(resolve(load(workspace.folder))))
        report = execute(plan, Performer(backend, plan), jobs=1, notify=print, cancelled=threading.Event())
    ended.set()
    workspace.proxy.forget()
    assert spoilt
    if not report.succeeded:
        result = workspace.apply()
        assert result.code == 0, result
    assert workspace.state() == expected
    note("no answer to the data, whether the service got it or not", CONVERGED[1 if report.succeeded else 2])


@pytest.mark.exhaustive
def test_connections_refused_before_each_kind_of_request(workspace: ProxiedWorkspace) -> None:
    """The service is down for a moment. Nothing was sent, so any request is repeated in the same run."""
    beginning = workspace.prepare()
    workspace.proxy.forget()
    assert workspace.apply().code == 0
    kinds, expected = [call.kind for call in workspace.proxy.calls], workspace.state()
    refused = watch_log(workspace, "no connection")
    for number in sorted({kind: number for number, kind in reversed(list(enumerate(kinds)))}.values()):
        workspace.cloud.restore(beginning)
        workspace.proxy.forget()
        workspace.folder.with_name("log").unlink(missing_ok=True)
        if number:
            workspace.proxy.fault = lambda call: Fault(refused=refused) if call.number == number - 1 else None  # noqa: B023
        else:
            workspace.proxy.refuse(refused)
        result = workspace.apply()
        workspace.proxy.forget()
        assert result.code == 0, (kinds[number], result)
        assert "no connection" in result.stderr, (kinds[number], result)
        assert workspace.state() == expected, (kinds[number], result)
        note("connection refused: the first request of each kind", CONVERGED[1])


def test_an_image_that_is_deleted_while_it_is_read(workspace: ProxiedWorkspace) -> None:
    """Another run deletes a listed image before its members are requested. The plan has the other images."""
    workspace.prepare()
    gone: set[str] = set()

    def deleted(call: Call) -> Fault | None:
        if call.kind == "GET /images/ID/members" and not gone:
            gone.add(call.path.split("/")[-2])
            assert workspace.cloud.http().send("DELETE", f"/images/{call.path.split('/')[-2]}").status_code == 204
        return None

    workspace.proxy.forget()
    workspace.proxy.fault = deleted
    result = workspace.command.run("plan", str(workspace.folder), *workspace.words)
    assert gone
    assert (result.code, "+ shared" in result.stdout) == (0, True), result


def test_faults_at_random(workspace: ProxiedWorkspace) -> None:
    """Any fault on any request; each message has the seed."""
    beginning = workspace.prepare()
    _, expected = workspace.apply_undisturbed(beginning)
    for seed in random.sample(range(10**6), 2):
        workspace.cloud.restore(beginning)
        drawn, lock, ended = random.Random(seed), threading.Lock(), threading.Event()

        def at_random(_call: Call) -> Fault | None:
            with lock:  # noqa: B023 - called within this turn
                if drawn.randrange(ONE_IN):  # noqa: B023
                    return None
                return FAULTS[drawn.choice([name for name in FAULTS if name != "no answer"])](ended)  # noqa: B023

        runs = run_with_faults(workspace, at_random, expected, f"seed {seed}")
        ended.set()
        note(f"any of these faults, on one request in {ONE_IN}, at random", CONVERGED[runs])
