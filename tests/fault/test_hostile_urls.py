"""URLs that lead a run elsewhere: redirects into the runner's network, credentials for other hosts, hosts that are not
allowed.

All servers listen on loopback; ``classify`` decides which of their addresses count as public.
"""

import base64
import hashlib
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from imagesync.errors import SourceError
from imagesync.model.catalog import Checksum, Fingerprint, UrlSource
from imagesync.sources import SourceAccess, open_source
from imagesync.sources.access import Reach
from imagesync.sources.session import WebSession
from imagesync.sources.web import check_source, fetch
from tests.fault.mirror import File, Mirror, mirror
from tests.fault.scripted import raw_service
from tests.trials import note

DATA = bytes(range(251)) * 40_000
TEXT = b"what an internal server answers"
NO_PAUSE = (0.0,)


@pytest.fixture
def evil() -> Iterator[Mirror]:
    """A server that counts as public, at 127.0.0.1."""
    with mirror() as found:
        yield found


@pytest.fixture
def inside() -> Iterator[Mirror]:
    """A server of the runner's network, at 127.0.0.2."""
    with mirror("127.0.0.2") as found:
        yield found


def kind(address: str) -> Reach:
    """127.0.0.1 counts as public, 127.0.0.3 as link-local, and all other addresses as the runner's network."""
    return {"127.0.0.1": Reach.PUBLIC, "127.0.0.3": Reach.LINK_LOCAL}.get(address, Reach.INTERNAL)


def access(*hosts: str) -> SourceAccess:
    """Rules with these kinds of addresses."""
    return SourceAccess(hosts, classify=kind)


def lead(server: Mirror, target: str, path: str = "/SUMS", status: int = 302) -> str:
    """The URL of a redirect."""
    return server.publish(path, File(b"", status, {"Location": target}))


def get(url: str, rules: SourceAccess) -> bytes:
    """Fetch a checksum list."""
    return fetch(url, rules, pauses=NO_PAUSE)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_from_a_public_server_inside(evil: Mirror, inside: Mirror, status: int) -> None:
    """The private server receives no byte."""
    url = lead(evil, inside.publish("/secret", TEXT), status=status)
    with pytest.raises(SourceError, match=r"from a public server to 127\.0\.0\.2.*--source-hosts 127\.0\.0\.2"):
        get(url, access())
    with pytest.raises(SourceError, match="private address"):
        check_source([url], access())
    assert inside.queries == []
    note("source or list redirected from a public server to a private address", "refused, nothing sent there")


def test_no_chain_of_redirects_leads_from_a_public_server_inside(evil: Mirror, inside: Mirror) -> None:
    """Neither does a chain whose last address is a name: the connected address decides."""
    port = inside.address.rpartition(":")[2]
    inside.publish("/secret", TEXT)
    second = lead(evil, f"http://localhost2.localdomain:{port}/secret", "/second")
    named = lead(evil, f"{evil.address}/third", "/named")
    lead(evil, f"{inside.address}/secret", "/third")
    for url in (second, named):
        with pytest.raises(SourceError):
            get(url, access())
    assert inside.queries == []


def test_a_name_is_checked_by_its_address_at_the_connection(evil: Mirror) -> None:
    """The name has a public address when it is looked up, and a private one when the connection is made."""
    seen: list[str] = []

    def rebinding(address: str) -> Reach:
        seen.append(address)
        return Reach.PUBLIC if len(seen) == 1 else Reach.INTERNAL

    port = evil.address.rpartition(":")[2]
    url = lead(evil, f"http://localhost:{port}/secret")
    evil.publish("/secret", TEXT)
    with pytest.raises(SourceError, match="to localhost, which has a private address"):
        get(url.replace("127.0.0.1", "localhost"), SourceAccess(classify=lambda address: rebinding(address)))
    assert "GET /secret" not in evil.queries


