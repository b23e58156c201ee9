"""Options and fixtures of the whole suite: which tests run, how long each may take, and the real cloud."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import points
from tests.cloud import install
from tests.cloud.neighbors import NUMBER
from tests.cloud.service import Cloud
from tests.trials import note

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXHAUSTIVE_SECONDS = 7200
"""The time-out of a loop over every point; that of any other test is in pyproject.toml."""

OPT_IN = {
    "exhaustive": "the loops over every point, which take minutes",
    "shells": "completion in fish and zsh, which must be installed",
    "editors": "what editors show, with the real yaml-language-server",
    "browser": "the HTML pages in the real Chromium",
    "formats": "the checkers of other formats: the SARIF multitool",
    "pipelines": "the linters of pipeline files, which it installs",
    "site": "the documentation site, built and in the real Chromium",
    "fleet": "the workers of a fleet, which need the extra fleet",
}
"""Markers of tests that run only with the option of the same name, and what they test."""

hypothesis.settings.register_profile("imagesync", deadline=None)
hypothesis.settings.load_profile("imagesync")
"""Without it, an example that takes 200 ms fails its test, and a busy machine is slow."""

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell starts a background job with SIGINT ignored, and the commands that the tests start would inherit this."""

os.environ.pop("COLUMNS", None)
"""pytest-xdist sets a width for its workers. The commands that the tests start would wrap their output at this width."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""The tests start the command some thousand times. Without bytecode, each start would compile all of imagesync (1 s)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that choose which tests run."""
    parser.addoption(
        "--no-cloud", action="store_true", help="leave out the tests that need the real Keystone and Glance"
    )
    for name, what in OPT_IN.items():
        parser.addoption(f"--{name}", action="store_true", help=f"also {what}")
    parser.addoption("--every-point", action="store_true", help="those loops at every point, not only at one in eight")
    parser.addoption("--turn", type=int, default=0, help="which eighth of the points; any whole number")
    parser.addoption("--update-cases", action="store_true", help="write the expected plans of tests/cases anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of the cloud with ``--no-cloud``, and those with a marker of ``OPT_IN`` without its option."""
    left_out = set()
    if config.getoption("--no-cloud"):
        left_out |= {item for item in items if needs_cloud(item)}
    for name in OPT_IN:
        if not config.getoption(f"--{name}"):
            left_out |= {item for item in items if item.get_closest_marker(name)}
    left_out |= {item for item in items if item.get_closest_marker("by_turns")} - points.select_by_turns(config, items)
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.get_closest_marker("exhaustive") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(EXHAUSTIVE_SECONDS))


def pytest_report_header(config: pytest.Config) -> str | None:
    """The points that the loops of this run try."""
    if not config.getoption("--exhaustive"):
        return None
    share = f"one point in {points.TURNS}, turn {config.getoption('--turn')}"
    return f"loops: {'every point' if config.getoption('--every-point') else share}"


def needs_cloud(item: pytest.Item) -> bool:
    """Whether a test uses the real Keystone and Glance."""
    return not {"cloud", "mariadb_cloud"}.isdisjoint(getattr(item, "fixturenames", ())) or "[glance" in item.name


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install the services before the first test: the first installation takes longer than a test may.

    A failure is left to the fixture, which tries again and reports it.
    """
    if not session.config.option.collectonly and any(map(needs_cloud, session.items)):
        with contextlib.suppress(OSError, RuntimeError, subprocess.CalledProcessError):
            install.prepare_environment()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a test that is one trial, ``@pytest.mark.trial(fault, what happened)``, to the table if it passed."""
    report = yield
    if report.when == "call" and report.passed and (trial := item.get_closest_marker("trial")):
        note(*trial.args)
    return report


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    """The real Keystone and Glance of this session; if they do not start, the tests fail."""
    with Cloud() as cloud:
        yield cloud


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The real browser. A failure to start it, also without playwright, is a failure. A process can start only one."""
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import start_chromium

    with sync_playwright() as playwright, start_chromium(playwright) as browser:
        yield browser


@pytest.fixture(scope="session")
def running_mariadb_cloud() -> Iterator[Cloud]:
    """The real Keystone, and Glance with its own MariaDB; if they do not start, or MariaDB is missing, the tests fail."""
    with Cloud(mariadb=True) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: Cloud) -> Iterator[Cloud]:
    """The real cloud, in which only the images of other projects exist. These must be unchanged at the end."""
    yield from _watch_neighbors(running_cloud)


@pytest.fixture
def mariadb_cloud(running_mariadb_cloud: Cloud) -> Iterator[Cloud]:
    """As ``cloud``, with Glance on MariaDB; for tests that are marked exhaustive."""
    yield from _watch_neighbors(running_mariadb_cloud)


def _watch_neighbors(cloud: Cloud) -> Iterator[Cloud]:
    cloud.settle_neighbors()
    cloud.reset()
    yield cloud
    assert cloud.harm_done() == []
    note(
        "images of other projects, row by row and byte for byte, after each test on the cloud",
        f"all {NUMBER} untouched",
    )
