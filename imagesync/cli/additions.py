"""A file or URL -> an entry in a manifest, checked before it is written. Reads the source; writes one file.

What can be checked without the source is checked first: a source may take minutes.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import typer

from imagesync.cli.catalogs import load_every_catalog
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.files import replace_content
from imagesync.cli.new_entries import Sketch, make_entry, read_name
from imagesync.cli.options import Options
from imagesync.cli.pasting import format_command
from imagesync.cli.streams import say
from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, SourceError, UsageError
from imagesync.manifest.export import KEY, slug
from imagesync.manifest.files import NO_MANIFEST, Found, find_files, read_bytes
from imagesync.manifest.insertion import insert_image
from imagesync.manifest.loader import read_manifest
from imagesync.manifest.merging import Manifest
from imagesync.manifest.yaml_writer import yaml_text
from imagesync.model.catalog import FileSource, UrlSource, Visibility
from imagesync.model.urls import find_url_problem, is_address_without_scheme, redact_url
from imagesync.paths import MOVE, find_place_problem
from imagesync.secrets import is_secret, is_secret_name, show_key
from imagesync.sources.access import SourceAccess
from imagesync.sources.list_search import FoundList, find_list_of_file, find_list_of_url, find_signature
from imagesync.sources.local_files import UNREADABLE, explain_unreadable_file, open_regular_file
from imagesync.sources.probing import measure_source, recognize_source
from imagesync.sources.stream import SourceStream
from imagesync.text import make_printable, quote_word

BOM: Final = b"\xef\xbb\xbf"
MAX_KEYRING_BYTES: Final = 4 * 2**20
REPORTED: Final = 256 * 2**20
"""Bytes between two lines about the progress of a download."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants to add. ``source``: a URL or the path of a file; ``file``: the manifest for the entry."""

    source: str
    key: str | None = None
    name: str | None = None
    visibility: Visibility = Visibility.PRIVATE
    file: Path | None = None
    keyring: Path | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The manifest file that gets the entry, its content, and the folder of the whole catalog."""

    found: Found
    content: bytes
    base: str

    @property
    def text(self) -> str:
        """The text of the file, without a byte order mark."""
        return self.content.removeprefix(BOM).decode("utf-8")

    def encode(self, text: str) -> bytes:
        """The content of the file with another text."""
        return (BOM if self.content.startswith(BOM) else b"") + text.encode("utf-8")

    def make_relative(self, path: Path) -> str:
        """A path for the manifest: relative to the file that has it."""
        return os.path.relpath(path, self.found.folder)


def add_image(wish: Wish, path: Path, options: Options, *, is_quiet: bool = False) -> ExitCode:
    """Add the entry of an image to a catalog; or only print it."""
    manifest = _read_manifest(path, options)
    place = _choose_file(manifest, path, wish.file, options)
    source = _make_source(wish.source, place, options)
    stem = read_name(wish.source) or wish.name
    if stem is None:
        raise UsageError("the source has no name that can be used for the image", "pass --key KEY --name NAME")
    name, key = wish.name or stem, _choose_key(manifest, wish.key, stem)
    draft = partial(make_entry, name=name, visibility=wish.visibility)
    if not wish.dry_run:
        insert_image(place.text, place.found.display, key, draft(Sketch(source)))
    sketch, notes = _examine(source, place, wish, options.make_access())
    entry = draft(sketch)
    lines = yaml_text({key: entry}).splitlines()
    if wish.dry_run or not is_quiet:
        typer.echo("\n".join([f"New entry for {place.found.display}:", *(f"  {line}" for line in lines)]))
    for note in notes:
        say(f"Note: {note}")
    after = place.encode(insert_image(place.text, place.found.display, key, entry))
    _validate(path, options, place, after)
    if wish.dry_run:
        return ExitCode.DONE
    replace_content(Path(place.found.path), place.content, after)
    command = format_command("apply", None if path == Path() else path, options)
    if not is_quiet:
        typer.echo(f"Added {key}. Next: {command}")
    return ExitCode.DONE


def _read_manifest(path: Path, options: Options) -> Manifest:
    """The manifests of the catalog; its problems are reported with the entry. UsageError if there is no manifest."""
    _, problems = find_files(path, allow_outside=options.allow_outside)
    if any(problem.message == NO_MANIFEST for problem in problems):
        after = "" if path == Path() else f" {quote_word(str(path))}"
        raise UsageError(f"{make_printable(str(path))}: {NO_MANIFEST}", f"create a catalog: imagesync init{after}")
    return read_manifest(path, allow_outside=options.allow_outside)


def _choose_file(manifest: Manifest, path: Path, wanted: Path | None, options: Options) -> Place:
    """The file for the entry: that of ``--file``, else the one that declares the catalog; UsageError if it is a link."""
    files, _ = find_files(path, allow_outside=options.allow_outside)
    if wanted is not None:
        real = {os.path.realpath(place) for place in (wanted, path / wanted)}
        chosen = next((found for found in files if found.real in real), None)
        if chosen is None:
            message = f"--file {make_printable(str(wanted))}: not a manifest of the catalog {make_printable(str(path))}"
            raise UsageError(message, f"name one of its files, for example {files[0].display}")
    else:
        part = manifest.single.get("catalog")
        chosen = next((found for found in files if part is not None and found.display == part.file), files[0])
    if os.path.islink(chosen.path):
        message = f"{chosen.display} is a link, and imagesync writes nothing through links"
        raise UsageError(message, f"name the file itself: {make_printable(chosen.real)}")
    content = read_bytes(chosen)
    if isinstance(content, Diagnostic):
        raise ManifestError([content])
    return Place(chosen, content, manifest.base)


def _make_source(text: str, place: Place, options: Options) -> FileSource | UrlSource:
    """The source; UsageError for a wrong URL, one with a secret, or a file that cannot be read or is elsewhere."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return _make_url_source(text)
    path = os.path.abspath(text)
    if why := explain_unreadable_file(path):
        is_url = is_address_without_scheme(text) and not os.path.lexists(path)
        hint = "if it is a URL, write https:// before it" if is_url else UNREADABLE
        raise UsageError(f"{show_key(text)}: {why}", hint)
    if not options.allow_outside and (problem := find_place_problem(path, place.base)):
        raise UsageError(f"{show_key(text)}: {problem} ({make_printable(place.base)})", MOVE)
    return FileSource(path, place.make_relative(Path(path)))


