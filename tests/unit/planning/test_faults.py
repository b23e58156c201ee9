"""Sources that could not be checked."""

from dataclasses import replace

import pytest

from imagesync.model.catalog import Fingerprint, ImageSpec, Place, SourceFault, UrlSource
from imagesync.model.plan import Kind, Plan
from imagesync.model.report import Report
from tests.unit.factories import candidate, catalog, inventory, live, plan, spec
from tests.unit.planning.plans import actions, plan_discard, plan_stage

DEAD = SourceFault("https://x/b.img: HTTP 404", "correct the URL")
BUSY = SourceFault("https://x/b.img: HTTP 503", "try again later", is_passing=True)
NO_LIST = SourceFault("https://x/SUMS: HTTP 404", "correct the URL", hides_content=True)
NO_LIST_NOW = SourceFault("https://x/SUMS: HTTP 503", "try again later", is_passing=True, hides_content=True)
PLACES = {"places": {"source": Place("m.yaml", 4, 7), "url": Place("m.yaml", 5, 9)}}


def make(fault: SourceFault, content: str = "b") -> ImageSpec:
    """A new build of "a" whose source has a fault; of an unknown build there is no digest."""
    known = {} if not fault.hides_content else {"fingerprint": Fingerprint()}
    return spec("a", content, fault=fault, source=UrlSource(("https://x/b.img",)), **PLACES, **known)


def describe(made: Plan) -> tuple[list[tuple[str, ...]], list[str], list[str]]:
    """Steps, errors and notes."""
    return [*actions(made)], [f"{one.key} {one.problem}" for one in made.errors], [*made.notes]


REST = ("Create", "rest", "new")
AT_URL, AT_SOURCE = "a m.yaml:5:9: images.a.source.url", "a m.yaml:4:7: images.a.source.checksum_url"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (DEAD, f"{AT_URL}: https://x/b.img: HTTP 404; correct the URL"),
        (BUSY, f"{AT_URL}: https://x/b.img: HTTP 503; try again later"),
        (NO_LIST, f"{AT_SOURCE}: https://x/SUMS: HTTP 404; correct the URL"),
        (NO_LIST_NOW, f"{AT_SOURCE}: https://x/SUMS: HTTP 503; try again later"),
    ],
)
@pytest.mark.parametrize("maker", [plan, plan_stage])
def test_a_key_without_a_published_image_has_an_error(maker: object, fault: SourceFault, error: str) -> None:
    """Nothing is done for it, the rest is planned."""
    steps, errors, notes = describe(maker(catalog(make(fault), spec("rest")), inventory()))  # type: ignore[operator]
    assert (steps, errors, notes) == ([REST], [error], [])


@pytest.mark.parametrize("fault", [DEAD, NO_LIST])
def test_a_fault_that_stays_is_an_error_of_a_published_image_too(fault: SourceFault) -> None:
    """The image stays with all its fields; another field that changed waits, too."""
    made = plan(
        catalog(make(fault), spec("rest", min_ram=1)), inventory(live(spec("a", min_ram=9), "now"), live(spec("rest")))
    )
    steps, errors, notes = describe(made)
    assert ([step[1] for step in steps], len(errors), notes) == (["id-rest"], 1, [])
    assert (made.unchanged, made.ids["a"]) == (0, "now")


def test_a_build_that_may_come_is_planned() -> None:
    """The size is unknown; apply requests the source again."""
    steps, errors, notes = describe(plan(catalog(make(BUSY)), inventory(live(spec("a"), "now"))))
    assert (steps[0], errors, notes) == (("Create", "a", "content-changed"), [], ["a: https://x/b.img: HTTP 503"])


def test_what_is_wanted_is_not_known_without_the_list() -> None:
    """The published image stays; a candidate is neither published nor dropped."""
    found = inventory(live(spec("a"), "now"), candidate(spec("a", "b")))
    steps, errors, notes = describe(plan(catalog(make(NO_LIST_NOW)), found))
    assert (steps, errors) == ([], [])
    assert notes == ["a: https://x/SUMS: HTTP 503; nothing is done for this key"]


def test_a_source_that_nothing_reads_does_not_matter() -> None:
    """The declared build is already published."""
    assert describe(plan(catalog(make(DEAD, "a")), inventory(live(spec("a"))))) == ([], [], [])


def test_what_refers_to_a_key_with_an_error_waits() -> None:
    """The reference would have no id."""
    user = spec("user", properties={"kernel_id": "${images.a.id}"})
    steps, errors, notes = describe(plan(catalog(make(DEAD), user), inventory()))
    assert (steps, len(errors), len(notes)) == ([], 1, 1)
    assert notes[0].startswith("user: it refers to images.a")


def test_dropping_candidates_has_no_errors() -> None:
    """Dropping candidates reads no source."""
    made = plan_discard(catalog(make(NO_LIST)), inventory(candidate(spec("a", "b"))))
    assert (made.kind, made.errors, [one[0] for one in actions(made)]) == (Kind.DISCARD, (), ["Delete"])


def test_a_run_with_an_error_fails_when_all_steps_are_done() -> None:
    """The exit code is 1, and the check after the run is done, too."""
    report = Report(plan(catalog(make(DEAD)), inventory()), ())
    assert (report.is_carried_out, report.succeeded) == (True, False)


def test_a_published_image_is_left_while_its_checksum_list_is_not_available() -> None:
    """It may be the declared build or not: no field changes and no build is published."""
    known = make(NO_LIST_NOW)
    found = inventory(live(known, "now"), candidate(spec("a", "b")))
    made = plan(catalog(replace(known, min_ram=5)), found)
    assert describe(made) == ([], [], ["a: https://x/SUMS: HTTP 503; nothing is done for this key"])
    assert (made.unchanged, made.ids, [one.image_id for one in made.candidates]) == (0, {"a": "now"}, ["cand"])
    (steps, errors, _) = describe(plan(catalog(replace(known, fault=NO_LIST, min_ram=5)), found))
    assert (steps, errors) == ([], [f"{AT_SOURCE}: https://x/SUMS: HTTP 404; correct the URL"])
