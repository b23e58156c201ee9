"""How many bytes the URLs of a plan hold: whose servers are asked, and how often."""

import pytest

from imagesync.model.catalog import Fingerprint, Method, Transfer, UrlSource
from imagesync.sources import Sizes
from imagesync.sources.access import SourceAccess
from tests.unit.factories import catalog, digest, inventory, live, plan, spec

NOBODY = "http://127.0.0.1:9/a.raw"
"""No server has this port."""


@pytest.mark.parametrize("method", list(Method), ids=lambda method: method.name)
def test_only_servers_whose_bytes_come_by_here_are_asked(method: Method) -> None:
    """What the service fetches itself need not be reachable from here: no question, and no fault if nobody answers."""
    source = UrlSource((NOBODY,), digest("a"), transfer=Transfer(method=method))
    wanted = catalog(spec("a", source=source, fingerprint=Fingerprint((digest("a"),))))
    sizes, made = Sizes(SourceAccess()), plan(wanted, inventory())
    is_asked = method is not Method.WEB_DOWNLOAD
    assert sizes.learn(made, 1) is is_asked
    assert any(one.fault for one in sizes.fill_in(wanted).images) is is_asked
    assert not sizes.learn(made, 1)


def test_nobody_is_asked_for_what_is_not_made() -> None:
    """A catalog that is as wanted costs no question."""
    source = UrlSource((NOBODY,), digest("a"))
    wanted = spec("a", source=source, fingerprint=Fingerprint((digest("a"),)))
    assert not Sizes(SourceAccess()).learn(plan(catalog(wanted), inventory(live(wanted))), 1)
