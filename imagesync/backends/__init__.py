"""Image services behind one protocol: which kinds there are, and how one is opened."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import UsageError


def _open_glance(cloud: str | None) -> Backend:
    from imagesync.backends.glance import open_glance

    return open_glance(cloud)


def _open_local(store: str | None) -> Backend:
    from imagesync.backends.local import open_local

    if store is None:
        raise UsageError("a local store needs a folder", "use --store DIR")
    return open_local(store)


KINDS: Final[Mapping[str, Callable[[str | None], Backend]]] = {"glance": _open_glance, "local": _open_local}


def open_backend(*, cloud: str | None = None, store: Path | str | None = None) -> Backend:
    """A cloud of clouds.yaml (None: that of the ``OS_*`` variables), or the local store in a folder.

    Use it in a ``with`` statement, which closes it.

    UsageError for both at once; else what opening it can raise: UsageError, Unauthorized, Unavailable, BackendError.
    """
    if cloud is not None and store is not None:
        raise UsageError("a cloud and a store at once", "name one of them")
    return KINDS["glance"](cloud) if store is None else KINDS["local"](str(store))
