"""The holder of a certificate of the fleet, or of none, attacks each role. Real processes with TLS; exploits write a file."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imagesync.fleet.assignment import Assignment, FleetOrder, ManifestTexts
from imagesync.targets.messages import Task, Verb
from imagesync.version import __version__
from tests.command import Process, Result, start
from tests.fleet.certificates import Authority
from tests.fleet.lab import Lab, find_port, open_lab
from tests.fleet.source import open_source_server

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(600)]

OPERATIONS = """
identity register-client scatter register-worker register_nanny unregister gather retry feed terminate
broadcast proxy ncores has_what who_has processing call_stack profile performance_report get_logs worker_logs
log_event events nbytes versions add_keys rebalance replicate run_function restart restart_workers update_data
set_resources retire_workers get_metadata set_metadata set_restrictions heartbeat_worker get_task_status
register_scheduler_plugin unregister_scheduler_plugin register_worker_plugin register_nanny_plugin
adaptive_target workers_to_close subscribe_worker_status get_cluster_state dump_cluster_state_to_url
benchmark_hardware get_story check_idle echo connection_stream dump_state run run_coroutine upload_file
actor_execute actor_attribute plugin-add get_data
"""
"""Those of a scheduler and a worker of ``distributed``."""
NOTHING = ("answered None", "CommClosedError", "FatalCommClosedError", "OSError", "TimeoutError")
"""The answers that give an attacker nothing: an operation without a handler has the answer None."""


@dataclass
class Stage:
    """A fleet with the workers w-a and w-b, the authority of its certificates, and where exploits leave a mark."""

    lab: Lab
    authority: Authority
    mark: Path
    workers: Mapping[str, Process]
    rogues: set[int] = field(default_factory=set)

    def attack(self, name: str, certificate: str | Path, *, address: str = "", **more: Any) -> Any:
        """Run an attack to its end; what it obtained."""
        with self.begin(name, certificate, address=address, **more) as process:
            result = process.wait(seconds=240)
        assert result.code == 0, result.output
        return json.loads(result.stdout.splitlines()[-1])

    def begin(self, name: str, certificate: str | Path, *, address: str = "", **more: Any) -> Process:
        """Start an attack. ``certificate``: a name in the folder of the authority, or a file."""
        file = certificate if isinstance(certificate, Path) else self.authority.folder / f"{certificate}.pem"
        settings = {
            "address": address or self.lab.address,
            "authority": str(self.authority.folder / "ca.pem"),
            "certificate": str(file),
            "mark": str(self.mark),
            **more,
        }
        plan = self.lab.folder / f"attack-{len(list(self.lab.folder.glob('attack-*')))}.json"
        plan.write_text(json.dumps(settings))
        process = start(name, str(plan), folder=self.lab.folder, env=self.lab.env, program=("-m", "tests.fleet.rogue"))
        self.rogues.add(process.pid)
        return process

    def find_worker_address(self, name: str) -> str:
        """Where a worker listens: a port on loopback."""
        pid = self.workers[name].pid
        inodes = {link.readlink().name for link in _list_handles(pid) if str(link.readlink()).startswith("socket:")}
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            local, _, state, *rest = line.split()[1:]
            if state == "0A" and f"socket:[{rest[5]}]" in inodes and local.startswith("0100007F"):
                port = int(local.partition(":")[2], 16)
                if not self._speaks_http(port):
                    return f"tls://127.0.0.1:{port}"
        raise AssertionError(f"worker {name} does not listen on loopback")

    @staticmethod
    def _speaks_http(port: int) -> bool:
        import urllib.request

        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def check_marks(self) -> None:
        """No exploit ran, except in the process of its author, which may unpickle its own."""
        lines = self.mark.read_text().splitlines() if self.mark.exists() else []
        assert not [line for line in lines if int(line.split()[-1]) not in self.rogues]

    def check_whole(self) -> None:
        """No exploit ran, all processes run, and an honest run works."""
        self.check_marks()
        assert self.lab.processes["scheduler"].is_running()
        assert all(process.is_running() for process in self.workers.values())
        result = self.lab.run("plan", "--target", "a", "--target", "b", "--detailed-exitcode", code=2)
        assert "2 targets" in result.output


def _list_handles(pid: int) -> list[Path]:
    return [link for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The fleet of all attacks from outside; its state is checked after each."""
    folder = tmp_path_factory.mktemp("stage")
    authority = Authority(folder / "tls")
    for role in ("scheduler", "worker", "client"):
        authority.issue(role)
    authority.issue("worker", name="worker-a", targets=["a"])
    authority.issue("client", name="expired", days=-1)
    authority.issue("client", name="nobody", unit="")
    authority.issue("client", name="stranger", unit="admin")
    with open_source_server() as source, open_lab(folder, authority.folder, source) as lab:
        lab.write(lab.declare("one"), ["a", "b", "c"])
        lab.start_scheduler()
        workers = {name: lab.start_worker(name, name[-1]) for name in ("w-a", "w-b")}
        yield Stage(lab, authority, folder / "mark", workers)


