"""Image services behind one protocol: which kinds there are, and how one is opened."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import UsageError
from imagesync.model.catalog import Target


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


WAYS: Final = "--target NAME, --cloud NAME, --store DIR, OS_CLOUD or OS_* variables, or default_target in the manifest"
ENVIRONMENT_CLOUD: Final = "envvars"
"""What openstacksdk calls the cloud of the ``OS_*`` variables, unless OS_CLOUD_NAME names it."""


def find_environment_cloud() -> str | None:
    """The cloud that the environment names: OS_CLOUD, or that of OS_AUTH_URL or OS_ENDPOINT; None if it names none."""
    if os.environ.get("OS_CLOUD"):
        return os.environ["OS_CLOUD"]
    if any(os.environ.get(name) for name in ("OS_AUTH_URL", "OS_ENDPOINT")):
        return os.environ.get("OS_CLOUD_NAME") or ENVIRONMENT_CLOUD
    return None


def open_target(target: Target, *, clouds_file: Path | str | None = None) -> Backend:
    """The cloud or store of a target, such as that of a catalog; the cloud of the environment if it names neither.

    UsageError if there is none; else what ``open_backend`` raises.
    """
    cloud = target.cloud or (None if target.store else find_environment_cloud())
    if not (cloud or target.store):
        raise UsageError("no target selected", f"use {WAYS}")
    return open_backend(cloud=cloud, store=target.store, clouds_file=clouds_file)


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
