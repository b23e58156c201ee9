"""Imports that a real Glance does not show: lost answers, tasks that never end, and services that report no tasks."""

from collections import Counter
from collections.abc import Callable

import pytest

from imagesync.errors import BackendError, Forbidden, Unavailable
from imagesync.execution.service_imports import Imports, Patience
from imagesync.model.catalog import Method, Status
from tests.fault.scripted import IMAGE_ID, RESET, Say, image
from tests.fault.scripted_backend import OpenScripted, ScriptedBackend

URL = "http://user:secret@web.example/d.raw?sig=secret"
NOT_FOUND = Say(404, b"")
BEGUN = Say(202, b"")


def task(status: str, message: str = "") -> Say:
    """The answer of GET /tasks about one import."""
    return Say(
        body={"tasks": [{"id": "t", "status": status, "message": message, "created_at": "1", "updated_at": "1"}]}
    )


class ImportClock:
    """A clock whose time passes only while the code sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.now += seconds


def by_path(images: list[Say], posted: Say = BEGUN, tasks: Say = NOT_FOUND) -> Callable[[str], Say]:
    """Answers to GET of the image in turn (the last one is repeated), to POST /import and to GET /tasks."""
    count: Counter[str] = Counter()

    def answer(path: str) -> Say:
        count[path] += 1
        if path.endswith("/import"):
            return posted
        if path.endswith("/tasks"):
            return tasks
        return images[min(count[path], len(images)) - 1]

    return answer


def fetch(service: ScriptedBackend, clock: ImportClock) -> None:
    """Run a web-download with the test's own clock."""
    patience = Patience(limit=60, sleep=clock.sleep, clock=lambda: clock.now)
    Imports(service.backend, patience).run(IMAGE_ID, Method.WEB_DOWNLOAD, uri=URL)


def posts(service: ScriptedBackend) -> int:
    """How often an import was requested."""
    return sum(requests.startswith("POST") for requests in service.server.queries)


def test_an_import_whose_answer_was_lost_is_not_begun_twice(open_scripted: OpenScripted) -> None:
    """The image shows that the import began, so imagesync waits for it."""
    running = Say(body=image(status="importing"))
    service = open_scripted(by_path([running, running, Say()], posted=RESET))
    fetch(service, ImportClock())
    assert posts(service) == 1


def test_an_import_that_never_began_is_an_error(open_scripted: OpenScripted) -> None:
    """There is no answer, and the image shows no import. The next run decides whether to request it again."""
    service = open_scripted(by_path([Say(body=image(status="queued"))], posted=RESET))
    with pytest.raises(Unavailable, match=r"refused to fetch http://web.example/d.raw: "):
        fetch(service, ImportClock())
    assert posts(service) == 1


def test_an_import_without_progress_is_given_up(open_scripted: OpenScripted) -> None:
    """The pauses between two checks grow to five seconds. After the limit, the error says what to do."""
    service, clock = (
        open_scripted(by_path([Say(body=image(status="importing"))], tasks=task("processing"))),
        ImportClock(),
    )
    with pytest.raises(BackendError, match="made no progress for 60 s; ask the cloud's operator"):
        fetch(service, clock)
    assert clock.slept == sorted(clock.slept)
    assert (clock.slept[0], clock.slept[-1]) == (0.2, 5.0)
    assert 60 <= clock.now <= 70


def test_an_import_is_waited_for_as_long_as_it_makes_progress(open_scripted: OpenScripted) -> None:
    """Every change that the service shows restarts the limit. Between two changes it shows none for a while."""
    moving = [Say(body=image(status="importing", updated_at=f"2026-01-01T00:00:{n // 8:02}Z")) for n in range(80)]
    clock = ImportClock()
    fetch(open_scripted(by_path([*moving, Say()], tasks=task("processing"))), clock)
    assert clock.now > 5 * 60


def test_an_import_that_no_worker_has_begun_has_not_failed(open_scripted: OpenScripted) -> None:
    """The image is still queued, and its task is pending."""
    tasks = iter([task("pending")] * 2)
    images = iter([Say(body=image(status="queued"))])

    def answer(path: str) -> Say:
        if path.endswith("/import"):
            return BEGUN
        if path.endswith("/tasks"):
            return next(tasks)
        return next(images, Say())

    fetch(open_scripted(answer), ImportClock())