@pytest.fixture
def attacked(stage: Stage) -> Iterator[Stage]:
    """The same, with the check at the end."""
    yield stage
    stage.check_whole()


def make_foreign(stage: Stage) -> Path:
    """A folder with certificates of another authority."""
    foreign = Authority(stage.lab.folder / "foreign")
    for role in ("scheduler", "worker", "client"):
        foreign.issue(role)
    return foreign.folder


def test_only_a_certificate_with_a_role_is_connected(attacked: Stage) -> None:
    """No certificate of another authority, no expired one, none without a role or with an unknown one, no plain TCP."""
    files = {
        name: attacked.authority.folder / f"{name}.pem"
        for name in ("client", "expired", "nobody", "stranger", "scheduler")
    }
    files["foreign"] = make_foreign(attacked) / "client.pem"
    tries = {name: {"certificate": str(file)} for name, file in files.items()}
    found = attacked.attack("connect_only", "client", tries=tries)
    assert found.pop("client") == "answered", "the honest question is answered"
    assert found.keys() == {"expired", "nobody", "stranger", "scheduler", "foreign", "plain"}
    assert set(found.values()) <= set(NOTHING)


def test_a_command_does_not_connect_to_a_scheduler_of_another_authority_or_role(stage: Stage) -> None:
    """The user's command checks the scheduler: a worker's certificate is not that of a scheduler."""
    folder = stage.lab.folder / "posed"
    shutil.copytree(stage.authority.folder, folder)
    address = f"tls://127.0.0.1:{find_port()}"
    with stage.begin("be_scheduler", folder / "worker.pem", address=address, how="") as rogue:
        rogue.wait_for("rogue ready")
        refused = plan_on(stage, address)
    assert "no connection to the scheduler" in refused.stderr
    foreign = make_foreign(stage)
    refused = plan_on(stage, stage.lab.address, tls=foreign)
    assert "no connection to the scheduler" in refused.stderr


def plan_on(stage: Stage, address: str, *, tls: Path | None = None, code: int = 1) -> Result:
    """A plan of target a on the scheduler at an address."""
    folder = str(tls or stage.authority.folder)
    words = ("plan", "m.yaml", "--target", "a", "--target", "b", "--allow-outside", "--on", address, "--tls", folder)
    process = stage.lab.start("run", *words)
    return stage.lab.end(process, code)


@pytest.mark.parametrize("certificate", ["worker", "client"])
def test_no_frame_runs_code_on_the_scheduler(attacked: Stage, certificate: str) -> None:
    """Pickles, other serializers, enumerations and dotted names are refused before anything is called."""
    found = attacked.attack("send_frames", certificate)
    assert len(found) == 11
    attacked.check_whole()


@pytest.mark.parametrize("certificate", ["worker", "client", "scheduler"])
def test_a_worker_answers_no_peer(attacked: Stage, certificate: str) -> None:
    """A worker listens only on loopback, and no certificate is good enough there."""
    address = attacked.find_worker_address("w-a")
    assert set(attacked.attack("send_frames", certificate, address=address).values()) <= set(NOTHING)
    found = attacked.attack("ask_operations", certificate, address=address, operations=["identity", "run", "terminate"])
    assert set(found.values()) <= set(NOTHING)


@pytest.mark.parametrize(("certificate", "allowed"), [("client", {"identity"}), ("worker", set[str]())])
def test_a_certificate_gives_only_the_operations_of_its_role(
    attacked: Stage, certificate: str, allowed: set[str]
) -> None:
    """Everything else of the scheduler ends the connection: run a function, stop, restart, forward, read the state."""
    operations = [name for name in OPERATIONS.split() if name != f"register-{certificate}"]
    found = attacked.attack("ask_operations", certificate, operations=operations)
    assert {name for name, answer in found.items() if answer not in NOTHING} == allowed


