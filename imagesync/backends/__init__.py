"""A target -> an open backend: an image service of a cloud, or a local store. Does I/O when it opens one."""

import os
from pathlib import Path
from typing import Final

from imagesync.backends.base import Backend, MissingStore
from imagesync.errors import UndefinedCloud, UsageError
from imagesync.model.catalog import Target
from imagesync.secrets import show_key


def _open_glance(cloud: str | None, clouds_file: str | None) -> Backend:
    from imagesync.backends.glance import open_glance

    return open_glance(cloud, clouds_file)


def _open_local(store: str, clouds_file: str | None, missing: MissingStore) -> Backend:
    from imagesync.backends.local import open_local

    if clouds_file is not None:
        raise UsageError("--clouds-file cannot be used with a store, which has no clouds", "remove --clouds-file")
    return open_local(store, missing)


WAYS: Final = "pass --cloud NAME or --store DIR, or set OS_CLOUD or OS_* variables"
ENVIRONMENT_CLOUD: Final = "envvars"
"""The name that openstacksdk gives to the cloud of the ``OS_*`` variables, unless OS_CLOUD_NAME sets another."""


def find_environment_cloud() -> str | None:
    """The cloud that the environment selects (OS_CLOUD, or OS_AUTH_URL or OS_ENDPOINT); None if it selects none."""
    if os.environ.get("OS_CLOUD"):
        return os.environ["OS_CLOUD"]
    if any(os.environ.get(name) for name in ("OS_AUTH_URL", "OS_ENDPOINT")):
        return os.environ.get("OS_CLOUD_NAME") or ENVIRONMENT_CLOUD
    return None


def open_target(
    target: Target, *, clouds_file: Path | str | None = None, missing_store: MissingStore = MissingStore.CREATE
) -> Backend:
    """The backend of a target: its cloud or store, or the environment's cloud if the target names neither.

    UsageError if no cloud or store is selected. Also raises what ``open_backend`` raises.
    """
    cloud = target.cloud or (None if target.store else find_environment_cloud())
    if not (cloud or target.store):
        raise UsageError("no cloud or store selected", WAYS)
    try:
        return open_backend(cloud=cloud, store=target.store, clouds_file=clouds_file, missing_store=missing_store)
    except UndefinedCloud as error:
        if target.name is None:
            raise
        sentence = f"targets.{show_key(target.name)}.cloud: {error.message}"
        raise UndefinedCloud(target.find_place().add_to(sentence), error.hint) from error


def open_backend(
    *,
    cloud: str | None = None,
    store: Path | str | None = None,
    clouds_file: Path | str | None = None,
    missing_store: MissingStore = MissingStore.CREATE,
) -> Backend:
    """The backend of a cloud of clouds.yaml (None: the cloud of the ``OS_*`` variables), or of a local store.

    ``clouds_file`` replaces the user's and the system's clouds.yaml. imagesync reads no settings from the working
    directory unless ``clouds_file`` names a file there. ``missing_store``: what happens if the store does not exist. A
    ``with`` statement closes the backend.

    UsageError if both a cloud and a store are given, or if the settings are wrong; Unauthorized, Unavailable or
    BackendError if the backend cannot be opened.
    """
    if cloud is not None and store is not None:
        raise UsageError(f"both a cloud ({cloud}) and a store ({store}) are given", "name only one of them")
    named = None if clouds_file is None else str(clouds_file)
    return _open_glance(cloud, named) if store is None else _open_local(str(store), named, missing_store)
