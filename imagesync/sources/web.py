"""URLs of one file, mirrors in order -> its blocks. Network; every failure is one line without credentials or query."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imagesync.errors import SourceError
from imagesync.record import public_url

if TYPE_CHECKING:
    import requests

CHUNK = 2**20
TIMEOUTS = (10.0, 60.0)


@contextmanager
def open_url(urls: Sequence[str]) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Blocks and size (None: not told) of the first mirror that answers."""
    import requests

    failures = []
    with requests.Session() as session:
        for url in urls:
            try:
                answer = _asked(session, url)
            except SourceError as error:
                failures.append(error)
                continue
            with answer:
                length = answer.headers.get("Content-Length", "")
                plain = answer.headers.get("Content-Encoding", "identity") == "identity"
                yield _blocks(answer, url), int(length) if length.isdigit() and plain else None
            return
    raise failures[-1]


def _asked(session: "requests.Session", url: str) -> "requests.Response":
    import requests

    try:
        answer = session.get(url, stream=True, timeout=TIMEOUTS, headers={"Accept-Encoding": "identity"})
    except requests.TooManyRedirects as error:
        raise SourceError(f"{public_url(url)}: redirected in a circle", "correct the URL") from error
    except requests.exceptions.SSLError as error:
        raise SourceError(
            f"{public_url(url)}: the TLS certificate is not accepted", "check the server's name"
        ) from error
    except requests.Timeout as error:
        raise SourceError(f"{public_url(url)}: no answer in {TIMEOUTS[1]:.0f} s", "run apply again") from error
    except requests.RequestException as error:
        raise SourceError(f"{public_url(url)}: no connection", "check the address and the network") from error
    if answer.status_code != 200:
        answer.close()
        raise SourceError(f"{public_url(url)}: HTTP {answer.status_code}", "correct the URL")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        answer.close()
        raise SourceError(f"{public_url(url)}: an HTML page, not an image", "correct the URL")
    return answer


def _blocks(answer: "requests.Response", url: str) -> Iterator[bytes]:
    import requests

    try:
        yield from answer.iter_content(CHUNK)
    except requests.RequestException as error:
        raise SourceError(f"{public_url(url)}: the connection broke", "run apply again") from error