def test_a_stream_carries_only_the_messages_of_its_role(attacked: Stage) -> None:
    """A client does not speak as a worker, nor a worker as a client, nor one in the name of another."""
    of_client = [
        {"op": "task-finished", "key": "x", "worker": "tls://127.0.0.1:9"},
        {"op": "log-event", "topic": "imagesync-ab-a", "msg": "{}", "worker": "tls://127.0.0.1:9"},
        {"op": "update-data", "data": {}},
        {"op": "report-key", "key": "x"},
        {"op": "heartbeat-client", "client": "another"},
        {"op": "close-client", "client": "another"},
        {"op": "cancel-keys", "keys": ["x"], "client": "another"},
        {"op": "subscribe-topic", "topic": "all"},
    ]
    found = attacked.attack("send_on_stream", "client", role="client", messages=of_client)
    assert found == dict.fromkeys(found, True)
    of_worker = [
        {"op": "update-graph", "expr_ser": None, "keys": []},
        {"op": "cancel-keys", "keys": ["x"], "client": "c"},
        {"op": "subscribe-topic", "topic": "imagesync-ab-b", "client": "c"},
        {"op": "add-keys", "keys": ["x"]},
        {"op": "task-finished", "key": "x", "worker": "tls://127.0.0.1:9"},
        {"op": "log-event", "topic": "imagesync-ab-b", "msg": "{}"},
        {"op": "log-event", "topic": ["imagesync-ab-c", "imagesync-ab-b"], "msg": "{}"},
        {"op": "log-event", "topic": "print", "msg": {"args": ["x"]}},
        {"op": "log-event", "topic": "imagesync-ab-c", "msg": {"x": 1}},
    ]
    found = attacked.attack("send_on_stream", "worker", role="worker", offers=["c"], messages=of_worker)
    assert found == dict.fromkeys(found, True)
    honest = [{"op": "log-event", "topic": "imagesync-ab-c", "msg": "{}"}]
    found = attacked.attack("send_on_stream", "worker", role="worker", offers=["c"], messages=honest)
    assert found == dict.fromkeys(found, False), "an honest message does not end the stream"


def test_a_worker_offers_only_the_targets_of_its_certificate(attacked: Stage) -> None:
    """A certificate that names targets is good for no others, also after the registration."""
    assert attacked.attack("ask_operations", "worker-a", operations=["register-worker"]) == {"register-worker": "OK"}
    messages = [{"op": "log-event", "topic": "imagesync-ab-b", "msg": "{}"}]
    with attacked.begin("send_on_stream", "worker-a", role="worker", offers=["b"], messages=messages) as process:
        assert "CommClosedError" in process.wait(seconds=60).stderr
    assert attacked.attack("offer_more", "worker-a", offers=["a"], more=["b"]) in NOTHING


def test_a_huge_message_is_refused_before_memory_is_taken_for_it(attacked: Stage) -> None:
    """The limit is 256 MiB: a process would take that much memory at once."""
    assert attacked.attack("announce_huge", "worker", size=257 * 2**20) == "ended"
    assert attacked.attack("announce_huge", "worker", size=2**41) == "ended"
    assert attacked.attack("announce_huge", "worker", size=2**20) == "waits"


REFUSALS = (
    "obtained None",
    "obtained 'error'",
    "obtained 'cancelled'",
    "AttributeError",
    "CommClosedError",
    "Exception",
    "FutureCancelledError",
    "OSError",
    "TimeoutError",
    "TypeError",
    "UnpicklingError",
)
"""How the functions of a client end that are refused."""


def test_a_client_obtains_nothing_but_a_run(attacked: Stage) -> None:
    """Functions, arguments, actors, plugins, files: a client's certificate runs no code."""
    found = attacked.attack("use_client", "client")
    assert not {name: how for name, how in found.items() if how not in REFUSALS}


def test_an_assignment_writes_only_below_its_own_folder(attacked: Stage, tmp_path: Path) -> None:
    """Names with dots, absolute names and control characters."""
    names = [f"../../../../../../..{tmp_path}/out", f"{tmp_path}/out", "a/../../out", "x\x1b[2Jy/\0z"]
    for number, name in enumerate(names):
        texts = ManifestTexts({"m.yaml": "version: 1", name: "written"}, "m.yaml", folder="/", display="", out="/")
        order = FleetOrder(__version__, f"{number:016x}", texts, jobs=1, lock_timeout=1.0)
        whole = Assignment(Task("a", Verb.APPLY, ("a",)), order, unlock="imagesync unlock")
        assert attacked.attack("submit_work", "client", text=whole.encode()) == "finished"
    for broken in ("", "[]", "{}", "[" * 100_000, json.dumps({"task": 1, "order": 2})):
        attacked.attack("submit_work", "client", text=broken)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.parent.glob("out"))


@pytest.mark.parametrize("how", ["exception", "result", "event", "print"])
def test_a_worker_runs_no_code_elsewhere(attacked: Stage, how: str) -> None:
    """Its result, its exception and its events are exploits; the scheduler and the user's command do not run them."""
    with attacked.begin("be_worker", "worker", how=how, offers=["c"]) as rogue:
        rogue.wait_for("rogue ready")
        result = attacked.lab.run("plan", "--target", "c", "--target", "b", "--format", "json", code=1)
    assert "printed by a worker" not in result.output
    found = {one["target"]: one for one in json.loads(result.stdout)["targets"]}
    assert (found["b"]["plan"], found["b"]["problems"]) != (None, [])
    assert found["c"]["plan"] is None


