"""A plan is saved and read back."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    KnownContent,
    Method,
    Role,
    Signature,
    Source,
    SourceFault,
    Status,
    Transfer,
    UrlSource,
)
from imagesync.model.image import Identity
from imagesync.model.plan import (
    Action,
    Candidate,
    Create,
    Deactivate,
    Delete,
    Fate,
    FieldChange,
    ImageState,
    Kept,
    Kind,
    Plan,
    PlanError,
    Reactivate,
    Reason,
    Reliance,
    Step,
    Update,
)
from imagesync.model.policy import OnReplace
from imagesync.model.record import Managed, Record
from imagesync.planfile.reader import decode_plan
from imagesync.planfile.writer import encode_plan
from tests.unit.factories import candidate, catalog, digest, inventory, live, plan, retired, spec
from tests.unit.planning.plans import plan_discard, plan_rollback, plan_stage


@pytest.mark.parametrize("kind", list(Kind))
def test_a_plan_of_any_kind_is_saved_and_read_back(kind: Kind) -> None:
    """With kept images and candidates."""
    wanted = catalog(spec("a", "d", on_replace=OnReplace(keep=2, delete_after=9)), spec("b"), base="/images")
    found = inventory(
        live(spec("a", "c"), "now", generation=3),
        retired(spec("a", "b"), "old", 2),
        candidate(spec("a", "e")),
        candidate(spec("b"), "rejected", status=Status.DEACTIVATED),
    )
    match kind:
        case Kind.APPLY:
            made = plan(wanted, found)
        case Kind.STAGE:
            made = plan_stage(wanted, found)
        case Kind.DISCARD:
            made = plan_discard(wanted, found)
        case Kind.ROLLBACK:
            made = plan_rollback(wanted, found)
    assert made.steps
    document = encode_plan(made, tool="test", folder="/images")
    assert decode_plan(document, folder="/images", display="plan.json") == made


def test_errors_of_keys_are_saved_and_read_back() -> None:
    """A plan without errors has no such member, as in earlier versions."""
    fault = SourceFault("https://x/a: HTTP 404", "correct the URL")
    source = UrlSource(("https://x/a.raw",))
    made = plan(catalog(spec("a", source=source, fault=fault), base="/images"), inventory())
    document = encode_plan(made, tool="test", folder="/images")
    assert [error["message"] for error in document["errors"]] == ["https://x/a: HTTP 404"]
    assert decode_plan(document, folder="/images", display="plan.json") == made
    sound = plan(catalog(spec("a"), base="/images"), inventory())
    assert "errors" not in encode_plan(sound, tool="test", folder="/images")


@pytest.mark.parametrize("part", ["message", "hint"])
def test_no_error_of_a_saved_plan_shows_what_looks_like_a_secret(part: str) -> None:
    """A file that is kept and handed on; the rule that found the problem may have forgotten to hide the value."""
    secret = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cE1fG3hJ5"
    changed: Any = {part: f"it is {secret} here"}
    fault = replace(SourceFault("https://x/a: HTTP 404", "correct the URL"), **changed)
    made = plan(catalog(spec("a", source=UrlSource(("https://x/a.raw",)), fault=fault), base="/images"), inventory())
    document = encode_plan(made, tool="test", folder="/images")
    assert secret not in json.dumps(document)
    assert "not shown: looks like a secret) here" in document["errors"][0][part]


@pytest.mark.parametrize("verify", [True, False])
def test_a_saved_plan_has_unverified_digests(verify: bool) -> None:
    """``verify: none``, and the digest that the record will have as declared."""
    source = UrlSource(("https://x/a.raw",), transfer=Transfer(method=Method.WEB_DOWNLOAD, verify=verify))
    made = plan(catalog(spec("a", source=source), base="/images"), inventory())
    document = encode_plan(made, tool="test", folder="/images")
    (step,) = document["steps"]
    assert step["source"]["transfer"]["verify"] is verify
    assert (step["record"]["digests"], step["record"]["declared"]) == ([], [str(digest("a"))])
    assert any("verify: none" in note for note in document["notes"]) is not verify
    assert decode_plan(document, folder="/images", display="plan.json") == made


def test_a_saved_plan_has_no_query_and_no_log_in_of_any_url() -> None:
    """Of the data, a mirror, the checksum list, its signature."""
    place = "https://me:pass-word@x.example/{}?token=se-cret"
    signature = Signature(place.format("sig"), "/images/keys", "keys")
    urls = (place.format("a.raw"), place.format("b.raw"))
    source = UrlSource(urls, checksum_url=place.format("SUMS"), signature=signature)
    document = encode_plan(plan(catalog(spec("a", source=source), base="/images"), inventory()), tool="t", folder="/")
    assert "se-cret" not in json.dumps(document)
    assert "pass-word" not in json.dumps(document)
    (step,) = document["steps"]
    assert step["source"]["checksum_url"] == "https://x.example/SUMS"
    assert step["source"]["signature"]["url"] == "https://x.example/sig"
    assert [url["url"] for url in step["source"]["urls"]] == ["https://x.example/a.raw", "https://x.example/b.raw"]


TRANSFER = Transfer(Compression.XZ, Method.GLANCE_DIRECT, ("s1", "s2"), True, False, True, 1001, 1002)
OTHER_TRANSFER = replace(TRANSFER, all_stores=False, verify=True, inspect=False)
SIGNED = Signature("https://x.example/SUMS.sig", "/co/images/keys/vendor.asc", "keys/vendor.asc")
SOURCES: tuple[Source, ...] = (
    FileSource("/co/images/d/a.raw", "d/a.raw", digest("a"), "https://x.example/SUMS", "e1", SIGNED, TRANSFER),
    UrlSource(
        ("https://x.example/a", "https://y.example/a"), digest("b"), "https://x.example/S", "e2", SIGNED, OTHER_TRANSFER
    ),
    KnownContent(Checksum("sha1", "c" * 40)),
    Content.NO_DATA,
    Content.UNMANAGED,
)
MANAGED = Managed(
    {"name": "h1"},
    {"h2": "h3"},
    ("h4",),
    ("h5",),
    6,
    "https://x.example/o",
    "t7",
    {"hidden": False, "tags": ["a"]},
    8,
    "k9",
)
RECORD = Record(
    "base", "a", Role.RETIRED, (digest("d"),), "u" * 64, "s" * 32, MANAGED, None, False, True, (digest("e"),)
)
CHANGES = (
    FieldChange(("properties", "a.b"), "x", None, Reason.DRIFT),
    FieldChange(("tags",), (), ("t", "u"), Reason.EXPIRED),
    FieldChange(("min_ram",), 1, 2, Reason.ADOPT),
    FieldChange(("hidden",), False, True, Reason.SUPERSEDED),
)
STATE = ImageState(
    {"name": "n", "visibility": "shared", "hidden": True, "protected": True, "min_disk": 3, "min_ram": 4},
    {"p": "q"},
    ("t", "u"),
    ("m1", "m2"),
)


def image_id(number: int) -> str:
    """A different id for each number."""
    return f"00000000-0000-4000-8000-{number:012}"


def make_full_plan() -> Plan:
    """Each kind of step and of source, with a value of its own in every field.

    No value is the default, and no two Booleans are always equal.
    """
    prints = Fingerprint((digest("f"), Checksum("md5", "1" * 32)), 4097)
    ids = (image_id(1), image_id(2), (image_id(3), image_id(4)))
    more = ((image_id(5), image_id(6)), CHANGES)
    actions: list[Action] = [
        Create(f"k{number}", STATE, source, prints, RECORD, *ids, number % 2 == 0, number % 2 == 1, *more)
        for number, source in enumerate(SOURCES)
    ]
    actions_on_images: tuple[Action, ...] = (
        Update("a", image_id(7), CHANGES, RECORD, (digest("b"), Checksum("sha512", "2" * 128))),
        Update("a", image_id(8), (), None),
        Deactivate("a", image_id(9)),
        Reactivate("a", image_id(10)),
        Delete("a", image_id(11), 12, True),
    )
    steps = [
        Step(f"s{n}", one, list(Reason)[n], (f"n{n}", "m")) for n, one in enumerate((*actions, *actions_on_images))
    ]
    return Plan(
        "base",
        Identity("glance", "https://cloud.example", "project", "the project", "region", "label"),
        tuple(steps),
        (Reliance(image_id(13), "a", {"name": "n", "tags": ("t",), "min_ram": 5, "hidden": True, "owner": None}),),
        ("k1", "k2"),
        {"a": image_id(14)},
        15,
        16,
        17,
        ("r1", "r2"),
        ("c1", "c2"),
        ("a note",),
        f"sha256:{'3' * 64}",
        "/co/images",
        "eu",
        Kind.ROLLBACK,
        (
            Kept("a", image_id(18), 19, 20, "2027-01-02", True, False),
            Kept("a", image_id(23), 24, 25, "2027-01-03", False, True),
        ),
        (Candidate("a", image_id(21), "2026-11-01T00:00:00Z", Fate.UNWANTED),),
        {"a": "f" * 32},
        (image_id(22),),
        {"a": "2027-02-03"},
        (PlanError("b", Diagnostic("m.yaml", 25, 26, "images.b.source.url", "HTTP 404", "correct the URL")),),
        "2026-11-23T12:00:00+00:00",
        moved={"old": "a"},
    )


def list_values(value: object) -> Iterator[object]:
    """All the dataclasses that a value consists of."""
    if is_dataclass(value) and not isinstance(value, type):
        yield value
        parts: list[object] = [getattr(value, one.name) for one in fields(value)]
    elif isinstance(value, Mapping):
        parts = list(value.values())
    else:
        parts = list(value) if isinstance(value, tuple) else []
    for part in parts:
        yield from list_values(part)


def has_default(value: object, one: Field[object]) -> bool:
    """Whether a field of a value has its default."""
    usual = one.default if one.default_factory is MISSING else one.default_factory()
    return bool(getattr(value, one.name) == usual)


def test_every_field_of_a_plan_comes_back_from_a_saved_one() -> None:
    """None is lost, and none takes the place of another, those that the values themselves do not compare included."""
    made = make_full_plan()
    document = json.loads(json.dumps(encode_plan(made, tool="test", folder="/co")))
    found = decode_plan(document, folder="/co", display="plan.json")
    assert found == made
    assert list_uncompared(found) == list_uncompared(made)


def list_uncompared(plan: Plan) -> list[tuple[str, object]]:
    """The values of all fields that do not count where two plans are compared."""
    return [
        (one.name, getattr(value, one.name))
        for value in list_values(plan)
        for one in fields(value)  # type: ignore[arg-type]  # only dataclasses are listed
        if not one.compare and one.name not in ("places", "follow_up", "excerpt")
    ]


def test_the_plan_of_that_test_has_a_value_in_every_field() -> None:
    """Except fields of running records, which no plan makes, and of the manifest itself."""
    values = list(list_values(make_full_plan()))
    for kind in {type(value) for value in values}:
        for one in fields(kind):  # type: ignore[arg-type]
            given = [value for value in values if type(value) is kind and not has_default(value, one)]
            assert given or one.name in ("nonce", "unverified", "places", "follow_up", "excerpt"), (
                f"{kind.__name__}.{one.name}"
            )


def test_paths_of_a_saved_plan_follow_its_file() -> None:
    """In another checkout the base, the files and the keyrings are found there."""
    made = make_full_plan()
    document = encode_plan(made, tool="test", folder="/co")
    assert "/co" not in json.dumps(document)
    found = decode_plan(document, folder="/elsewhere/co", display="plan.json")
    signed = replace(SIGNED, keyring="/elsewhere/co/images/keys/vendor.asc")
    file, url = (step.action.source for step in found.steps[:2] if isinstance(step.action, Create))
    assert found.base == "/elsewhere/co/images"
    assert isinstance(file, FileSource)
    assert isinstance(url, UrlSource)
    assert (file.path, file.signature, url.signature) == ("/elsewhere/co/images/d/a.raw", signed, signed)
