"""The set-up of a process of a fleet."""

import logging
import sys
from pathlib import Path

import pytest

from imagesync.errors import UsageError
from imagesync.fleet.roles import Role
from imagesync.fleet.settings import SETTINGS, Certificates, Details, apply_settings, find_certificates
from tests.fleet.certificates import Authority, write_certificates


@pytest.mark.parametrize("name", ["dask", "distributed"])
def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also if only a part of it is there."""
    monkeypatch.setitem(sys.modules, "dask", sys)
    monkeypatch.setitem(sys.modules, "distributed", sys)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="distributed, which is not installed") as caught:
        apply_settings()
    assert caught.value.hint == "install imagesync with the extra fleet: pip install 'imagesync[fleet]'"


@pytest.mark.parametrize("role", list(Role))
def test_each_role_has_its_own_certificate_beside_that_of_the_authority(tmp_path: Path, role: Role) -> None:
    """In one folder."""
    write_certificates(tmp_path)
    assert find_certificates(tmp_path, role) == Certificates(role, tmp_path / "ca.pem", tmp_path / f"{role}.pem")


@pytest.mark.parametrize("missing", ["ca.pem", "worker.pem"])
def test_a_missing_certificate_is_named(tmp_path: Path, missing: str) -> None:
    """Also if it is a folder; the hint has the names of both files."""
    write_certificates(tmp_path)
    (tmp_path / missing).unlink()
    (tmp_path / missing).mkdir()
    with pytest.raises(UsageError) as caught:
        find_certificates(tmp_path, Role.WORKER)
    assert caught.value.message == f"{tmp_path / missing}: no such file"
    assert caught.value.hint == "a worker of a fleet needs ca.pem and worker.pem there: see docs/fleet.md"
    assert find_certificates(write_certificates(tmp_path / "x"), Role.CLIENT).role is Role.CLIENT


def test_a_certificate_of_another_role_is_refused(tmp_path: Path) -> None:
    """Although the file has the name of this role."""
    authority = Authority(tmp_path)
    authority.issue("client", name="worker")
    with pytest.raises(UsageError, match="is the certificate of a client, and this process is a worker"):
        find_certificates(tmp_path, Role.WORKER)


def test_the_settings_of_a_fleet_are_strict() -> None:
    """Only TLS, one further try, no code of others, no pages but the one for health; nothing is moved or measured."""
    assert SETTINGS["distributed.comm.require-encryption"] is True
    assert SETTINGS["distributed.scheduler.allowed-failures"] == 1
    assert SETTINGS["distributed.scheduler.allowed-imports"] == []
    assert SETTINGS["distributed.admin.low-level-log-length"] == 0
    pages = {name: value for name, value in SETTINGS.items() if name.endswith(".http.routes")}
    assert pages == {
        f"distributed.{server}.http.routes": ["distributed.http.health"] for server in ("scheduler", "worker")
    }
    off = (
        "scheduler.work-stealing",
        "scheduler.active-memory-manager.start",
        "worker.profile.enabled",
        *(f"worker.memory.{name}" for name in ("target", "spill", "pause", "terminate")),
        *(f"admin.system-monitor.{name}" for name in ("disk", "host-cpu")),
    )
    assert {name for name, value in SETTINGS.items() if value is False} == {f"distributed.{name}" for name in off}


def test_the_warnings_of_the_library_are_details(caplog: pytest.LogCaptureFixture) -> None:
    """With the name of their logger, and without a traceback; its other lines are left out."""
    logger = logging.Logger("distributed.core", logging.DEBUG)
    logger.addHandler(Details(logging.WARNING))
    with caplog.at_level(logging.DEBUG, "imagesync.fleet"):
        logger.info("connected")
        logger.warning("lost %s", "tls://x:1")
        try:
            raise OSError("gone")
        except OSError:
            logger.exception("it ended")
    assert caplog.record_tuples == [
        ("imagesync.fleet", logging.INFO, "distributed.core: lost tls://x:1"),
        ("imagesync.fleet", logging.INFO, "distributed.core: it ended"),
    ]
    assert all(one.exc_info is None for one in caplog.records)
