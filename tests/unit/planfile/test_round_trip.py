"""A plan saved and read back."""

import json

import pytest

from imagesync.model.catalog import Method, Signature, Status, Transfer, UrlSource
from imagesync.model.plan import Create, Kind
from imagesync.model.policy import OnReplace
from imagesync.planfile.reader import plan_from_json
from imagesync.planfile.writer import plan_to_json
from tests.unit.factories import candidate, catalog, digest, inventory, live, plan, retired, spec
from tests.unit.planning.plans import plan_discard, plan_rollback, plan_stage


@pytest.mark.parametrize("kind", list(Kind))
def test_a_plan_of_any_kind_is_saved_and_read_back(kind: Kind) -> None:
    """Kept images and candidates too."""
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
    document = plan_to_json(made, tool="test", folder="/images")
    assert plan_from_json(document, folder="/images", shown="plan.json") == made


@pytest.mark.parametrize("verify", [True, False])
def test_what_is_not_verified_stands_in_a_saved_plan(verify: bool) -> None:
    """The manifest's word, and the digest that the record will claim on trust only."""
    source = UrlSource(("https://x/a.raw",), transfer=Transfer(method=Method.WEB_DOWNLOAD, verify=verify))
    made = plan(catalog(spec("a", source=source), base="/images"), inventory())
    document = plan_to_json(made, tool="test", folder="/images")
    (step,) = document["steps"]
    assert step["source"]["transfer"]["verify"] is verify
    assert (step["record"]["digests"], step["record"]["declared"]) == ([], [str(digest("a"))])
    assert any("verify: none" in note for note in document["notes"]) is not verify
    assert plan_from_json(document, folder="/images", shown="plan.json") == made


def test_no_query_and_no_log_in_of_any_url_stands_in_a_saved_plan() -> None:
    """Of the data, of a mirror, of the list of digests, of its signature."""
    place = "https://me:pass-word@x.example/{}?token=se-cret"
    signature = Signature(place.format("sig"), "/images/keys", "keys")
    urls = (place.format("a.raw"), place.format("b.raw"))
    source = UrlSource(urls, checksum_url=place.format("SUMS"), signature=signature)
    document = plan_to_json(plan(catalog(spec("a", source=source), base="/images"), inventory()), tool="t", folder="/")
    assert "se-cret" not in json.dumps(document)
    assert "pass-word" not in json.dumps(document)
    (step,) = document["steps"]
    assert step["source"]["checksum_url"] == "https://x.example/SUMS"
    assert step["source"]["signature"]["url"] == "https://x.example/sig"
    assert [url["url"] for url in step["source"]["urls"]] == ["https://x.example/a.raw", "https://x.example/b.raw"]


@pytest.mark.parametrize("entry", ["disk-1.raw", None])
def test_the_entry_of_a_checksum_list_is_kept(entry: str | None) -> None:
    """Only where one is declared: plans of earlier versions have no such field."""
    source = UrlSource(("https://x/a.raw",), checksum_url="https://x/SUMS", checksum_entry=entry)
    made = plan(catalog(spec("a", source=source), base="/images"), inventory())
    document = plan_to_json(made, tool="test", folder="/images")
    assert ("checksum_entry" in document["steps"][0]["source"]) is (entry is not None)
    (step,) = plan_from_json(document, folder="/images", shown="plan.json").steps
    assert isinstance(step.action, Create)
    assert isinstance(step.action.source, UrlSource)
    assert step.action.source.checksum_entry == entry
