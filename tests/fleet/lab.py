"""A fleet of real processes with TLS on loopback: a scheduler, workers, and the command of the user. Stores are targets."""

import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from imagesync.backends import open_backend
from imagesync.model.image import LiveImage
from tests.command import Process, Result, minimal_environment, start
from tests.fleet.source import Source, make_checksum
from tests.waiting import wait_until

ENDED = 240.0
"""Seconds that a run may take on a busy machine."""


def find_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab:
    """The processes, the manifest and the stores of one test. The ids of the processes are the only ones it stops.

    ``ttl``: seconds after which the scheduler gives up a silent worker.
    """

    def __init__(self, folder: Path, certificates: Path, source: Source, opened: ExitStack) -> None:
        self.folder, self.certificates, self.source, self._opened = folder, certificates, source, opened
        self.catalog = folder / "catalog"
        self.catalog.mkdir()
        self.port = find_port()
        self.processes: dict[str, Process] = {}
        self.env = minimal_environment(HOME=str(folder), XDG_CACHE_HOME=str(folder / "cache"), TMPDIR=str(folder))

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        return f"tls://127.0.0.1:{self.port}"

    def start(self, name: str, *words: str, env: Mapping[str, str] | None = None, typed: str | None = None) -> Process:
        """Start ``imagesync WORDS`` in the folder of the catalog."""
        process = start(*words, folder=self.catalog, env={**self.env, **(env or {})}, typed=typed)
        self.processes[name] = self._opened.enter_context(process)
        return process

    def start_scheduler(self, *words: str) -> Process:
        """Start the scheduler, and wait until it is ready."""
        process = self.start("scheduler", "fleet", "scheduler", "--port", str(self.port), *self.tls, *words)
        process.wait_for("scheduler ready")
        return process

    def start_workers(
        self, targets: Mapping[str, Sequence[str]], env: Mapping[str, str] | None = None, words: Sequence[str] = ()
    ) -> None:
        """Start workers, each with its targets and with more options, and wait until all are ready."""
        started = {name: self._start_worker(name, offers, env, words) for name, offers in targets.items()}
        for name, process in started.items():
            process.wait_for(f"worker {name} ready")

    def start_worker(
        self, name: str, *targets: str, env: Mapping[str, str] | None = None, words: Sequence[str] = ()
    ) -> Process:
        """Start a worker, and wait until it is ready."""
        self.start_workers({name: targets}, env, words)
        return self.processes[name]

    def _start_worker(
        self, name: str, targets: Sequence[str], env: Mapping[str, str] | None, words: Sequence[str]
    ) -> Process:
        offers = [word for target in targets for word in ("--target", target)]
        return self.start(
            name, "fleet", "worker", "-v", self.address, *offers, "--name", name, *self.tls, *words, env=env
        )

    @property
    def tls(self) -> tuple[str, str]:
        """The option with the certificates."""
        return "--tls", str(self.certificates)

    @property
    def on(self) -> tuple[str, ...]:
        """The options of a run on the fleet."""
        return "--allow-outside", "--on", self.address, *self.tls

    def start_apply(self, *words: str, yes: bool = True, typed: str | None = None, name: str = "client") -> Process:
        """Start ``imagesync apply --all-targets`` on the fleet."""
        sure = ("--yes",) if yes else ()
        return self.start(name, "apply", "m.yaml", *self._choose(words), *sure, *self.on, *words, typed=typed)

    @staticmethod
    def _choose(words: Sequence[str]) -> tuple[str, ...]:
        return () if "--target" in words else ("--all-targets",)

    def run(self, command: str, *words: str, code: int = 0, on: bool = True) -> Result:
        """Run a command for all targets, on the fleet or in one process, to its end."""
        where = self.on if on else ("--allow-outside",)
        process = self.start("run", command, "m.yaml", *self._choose(words), *where, *words)
        return self.end(process, code)

    def end(self, process: Process, code: int = 0) -> Result:
        """Wait for the end of a command: no traceback, no line of ``distributed``, this exit code."""
        result = process.wait(seconds=ENDED)
        assert result.code == code, f"exit {result.code}\n{result.output}"
        assert "Traceback" not in result.output, result.output
        assert "distributed" not in result.output, result.output
        return result

    def write(
        self, images: Mapping[str, Mapping[str, Any]], targets: Sequence[str], waves: Mapping[str, int] | None = None
    ) -> None:
        """Write the manifest; each target is a store of its name."""
        stores = {
            name: {"store": str(self.folder / "stores" / name), **({"wave": waves[name]} if waves else {})}
            for name in targets
        }
        document = {
            "version": 1,
            "catalog": "base",
            "targets": stores,
            "defaults": {"disk_format": "raw", "container_format": "bare"},
            "images": images,
        }
        (self.catalog / "m.yaml").write_text(json.dumps(document, indent=1))

    def declare(self, *names: str) -> dict[str, dict[str, Any]]:
        """Images with data from the source."""
        return {
            name: {"source": {"url": f"{self.source.address}/{name}.raw", "checksum": make_checksum(name)}}
            for name in names
        }

    def list_images(self, target: str) -> list[LiveImage]:
        """The images of a target's store, without the records of leases; none if there is no store."""
        path = self.folder / "stores" / target
        if not path.exists():
            return []
        with open_backend(store=path) as backend:
            return [one for one in backend.images() if one.properties.get("imagesync_role") != "lease"]

    def list_published(self, target: str) -> list[str]:
        """The keys of the images that users of a target see."""
        visible = [one for one in self.list_images(target) if one.status == "active" and not one.hidden]
        return sorted(one.properties["imagesync_key"] for one in visible)

    def is_clean(self, target: str, *keys: str) -> bool:
        """Whether a target has these images and no other record."""
        images = self.list_images(target)
        return len(images) == len(keys) and self.list_published(target) == sorted(keys)

    def list_keys(self, target: str) -> list[str]:
        """The keys of the images of a target, published or not."""
        return sorted(one.properties["imagesync_key"] for one in self.list_images(target))

    def wait_for_stored(self, target: str, *keys: str) -> None:
        """Wait until the service has the data of these images, published or not."""

        def list_stored() -> set[str]:
            return {one.properties["imagesync_key"] for one in self.list_images(target) if one.status == "active"}

        wait_until(list_stored, lambda found: found >= set(keys), f"{target} has the data of {keys}")

    def wait_for_published(self, target: str, *keys: str) -> None:
        """Wait until these images of a target are active."""
        wait_until(lambda: self.list_published(target), lambda found: found == sorted(keys), f"{keys} on {target}")

    def find_busy(self, *names: str) -> str:
        """The one of these workers that works now."""

        def find() -> list[str]:
            found = {name: self.processes[name].read_output() for name in names}
            return [name for name, text in found.items() if text.count(" begins\n") > text.count(" ended\n")]

        return wait_until(find, lambda busy: len(busy) == 1, f"one of {names} works")[0]

    def has_lease(self, target: str) -> bool:
        """Whether a run holds the lease of a target."""
        with open_backend(store=self.folder / "stores" / target) as backend:
            leases = [one for one in backend.images() if one.properties.get("imagesync_role") == "lease"]
            return any(one.properties.get("imagesync_lease_state") == "held" for one in leases)

    def resume(self, process: Process) -> None:
        """Resume a process that was stopped."""
        os.kill(process.pid, signal.SIGCONT)

    def stop(self, process: Process) -> None:
        """Stop a process with SIGSTOP."""
        os.kill(process.pid, signal.SIGSTOP)


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of a report."""
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def list_outcomes(path: Path) -> dict[str, str]:
    """The outcome of each target in the report of a run."""
    return {one["target"]: one["outcome"] for one in read_report(path)["targets"]}


@contextmanager
def open_lab(folder: Path, certificates: Path, source: Source) -> Iterator[Lab]:
    """A lab without processes; at the end, those that still run are killed."""
    with ExitStack() as opened:
        yield Lab(folder, certificates, source, opened)