def _make_url_source(url: str) -> UrlSource:
    if problem := find_url_problem(url):
        raise UsageError(f"the URL {problem[0]}" if problem[0].startswith("holds") else problem[0], problem[1])
    parts = urlsplit(url)
    if "@" in parts.netloc:
        message = f"{redact_url(url)}: the URL has a log-in, which the manifest would show to all its readers"
        raise UsageError(
            message, f"write the log-in into ~/.netrc (machine {parts.hostname}), and pass the URL without it"
        )
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if is_secret(f"?{parts.query}") or any(is_secret_name(name) or is_secret(value) for name, value in pairs):
        message = f"{redact_url(url)}: the query of the URL looks like a secret, which the manifest would show to all its readers"
        raise UsageError(message, "pass a URL without it, or download the file and add that")
    return UrlSource((url,))


def _choose_key(manifest: Manifest, given: str | None, name: str) -> str:
    """The key: that of ``--key``, or made from the name; UsageError if it is not valid, or taken."""
    key = given if given is not None else slug(name)
    if not KEY.fullmatch(key):
        if given is None:
            raise UsageError(f"no key can be made from the name {show_key(name)}", "pass --key KEY")
        raise UsageError(
            f"--key {show_key(key)}: not a valid key", "use at most 64 letters, digits, and the characters . _ -"
        )
    for section, parts in (("images", manifest.images), ("removed", manifest.removed)):
        for other, part in parts.items():
            if other.lower() == key.lower():
                where = f"{part.file}:{part.node.key_line}"
                raise UsageError(
                    f"the catalog has the key {other} in {section} already ({where})", "pass another one: --key KEY"
                )
    return key


def _examine(
    source: FileSource | UrlSource, place: Place, wish: Wish, access: SourceAccess
) -> tuple[Sketch, list[str]]:
    """What is read from the source and from its checksum list; and notes about the digest."""
    try:
        return _read_source(source, place, wish, access)
    except SourceError as error:
        display = source.display
        if display in error.message:
            raise
        raise SourceError(f"{show_key(display)}: {error.message}", error.hint) from error


def _read_source(
    source: FileSource | UrlSource, place: Place, wish: Wish, access: SourceAccess
) -> tuple[Sketch, list[str]]:
    kind = recognize_source(source, access)
    if isinstance(source, FileSource):
        listed = find_list_of_file(Path(source.path))
        digests = listed.digests if listed else ()
        measure = measure_source(source, kind, access, expected=digests, reads_all=True)
        notes = [f"{Path(listed.place).name} has this digest of the file"] if listed else []
        return Sketch(source, kind, measure), notes
    listed = find_list_of_url(source.urls[0], access)
    if listed is None:
        if wish.keyring:
            raise ImagesyncError(
                "no checksum list was found beside the URL, so there is no signature", "omit --keyring"
            )
        measure = measure_source(source, kind, access, reads_all=True, report=make_reporter(source))
        note = (
            "no checksum list was found beside the URL. The checksum is that of the data of today, from one download; "
            "compare it with what the publisher names"
        )
        return Sketch(source, kind, measure), [note]
    measure = measure_source(source, kind, access, reads_all=False)
    if wish.keyring:
        signature, keyring = _verify(listed, wish.keyring, place, access)
        return Sketch(source, kind, measure, listed, signature, keyring), []
    note = "the signature of the checksum list is not checked; to check it on each run, pass --keyring FILE"
    return Sketch(source, kind, measure, listed), [note]


def _verify(listed: FoundList, keyring: Path, place: Place, access: SourceAccess) -> tuple[str, str]:
    """The URL of the list's signature, and the path of the keyring for the manifest."""
    from imagesync.sources.signatures import verify_signature

    try:
        with open_regular_file(str(keyring)) as file:
            keys = file.read(MAX_KEYRING_BYTES)
    except OSError as error:
        raise UsageError(
            f"--keyring {show_key(str(keyring))}: {error.strerror or error.args[1]}", UNREADABLE
        ) from error
    url = find_signature(
        listed, lambda signature: verify_signature(listed.content, signature, keys, show_key(str(keyring))), access
    )
    return url, place.make_relative(keyring.absolute())


def make_reporter(source: UrlSource) -> Callable[[SourceStream], None]:
    """Prints a line at the start of a long download, and one for each further part of it."""
    last = -REPORTED

    def report(stream: SourceStream) -> None:
        nonlocal last
        if stream.read - last >= REPORTED:
            last = stream.read
            share = f" of {stream.published_size / 2**20:,.0f}" if stream.published_size else ""
            say(f"reading {redact_url(source.urls[0])} for its digest: {stream.read / 2**20:,.0f}{share} MiB")

    return report


def _validate(path: Path, options: Options, place: Place, content: bytes) -> None:
    """ManifestError with all problems of the catalog with the entry."""
    checked = Options(set_values=options.set_values, allow_outside=options.allow_outside, no_source_check=True)
    try:
        load_every_catalog(path, checked, edited={place.found.real: content})
    except ManifestError:
        say("Nothing was changed: with this entry, the catalog has these problems:")
        raise