def test_a_kept_connection_inside_is_not_used_after_a_redirect(evil: Mirror, inside: Mirror) -> None:
    """The first mirror is private and allowed. A second, public mirror must not lead to it."""
    inside.publish("/secret", TEXT)
    with WebSession(access()) as session:
        assert session.ask(inside.publish("/first", TEXT)).content == TEXT  # read to its end, to keep the connection
        with pytest.raises(SourceError, match="private address"):
            session.ask(lead(evil, f"{inside.address}/secret"))
    assert inside.queries == ["GET /first"]


def test_a_named_host_may_be_inside_and_no_other(evil: Mirror, inside: Mirror) -> None:
    """The user who runs imagesync names the host; a manifest cannot."""
    url = lead(evil, inside.publish("/SUMS", TEXT))
    assert get(url, access("127.0.0.*")) == TEXT
    with pytest.raises(SourceError, match=r"redirects to 127\.0\.0\.2, which is not named by --source-hosts"):
        get(url, access("127.0.0.1"))
    with pytest.raises(SourceError, match=r"127\.0\.0\.2 is not named by --source-hosts"):
        get(f"{inside.address}/SUMS", access("127.0.0.1"))
    note("redirect or URL to a host that --source-hosts does not name", "refused, nothing sent there")


def test_a_private_mirror_may_be_named_and_may_redirect(evil: Mirror, inside: Mirror) -> None:
    """Operators have their own mirrors, which may redirect to public and to private servers."""
    assert get(inside.publish("/SUMS", TEXT), access()) == TEXT
    assert get(lead(inside, evil.publish("/out", TEXT), "/led"), access()) == TEXT
    assert get(lead(inside, f"{inside.address}/SUMS", "/round"), access()) == TEXT
    back = lead(evil, f"{inside.address}/SUMS", "/back")
    with pytest.raises(SourceError, match="private address"):
        get(lead(inside, back, "/out-and-back"), access())


def test_a_link_local_address_is_never_contacted() -> None:
    """At such an address, a cloud gives the credentials of the machine."""
    with mirror("127.0.0.3") as metadata:
        url = metadata.publish("/latest/meta-data", TEXT)
        for rules in (access(), access("*")):
            with pytest.raises(SourceError, match="link-local address, which imagesync never contacts"):
                get(url, rules)
        assert metadata.queries == []
    note("URL with a link-local address (metadata of the machine)", "refused, nothing sent there")


