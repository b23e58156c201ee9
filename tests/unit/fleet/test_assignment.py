"""What travels to a worker, and what a worker does with an assignment that no command would send."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync.errors import ManifestError, UsageError
from imagesync.fleet.assignment import Assignment, FleetOrder, Limits, ManifestTexts, decode
from imagesync.fleet.task import carry_out, explain_stop
from imagesync.model.policy import Limit, Policy
from imagesync.run import Settings
from imagesync.targets.messages import Task, Verb, encode_ended
from imagesync.version import __version__


def make_assignment(files: Mapping[str, str], path: str = "m.yaml", **more: Any) -> Assignment:
    """A plan of target ``a`` from these files."""
    texts = ManifestTexts(files, path, "/catalog", "", "/catalog")
    return Assignment(
        Task("a", Verb.PLAN), FleetOrder(__version__, "run", texts, **more), "imagesync unlock . --target a"
    )


def carry(assignment: Assignment) -> list[Mapping[str, Any]]:
    """The messages of an assignment."""
    sent: list[Mapping[str, Any]] = []
    carry_out(assignment, sent.append, threading.Event())
    return sent


def test_an_assignment_survives_the_journey() -> None:
    """With every field."""
    limits = Limits(Limit(3), Limit(10, percent=True), allow_protected=True, drift_only=True)
    texts = ManifestTexts(
        {"m.yaml": "version: 1"}, ".", "/c", "c/", "/o", {"x": "1"}, ("k",), True, ("h",), 7, False, True
    )
    order = FleetOrder("1", "run", texts, limits, 3, 61.0, True, True)
    sent = Assignment(Task("a", Verb.APPLY, ("a", "b")), order, "unlock", {"plan": 1}, {"plan": 2})
    assert decode(sent.encode()) == sent


def test_limits_replace_those_of_the_manifest_only_if_they_were_given() -> None:
    """Permissions are those of the command line."""
    declared = Policy(max_delete=Limit(9), max_update=Limit(8), allow_protected=True)
    policy = Limits(max_update=Limit(1)).apply(declared)
    assert (policy.max_delete, policy.max_update, policy.allow_protected) == (Limit(9), Limit(1), False)


@pytest.mark.parametrize(
    ("images", "store", "message"),
    [
        ("{one: {source: a.raw}}", "/stores/a", "is a file on this host"),
        ("{one: {source: none}}", "stores/a", "the relative store stores/a is a folder on this host"),
    ],
)
def test_a_worker_refuses_what_never_travels(images: str, store: str, message: str) -> None:
    """Although the command sent it: files beside the manifest would be those of the worker's host."""
    head = "version: 1\ncatalog: base\ndefaults: {disk_format: raw, container_format: bare}\n"
    text = f"{head}targets: {{a: {{store: {store}}}}}\nimages: {images}\n"
    assignment = make_assignment({"m.yaml": text, "a.raw": "data"})
    order = replace(assignment.order, texts=replace(assignment.order.texts, allow_outside=True))
    with pytest.raises(ManifestError) as raised:
        carry(replace(assignment, order=order))
    assert message in str(raised.value)


@pytest.mark.parametrize("name", ["../m.yaml", "/tmp/m.yaml", "a/../../m.yaml"])
def test_a_file_outside_of_the_catalog_is_not_written(name: str) -> None:
    """Whatever its name is."""
    with pytest.raises(UsageError, match="is not below the catalog's folder"):
        carry(make_assignment({name: "version: 1"}))


def test_a_plan_has_the_paths_of_the_user(tmp_path: Path) -> None:
    """Not those of the temporary folder on the worker, and the base relative to the file for the plans."""
    text = f"version: 1\ncatalog: base\ntargets: {{a: {{store: {tmp_path}/s}}}}\nimages: {{one: {{source: none}}}}\n"
    assignment = make_assignment({"m.yaml": text})
    texts = replace(
        assignment.order.texts, allow_outside=True, folder="/home/x/images", display="images/", out="/home/x"
    )
    planned, ended = carry(replace(assignment, order=replace(assignment.order, texts=texts)))
    assert planned["plan"]["manifest"]["base"] == "images"
    assert (planned["folder"], planned["places"]) == ("/home/x", {"one": "images/m.yaml:4:10"})
    assert "imagesync-fleet-" not in str(planned)
    assert ended["problems"] == []


def test_a_task_that_its_worker_interrupts_says_so() -> None:
    """A task that ended by itself, or has another problem, does not."""
    report = {"results": [], "interrupted": True, "stopped": "", "leftover": []}
    stopped = explain_stop({**encode_ended(), "report": report}, "w1")
    assert stopped["problems"][0]["message"] == "worker w1 was stopped while it worked for this target"
    for document in ({**encode_ended(), "report": {**report, "interrupted": False}}, {"event": "run"}):
        assert explain_stop(document, "w1") == document


PERMISSIONS = ("allow_protected", "allow_destroy", "reactivate", "drift_only")


@pytest.mark.parametrize("name", PERMISSIONS)
def test_each_permission_is_that_of_the_command_line(name: str) -> None:
    """One does not give another one, and the manifest gives none."""
    permission: Any = {name: True}
    given = replace(Limits(), **permission).apply(Policy())
    assert [one for one in PERMISSIONS if getattr(given, one)] == [name]
    declared = Limits().apply(replace(Policy(), **permission))
    assert [one for one in PERMISSIONS if getattr(declared, one)] == []


def test_the_limits_of_the_command_line_come_before_those_of_the_manifest() -> None:
    """Each of them, and also a limit of 0. Other rules of the manifest stay."""
    declared = Policy(max_delete=Limit(9), max_update=Limit(8, percent=True))
    given = Limits(Limit(0), Limit(7)).apply(declared)
    assert given == replace(declared, max_delete=Limit(0), max_update=Limit(7))
    assert Limits(Limit(1)).apply(declared) == replace(declared, max_delete=Limit(1))


def test_an_order_without_options_is_that_of_a_run_on_this_host() -> None:
    """So a fleet does the same; an assignment without its optional parts survives the journey, too."""
    sent = make_assignment({})
    usual = Settings()
    assert (sent.order.jobs, sent.order.lock_timeout) == (usual.jobs, usual.lock_timeout)
    assert not sent.order.accepts_changes
    assert not sent.order.creates_stores
    assert decode(sent.encode()) == sent


@pytest.mark.parametrize(
    "text", ["", "{}", "[", '{"task": {"target": "a", "verb": "destroy", "peers": []}, "order": {}}']
)
def test_a_text_that_is_no_assignment_is_an_error(text: str) -> None:
    """The task fails with it."""
    with pytest.raises((ValueError, KeyError)):
        decode(text)
