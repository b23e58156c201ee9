"""Manifests -> the texts that travel to the workers, and what a worker cannot use. Reads the manifests and keyrings."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.files import find_files, read_bytes
from imagesync.manifest.merging import Manifest
from imagesync.model.catalog import Catalog, FileSource, ImageSpec, UrlSource


def read_texts(path: Path, catalogs: Iterable[Catalog], *, allow_outside: bool = False) -> tuple[Path, dict[str, str]]:
    """The catalog's folder, and the text of each manifest and keyring by its path relative to that folder.

    ManifestError for a keyring that is not below the folder, or that cannot be read as text.
    """
    files, problems = find_files(path, allow_outside=allow_outside)
    folder = Path(os.path.abspath(path if path.is_dir() else path.parent))
    texts: dict[str, str] = {}
    for file in files:
        content = read_bytes(file)
        if isinstance(content, Diagnostic):
            problems.append(content)
        else:
            texts[os.path.relpath(file.path, folder)] = content.decode("utf-8", "replace")
    for spec, keyring in _list_keyrings(catalogs):
        name = os.path.relpath(keyring, folder)
        try:
            if name.startswith(os.pardir):
                raise ValueError("it is not in the catalog's folder")
            texts[name] = Path(keyring).read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            hint = "a worker needs an ASCII-armored keyring in the catalog's folder"
            problems.append(_describe(spec, "source.signature.keyring", f"cannot be sent to a worker: {reason}", hint))
    if problems:
        raise ManifestError(problems)
    return folder, texts


def _list_keyrings(catalogs: Iterable[Catalog]) -> Iterator[tuple[ImageSpec, str]]:
    for catalog in catalogs:
        for spec in catalog.images:
            if isinstance(spec.source, UrlSource) and (signature := spec.source.signature) is not None:
                yield spec, signature.keyring


def find_what_stays_here(manifest: Manifest, catalogs: Mapping[str, Catalog]) -> list[Diagnostic]:
    """A problem for each source and each store that a worker on another host cannot read."""
    problems = {}
    for name, catalog in catalogs.items():
        store = manifest.targets[name].data.get("store") if name in manifest.targets else None
        if isinstance(store, str) and not os.path.isabs(store):
            place = catalog.target.find_place()
            hint = "write an absolute path, which is a folder on the worker's host, or a cloud"
            message = f"the relative store {store} is a folder on this host, and a worker has another one"
            problems[f"target {name}"] = Diagnostic(
                place.file, place.line, place.column, f"targets.{name}.store", message, hint
            )
        for spec in catalog.images:
            if isinstance(spec.source, FileSource):
                hint = "publish the file on a web server that the workers reach, and declare its url with a checksum"
                message = f"{spec.source.display} is a file on this host, and files never travel to a worker"
                problems[f"image {spec.key}"] = _describe(spec, "source", message, hint)
    return list(problems.values())


def _describe(spec: ImageSpec, field: str, message: str, hint: str) -> Diagnostic:
    place = spec.place
    return Diagnostic(place.file, place.line, place.column, f"images.{spec.key}.{field}", message, hint)
