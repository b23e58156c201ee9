"""A network that fails between imagesync and the real service: each fault on each kind of request, and at random.

Where a retry is safe the run goes on as if nothing had been; else it fails with one line, and the next one converges. A
repeated POST never makes two images.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.fault.proxy import Call, Fault
from tests.fault.stage import Stage, staged

ENDED = threading.Event()
FAULTS: dict[str, Callable[[], Fault]] = {
    "reset before the request got through": lambda: Fault(forward=False, cut=0),
    "reset after the request got through": lambda: Fault(cut=0),
    "half a response": lambda: Fault(cut=20),
    "no answer": lambda: Fault(stall=ENDED),
    "429 with Retry-After": lambda: Fault(forward=False, status=429, headers={"Retry-After": "1"}),
    "500": lambda: Fault(forward=False, status=500),
    "500 although it got through": lambda: Fault(status=500),
    "502 although it got through": lambda: Fault(status=502, body=b"<html>Bad Gateway</html>"),
    "503": lambda: Fault(forward=False, status=503, headers={"Retry-After": "1"}),
    "504 although it got through": lambda: Fault(status=504),
    "401, the token expired": lambda: Fault(forward=False, status=401),
}


@pytest.fixture
def stage(cloud: Cloud, tmp_path: Path) -> Iterator[Stage]:
    """The cloud behind a proxy."""
    with staged(cloud, tmp_path) as found:
        yield found
    ENDED.set()


def expected_of(stage: Stage) -> tuple[set[str], list[str]]:
    """The kinds of request that an undisturbed apply makes, and the state it ends in."""
    beginning = stage.prepared()
    stage.proxy.forget()
    code, told = stage.apply()
    assert code == 0, told
    kinds, state = {call.kind for call in stage.proxy.calls}, stage.state()
    stage.cloud.restore(beginning)
    stage.proxy.forget()
    return kinds, state


def test_each_fault_on_each_kind_of_request(stage: Stage) -> None:
    """The first request of every kind is spoilt; all is as it would have been, if need be after the next run."""
    beginning = stage.prepared()
    kinds, expected = expected_of(stage)
    for name, fault in FAULTS.items():
        stage.cloud.restore(beginning)
        ENDED.clear()
        spoilt: set[str] = set()

        def first_of_its_kind(
            call: Call, fault: Callable[[], Fault] = fault, spoilt: set[str] = spoilt
        ) -> Fault | None:
            if call.kind in spoilt:
                return None
            spoilt.add(call.kind)
            return fault()

        stage.proxy.forget()
        stage.proxy.fault = first_of_its_kind
        code, told = stage.apply()
        ENDED.set()
        print(name, code, sorted(kinds - spoilt), told if code else "")
        stage.proxy.forget()
        if code:
            assert code == 1, (name, told)
            assert stage.apply()[0] == 0, name
        assert stage.state() == expected, name