def test_the_address_of_a_proxy_is_not_checked(evil: Mirror, inside: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy usually has a private address. An address in the URL is checked as without a proxy."""
    monkeypatch.setenv("http_proxy", inside.address)
    monkeypatch.setenv("no_proxy", "")
    inside.publish("http://images.example/SUMS", TEXT)
    assert get("http://images.example/SUMS", access()) == TEXT
    lead(inside, "http://10.0.0.5/secret", "http://images.example/led")
    with pytest.raises(SourceError, match=r"to 10\.0\.0\.5, which has a private address"):
        get("http://images.example/led", access())
    assert not any("10.0.0.5" in line for line in inside.queries)


def _basic(words: str) -> str:
    return f"Basic {base64.b64encode(words.encode()).decode()}"


def test_a_netrc_entry_is_for_its_own_host_only(
    evil: Mirror, inside: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``default`` is never used, because it would send credentials to any host that a manifest names."""
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine 127.0.0.2 login me password CANARY\ndefault login me password CANARY\n")
    netrc.chmod(0o600)
    assert get(inside.publish("/own", File(TEXT, login=_basic("me:CANARY"))), access()) == TEXT
    get(evil.publish("/SUMS", TEXT), access())
    get(lead(inside, f"{evil.address}/SUMS", "/led"), access())
    assert evil.logins == []
    note(".netrc with a default entry, and a URL of another host", "no login sent")


def test_a_host_that_is_called_default_gets_no_login(
    evil: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library that reads the file keeps the ``default`` entry under this name."""
    (tmp_path / "netrc").write_text("default login me password CANARY\n")
    (tmp_path / "netrc").chmod(0o600)
    for name, value in (("NETRC", str(tmp_path / "netrc")), ("http_proxy", evil.address), ("no_proxy", "")):
        monkeypatch.setenv(name, value)
    evil.publish("http://default/SUMS", TEXT)
    assert get("http://default/SUMS", access()) == TEXT
    assert evil.logins == []


def test_no_login_is_sent_after_a_redirect_to_another_host(
    evil: Mirror, inside: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the login of the URL, nor that of the netrc file for the other host. The same host gets its login again."""
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    netrc.write_text("machine 127.0.0.1 login me password CANARY\n")
    netrc.chmod(0o600)
    evil.publish("/SUMS", TEXT)
    port = inside.address.rpartition(":")[2]
    led = lead(inside, f"{evil.address}/SUMS", "/led").replace("http://", "http://you:CANARY@")
    assert get(led, access()) == TEXT
    assert evil.logins == []
    inside.publish("/own", File(TEXT, login=_basic("you:p@ss")))
    lead(inside, "/own", "/round")
    assert get(f"http://you:p%40ss@127.0.0.2:{port}/round", access()) == TEXT
    note("redirect to another host, with a login in the URL or in .netrc", "no login sent")


def test_no_login_is_sent_after_a_redirect_to_another_port(
    evil: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server may listen there, with or without TLS. The only exception is from port 80 to port 443."""
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    options += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", *options], check=True, capture_output=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with mirror() as plain, mirror(tls=context) as secure:
        for number, other in enumerate((plain, secure)):
            url = lead(evil, other.publish("/SUMS", TEXT), f"/led{number}").replace("http://", "http://you:CANARY@")
            assert get(url, access()) == TEXT
            assert other.logins == []
        back = lead(secure, evil.publish("/SUMS", TEXT), "/back").replace("https://", "https://you:CANARY@")
        evil.logins.clear()
        assert get(back, access()) == TEXT
        assert evil.logins == []
        assert len(secure.logins) == 1  # the login of the URL itself


def drip(connection: socket.socket) -> None:
    """The beginning of a file, and then the rest slowly."""
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(DATA)}\r\n\r\n".encode() + DATA[:100_000])
    with suppress(OSError):
        for index in range(100_000, 3_000_000, 1_000):
            time.sleep(0.02)
            connection.sendall(DATA[index : index + 1_000])


def test_without_a_digest_no_mirror_continues_for_a_slow_one(evil: Mirror) -> None:
    """Without a digest, nothing shows that both mirrors have the same file, and a half of each could be published."""
    rules = SourceAccess(rate_seconds=0.5, min_rate=200_000)
    with raw_service(drip) as first:
        source = UrlSource((f"{first}/disk", evil.publish("/disk", DATA)))
        with (
            pytest.raises(SourceError, match=r"less than 195 KiB/s"),
            open_source(source, Fingerprint(), disk_format="raw", access=rules) as stream,
        ):
            b"".join(stream)
    assert evil.queries == []


def test_a_slow_mirror_is_given_up_for_the_next(evil: Mirror) -> None:
    """A slow mirror would make the run keep the lease for hours. Each mirror may be slow once."""
    digests = (Checksum("sha256", hashlib.sha256(DATA).hexdigest()),)
    rules = SourceAccess(rate_seconds=0.5, min_rate=200_000)
    with raw_service(drip) as first:
        urls = (f"{first}/disk", evil.publish("/disk", DATA))
        with open_source(UrlSource(urls), Fingerprint(digests), disk_format="raw", access=rules) as stream:
            assert b"".join(stream) == DATA
        begun = time.monotonic()
        only = UrlSource((f"{first}/disk", f"{first}/again"))
        words = r"less than 195 KiB/s for 0 s .read \d+ bytes.*--min-source-rate"
        with (
            pytest.raises(SourceError, match=words),
            open_source(only, Fingerprint(digests), disk_format="raw", access=rules) as stream,
        ):
            b"".join(stream)
        assert time.monotonic() - begun < 60
    assert any(line.startswith("GET /disk from ") for line in evil.queries)
    note("mirror that is slower than 64 KiB/s for a minute", "given up for the next mirror")