@pytest.mark.parametrize("status", [403, 404])
def test_the_image_shows_the_import_if_a_service_has_no_tasks(open_scripted: OpenScripted, status: int) -> None:
    """Older services report no tasks, and a policy may hide them from members."""
    moving = [Say(body=image(status="importing")), Say()]
    service = open_scripted(by_path(moving, tasks=Say(status, b"no")))
    fetch(service, ImportClock())
    assert service.backend.import_tasks(IMAGE_ID) == []


@pytest.mark.parametrize(
    ("statuses", "is_awaited"),
    [(("failure", "pending"), True), (("success", "processing"), True), (("pending", "failure"), False)],
)
def test_the_newest_task_of_an_image_counts(
    open_scripted: OpenScripted, statuses: tuple[str, str], is_awaited: bool
) -> None:
    """The image has several imports. Neither the order in which the service lists them nor the results of the earlier
    ones matter."""
    tasks = [
        {"id": str(number), "status": status, "created_at": f"2026-01-0{number}T00:00:00Z", "updated_at": ""}
        for number, status in enumerate(statuses, 1)
    ]
    for listed in (tasks, tasks[::-1]):
        queued = [Say(body=image(status="queued"))] * 3
        service = open_scripted(by_path([*queued, Say()], tasks=Say(body={"tasks": listed})))
        patience = Patience(sleep=lambda _seconds: None)
        found = Imports(service.backend, patience).wait_until_settled(IMAGE_ID)
        assert (found.status is Status.ACTIVE) is is_awaited


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (
            task("failure", "Task failed due to Internal Error."),
            "Task failed due to Internal Error; failed in fast; check",
        ),
        (NOT_FOUND, "no reason given; failed in fast; check"),
    ],
)
def test_a_failed_import_reports_reason_store_and_what_to_check(
    open_scripted: OpenScripted, tasks: Say, expected: str
) -> None:
    """Without user, password and query of the URL. A service without tasks gives no reason."""
    failed = Say(body=image(status="queued", os_glance_failed_import="fast"))
    with pytest.raises(BackendError) as caught:
        fetch(open_scripted(by_path([failed], tasks=tasks)), ImportClock())
    output = str(caught.value)
    assert output.startswith(f"image {IMAGE_ID}: the service could not fetch http://web.example/d.raw: {expected}")
    assert "secret" not in output


def copy(service: ScriptedBackend, *stores: str) -> None:
    """Copy an active image to other stores."""
    clock = ImportClock()
    Imports(service.backend, Patience(sleep=clock.sleep, clock=lambda: clock.now)).copy(IMAGE_ID, stores)


def test_a_copy_is_made_only_into_stores_that_lack_the_image(open_scripted: OpenScripted) -> None:
    """imagesync waits for a copy that runs already, and requests no other copy if it was the only missing one."""
    running = Say(body=image(stores="fast", os_glance_import_task="t"))
    service = open_scripted(by_path([running, Say(body=image(stores="fast,slow"))]))
    copy(service, "fast", "slow")
    assert posts(service) == 0


def test_a_copy_that_ends_without_its_store_has_failed(open_scripted: OpenScripted) -> None:
    """The image stays active; only its list of stores shows the failure."""
    left = Say(body=image(stores="fast", os_glance_failed_import="slow"))
    with pytest.raises(BackendError, match="could not copy it to slow: full; failed in slow; check that store"):
        copy(open_scripted(by_path([left], tasks=task("failure", "full"))), "slow")


def test_a_forbidden_copy_names_both_solutions(open_scripted: OpenScripted) -> None:
    """The default policy permits it to admins only."""
    service = open_scripted(by_path([Say(body=image(stores="fast"))], posted=Say(403, b"no")))
    with pytest.raises(Forbidden, match=r"does not let this user copy it to slow.*apply as an admin, or declare"):
        copy(service, "slow")


def test_a_copy_without_an_answer_was_begun_only_if_the_image_shows_it(open_scripted: OpenScripted) -> None:
    """That the image is active proves nothing, because it was active before."""
    still, running = Say(body=image(stores="fast")), Say(body=image(stores="fast", os_glance_import_task="t"))
    service = open_scripted(by_path([still], posted=RESET))
    with pytest.raises(Unavailable):
        copy(service, "slow")
    assert posts(service) == 1
    service = open_scripted(by_path([still, running, Say(body=image(stores="fast,slow"))], posted=RESET))
    copy(service, "slow")
    assert posts(service) == 1
