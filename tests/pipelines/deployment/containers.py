"""The Containerfile -> a built image -> containers that run. Needs root, buildah, crun and mmdebstrap; writes files."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.pipelines.deployment.base_image import prepare_base
from tests.pipelines.deployment.guide import find_block
from tests.waiting import wait_until

ROOT: Final = Path(__file__).parents[3]
USER: Final = 65532
"""The user of the image, and its group."""
MOUNT: Final = "mount -t cgroup2 none /sys/fs/cgroup"
"""For crun, which refuses the two kinds of control groups side by side that some machines have."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or a file of the host in a container; without ``source`` an empty folder in memory."""

    target: str
    source: Path | None = None
    is_writable: bool = False

    def describe(self) -> dict[str, Any]:
        """The mount, as the OCI runtime specification writes it."""
        if self.source is None:
            options = ["nosuid", "nodev", "mode=1777"]
            return {"destination": self.target, "type": "tmpfs", "source": "tmpfs", "options": options}
        options = ["rbind", "nosuid", "nodev", "rw" if self.is_writable else "ro"]
        return {"destination": self.target, "type": "bind", "source": str(self.source), "options": options}


@dataclass(frozen=True, slots=True)
class Image:
    """A built image: its configuration by the OCI image specification, and the bytes that it adds to the base.

    ``files`` is the root of all containers, which is read-only there. ``disk`` is another copy, for a machine. ``shell`` knows
    the image by its name.
    """

    shell: "Shell"

    files: Path
    disk: Path
    config: Mapping[str, Any]
    added: int


@dataclass(frozen=True, slots=True)
class Container:
    """A container of an image: not root, without capabilities, with a read-only root and the network of the host."""

    image: Image
    arguments: Sequence[str]
    mounts: Sequence[Mount] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    command: Sequence[str] | None = None

    def run(self, bundle: Path) -> subprocess.CompletedProcess[str]:
        """Run it to its end. ``bundle`` is a folder that does not exist."""
        with self.start(bundle) as process:
            out, errors = process.communicate(timeout=240)
        return subprocess.CompletedProcess(self.arguments, process.returncode, out, errors)

    @contextmanager
    def start(self, bundle: Path) -> Iterator[subprocess.Popen[str]]:
        """A running container, which is killed at the end of the block if it still runs."""
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(self._describe()))
        crun = (
            f"exec crun --root {bundle}/state --cgroup-manager=disabled run --bundle {bundle} --pid-file {bundle}/pid c"
        )
        shell = ["unshare", "--mount", "sh", "-ec", f"{MOUNT}; {crun}"]
        process = subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                send(bundle, signal.SIGKILL)
                process.communicate(timeout=60)

    def _describe(self) -> dict[str, Any]:
        config = self.image.config
        user, group = map(int, config["User"].split(":"))
        env = [*config["Env"], *(f"{name}={value}" for name, value in self.env.items())]
        command = config["Entrypoint"] if self.command is None else self.command
        base = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            Mount("/etc/resolv.conf", Path("/etc/resolv.conf").resolve()).describe(),
        ]
        return {
            "ociVersion": "1.0.2",
            "root": {"path": str(self.image.files), "readonly": True},
            "process": {
                "user": {"uid": user, "gid": group},
                "args": [*command, *self.arguments],
                "env": env,
                "cwd": self.folder or config["WorkingDir"],
                "noNewPrivileges": True,
                "capabilities": {},
            },
            "mounts": [*base, *(mount.describe() for mount in self.mounts)],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
        }


def send(bundle: Path, number: signal.Signals) -> None:
    """Send a signal to process 1 of a running container, as a container runtime does."""
    pid = wait_until(lambda: (bundle / "pid").exists() and (bundle / "pid").read_text(), bool, "the container runs")
    os.kill(int(pid), number)


@contextmanager
def build_image(folder: Path) -> Iterator[Image]:
    """The image that the commands of docs/container.md build, in a new folder; both are deleted at the end of the block."""
    shell = Shell(folder)
    try:
        shell.run(find_block("mmdebstrap"))
        shell.run(find_block("PIP_CERT" if shell.has_proxy else 'BASE="$BASE" --tag'))
        config = json.loads(shell.run("buildah inspect --type image localhost/imagesync"))["OCIv1"]["config"]
        mount = "buildah mount $(buildah from localhost/imagesync)"
        files, disk = (Path(shell.run(mount).strip()) for _ in range(2))
        yield Image(shell, files, disk, config, measure(files / "opt"))
    finally:
        shell.run("buildah rm --all; buildah rmi --all --force")


class Shell:
    """A shell whose buildah stores its images in a folder, and whose mmdebstrap has already made the base.

    If pip needs a CA bundle on this machine, the build needs it, too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        bundle = os.environ.get("PIP_CERT")
        self.has_proxy = bundle is not None
        names = {"BASE": "localhost/base", "CA_BUNDLE": bundle or "", "BUILDAH_ISOLATION": "chroot"}
        self._env = {"PATH": os.environ["PATH"], **names}

    def run(self, commands: str, folder: Path | None = None, home: Path | None = None) -> str:
        """What commands print. RuntimeError if one fails."""
        store = f"--root {self._folder}/root --runroot {self._folder}/run"
        limits = "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024"  # root may not have the right to raise them
        podman = f"podman {store} --cgroup-manager=cgroupfs run --cgroups=disabled --network=host {limits}"
        functions = (
            f'buildah() {{ command buildah {store} "$@"; }}',
            f'podman() {{ shift; unshare --mount sh -ec \'{MOUNT}; exec "$@"\' - {podman} "$@"; }}',
            f"mmdebstrap() {{ cp {prepare_base()} base.tar; }}",
        )
        text = "\n".join([*functions, commands.replace(" REPOSITORY", f" {ROOT}")])
        env = {**self._env, "HOME": str(home or self._folder)}
        done = subprocess.run(
            ["bash", "-euc", text], cwd=folder or self._folder, env=env, check=False, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{commands.strip()}\nfailed: {done.stderr[-3000:]}")
        return done.stdout


def measure(folder: Path) -> int:
    """The bytes of all files of a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