HOSTILE = "\x1b[2J\r::error::x\n##[error]y\u202e<script>|`_* ${{ secrets.TOKEN }}"
ENDED: dict[str, Any] = {"event": "ended", "report": None, "ids": {}, "problems": [], "bug": ""}
PROBLEM = {"file": None, "line": None, "column": None, "where": None, "message": HOSTILE, "hint": HOSTILE}


@pytest.mark.parametrize(
    "documents",
    [
        [{**ENDED, "problems": [PROBLEM]}],
        [{**ENDED, "problems": [{**PROBLEM, "file": HOSTILE, "line": 1, "column": 1, "where": HOSTILE}]}],
        [{**ENDED, "bug": f"Traceback\n{HOSTILE}"}],
        [{"event": "begun", "worker": HOSTILE}, {"event": "x"}],
    ],
    ids=["problem", "place", "bug", "name"],
)
def test_texts_of_a_worker_cannot_control_what_shows_them(
    attacked: Stage, documents: Sequence[Mapping[str, Any]], tmp_path: Path
) -> None:
    """Terminal codes, commands of CI systems, Markdown and HTML are text in every format."""
    files = {form: tmp_path / form for form in ("markdown", "html", "junit", "json")}
    also = [word for form, file in files.items() for word in ("--also", f"{form}={file}")]
    with attacked.begin("be_worker", "worker", how="messages", documents=documents, offers=["c"]) as rogue:
        rogue.wait_for("rogue ready")
        process = attacked.lab.start("run", "plan", "m.yaml", "--target", "c", "--target", "b", *attacked.lab.on, *also)
        result = process.wait(seconds=120)
    texts = {"text": result.output, **{form: file.read_text() for form, file in files.items()}}
    for form, text in texts.items():
        assert "\x1b" not in text, form
        assert "\u202e" not in text, form
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::error::x")], form
        assert "##[error]y" not in text, form
    assert "<script>|" not in texts["html"] + texts["markdown"] + texts["junit"]


@pytest.mark.parametrize(
    "document",
    [
        {"event": "planned"},
        {"event": "planned", "plan": {}, "folder": "/", "places": {}, "refusals": []},
        {"event": "planned", "plan": {"format_version": 1}, "folder": "/", "places": {}, "refusals": []},
        {"event": "ended"},
        {**ENDED, "problems": [{"message": 1}]},
        {**ENDED, "ids": []},
        {"event": "finished", "step": "create one", "outcome": "done"},
        {"event": "unknown"},
        {"event": ["ended"]},
        "not JSON",
        "[" * 100_000,
        '{"target": "c"}',
    ],
    ids=str,
)
def test_a_message_without_its_shape_ends_only_its_target(attacked: Stage, document: Any) -> None:
    """The command reports the worker, continues with the other targets, and has no traceback."""
    with attacked.begin("be_worker", "worker", how="messages", documents=[document], offers=["c"]) as rogue:
        rogue.wait_for("rogue ready")
        result = attacked.lab.run("plan", "--target", "c", "--target", "b", code=1)
    assert "the worker rogue sent a message that is not valid" in result.output
    assert "2 targets: 1 with changes, 1 with errors (c)" in result.output


def test_a_worker_cannot_claim_the_outcome_of_another_target(attacked: Stage) -> None:
    """The scheduler ends its connection; the other target is planned by its own worker."""
    with attacked.begin("be_worker", "worker", how="other", claims="b", offers=["c"]) as rogue:
        rogue.wait_for("rogue ready")
        result = attacked.lab.run("plan", "--target", "c", "--target", "b", code=1)
    assert "2 targets: 1 with changes, 1 with errors (c)" in result.output


@pytest.mark.parametrize("how", ["frames", "plugin", "operation"])
def test_a_scheduler_runs_no_code_on_a_worker_or_on_the_host_of_the_user(stage: Stage, how: str) -> None:
    """Its plugins, messages and errors are exploits."""
    address = f"tls://127.0.0.1:{find_port()}"
    with stage.begin("be_scheduler", "scheduler", address=address, how=how) as rogue:
        rogue.wait_for("rogue ready")
        worker = stage.lab.start(
            "victim", "fleet", "worker", address, "--target", "a", "--name", "victim", *stage.lab.tls
        )
        if how != "plugin":
            rogue.wait_for("rogue greeted")
        ended = worker.wait(seconds=120)
        assert ended.code == 1
        assert how != "operation" or "which sent refresh-who-has" in ended.stderr
        process = stage.lab.start(
            "run",
            "plan",
            "m.yaml",
            "--target",
            "a",
            "--target",
            "b",
            "--allow-outside",
            "--on",
            address,
            *stage.lab.tls,
        )
        result = process.wait(seconds=120)
    assert result.code == 1
    assert "frame" not in result.stdout
    stage.check_marks()
