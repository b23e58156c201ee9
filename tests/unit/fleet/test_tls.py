"""Which process of a fleet completes a handshake with which other one; real handshakes on a pair of sockets."""

import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imagesync.fleet.roles import Role
from tests.fleet.certificates import Authority

if TYPE_CHECKING:
    from imagesync.fleet.tls import FleetSecurity

pytestmark = pytest.mark.fleet

SCHEDULER, WORKER, CLIENT = Role.SCHEDULER, Role.WORKER, Role.CLIENT
PATIENCE = 30.0
CONNECTED = ""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with a certificate for each role, and others; only the role says what a process may do."""
    made = Authority(tmp_path_factory.mktemp("tls") / "tls")
    for role in ("scheduler", "worker", "client"):
        made.issue(role, has_purpose=False)
    made.issue("client", name="without", unit="", has_purpose=False)
    made.issue("client", name="admin", unit="admin", has_purpose=False)
    return made


def secure(authority: Authority, role: Role, file: str = "") -> "FleetSecurity":
    """The settings of a process; ``file``: the name of its certificate, by default that of its role."""
    from imagesync.fleet.tls import FleetSecurity

    own = str(authority.folder / f"{file or role.value}.pem")
    return FleetSecurity(role, authority=str(authority.folder / "ca.pem"), own=own)


def plain_context(authority: Authority, file: str, purpose: ssl.Purpose) -> ssl.SSLContext:
    """A peer that checks nothing, with a certificate of the authority."""
    context = ssl.create_default_context(purpose)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(authority.folder / f"{file}.pem")
    return context


def shake(context: ssl.SSLContext, peer: ssl.SSLContext, *, is_server: bool) -> str:
    """The reason why the owner of ``context`` ends a handshake with a peer; empty if it completes it."""
    ours, theirs = socket.socketpair()
    for one in (ours, theirs):
        one.settimeout(PATIENCE)

    def answer() -> None:
        try:
            with peer.wrap_socket(theirs, server_side=not is_server) as secured:
                secured.recv(1)
        except OSError:
            theirs.close()

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        with context.wrap_socket(ours, server_side=is_server):
            return CONNECTED
    except ssl.SSLError as error:
        return str(error)
    finally:
        ours.close()
        thread.join(PATIENCE)


@pytest.mark.parametrize("role", [WORKER, CLIENT])
@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        ("scheduler", CONNECTED),
        ("worker", "the certificate is that of a worker, and scheduler may be connected here"),
        ("client", "the certificate is that of a client, and scheduler may be connected here"),
        ("admin", "the certificate has no role, and scheduler may be connected here"),
        ("without", "the certificate has no role, and scheduler may be connected here"),
    ],
)
def test_a_process_connects_only_to_the_scheduler(authority: Authority, role: Role, peer: str, reason: str) -> None:
    """Not to the holder of another certificate of the same authority who listens at its address."""
    context: Any = secure(authority, role).get_connection_args(role.value)["ssl_context"]
    found = shake(context, plain_context(authority, peer, ssl.Purpose.CLIENT_AUTH), is_server=False)
    assert reason in found
    assert bool(found) == bool(reason)


@pytest.mark.parametrize("role", [SCHEDULER, WORKER, CLIENT])
@pytest.mark.parametrize("peer", ["scheduler", "worker", "client", "admin", "without"])
def test_who_may_connect_to_a_process(authority: Authority, role: Role, peer: str) -> None:
    """Workers and clients to the scheduler; to the others, no process."""
    context: Any = secure(authority, role).get_listen_args(role.value)["ssl_context"]
    found = shake(context, plain_context(authority, peer, ssl.Purpose.SERVER_AUTH), is_server=True)
    assert (found == CONNECTED) == (role is SCHEDULER and peer in ("worker", "client")), found
    if role is not SCHEDULER:
        assert "no process may be connected here" in found


def test_a_peer_without_a_certificate_is_refused(authority: Authority) -> None:
    """By the scheduler, before it reads anything."""
    context: Any = secure(authority, SCHEDULER).get_listen_args("scheduler")["ssl_context"]
    anonymous = ssl.create_default_context()
    anonymous.check_hostname = False
    anonymous.verify_mode = ssl.CERT_NONE
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in shake(context, anonymous, is_server=True)


def test_a_certificate_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    """In both directions, whatever role it names."""
    foreign = Authority(tmp_path / "tls")
    foreign.issue("scheduler")
    foreign.issue("client")
    connects: Any = secure(authority, CLIENT).get_connection_args("client")["ssl_context"]
    listens: Any = secure(authority, SCHEDULER).get_listen_args("scheduler")["ssl_context"]
    server = plain_context(foreign, "scheduler", ssl.Purpose.CLIENT_AUTH)
    client = plain_context(foreign, "client", ssl.Purpose.SERVER_AUTH)
    assert "CERTIFICATE_VERIFY_FAILED" in shake(connects, server, is_server=False)
    assert "CERTIFICATE_VERIFY_FAILED" in shake(listens, client, is_server=True)


@pytest.mark.parametrize("role", [SCHEDULER, WORKER, CLIENT])
def test_no_process_has_a_connection_without_tls(authority: Authority, role: Role) -> None:
    """To any other one, and from any other one; its own certificate is that of each connection."""
    security = secure(authority, role)
    own, authorities = str(authority.folder / f"{role}.pem"), str(authority.folder / "ca.pem")
    assert security.require_encryption is True
    assert (security.role, security.tls_ca_file) == (role, authorities)
    files = (security.tls_client_cert, security.tls_scheduler_cert, security.tls_worker_cert)
    assert files == (own, own, own)
    for arguments in (security.get_connection_args(role.value), security.get_listen_args(role.value)):
        assert arguments["require_encryption"] is True
