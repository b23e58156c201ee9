"""Image services behind one protocol: which kinds there are, and how one is opened."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import UsageError


def _open_glance(cloud: str | None, clouds_file: str | None) -> Backend:
    from imagesync.backends.glance import open_glance

    return open_glance(cloud, clouds_file)


def _open_local(store: str | None, clouds_file: str | None) -> Backend:
    from imagesync.backends.local import open_local

    if clouds_file is not None:
        raise UsageError("--clouds-file is for a cloud, not for a store", "leave it out")
    if store is None:
        raise UsageError("a local store needs a folder", "use --store DIR")
    return open_local(store)


KINDS: Final[Mapping[str, Callable[[str | None, str | None], Backend]]] = {"glance": _open_glance, "local": _open_local}


def open_backend(
    *, cloud: str | None = None, store: Path | str | None = None, clouds_file: Path | str | None = None
) -> Backend:
    """A cloud of clouds.yaml (None: that of the ``OS_*`` variables), or the local store in a folder.

    ``clouds_file`` is read instead of the user's and the system's clouds.yaml; no settings are ever read from the working
    directory by themselves. Use it in a ``with`` statement, which closes it.

    UsageError for both at once; else what opening it can raise: UsageError, Unauthorized, Unavailable, BackendError.
    """
    if cloud is not None and store is not None:
        raise UsageError("a cloud and a store at once", "name one of them")
    named = None if clouds_file is None else str(clouds_file)
    return KINDS["glance"](cloud, named) if store is None else KINDS["local"](str(store), named)
