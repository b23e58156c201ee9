"""examples/pipelines/kubernetes: checked by the schemas of Kubernetes, limited as its strictest policy demands, and run."""

import http.server
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.pipelines.deployment.checkers import check
from tests.pipelines.deployment.containers import ROOT, USER, Container, Image, Mount, send
from tests.pipelines.deployment.repositories import commit

FOLDER: Final = ROOT / "examples" / "pipelines" / "kubernetes"
FILES: Final = sorted(FOLDER.glob("*.yaml"))
JOBS: Final = ("apply", "drift")


def read_job(name: str) -> dict[str, Any]:
    """The ``spec`` of a CronJob of the examples."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["spec"]
    return found


def read_pod(name: str) -> dict[str, Any]:
    """The ``spec`` of its pods."""
    found: dict[str, Any] = read_job(name)["jobTemplate"]["spec"]["template"]["spec"]
    return found


def list_containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All containers of a pod by name."""
    return {one["name"]: one for one in [*pod["initContainers"], *pod["containers"]]}


@pytest.mark.pipelines
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_schemas_of_kubernetes_accept_the_file(tmp_path: Path, file: Path) -> None:
    """Unknown fields are errors; and a misspelled field is noticed."""
    done = check("kubernetes-validate", "--strict", file)
    assert (done.returncode, "passed for resource" in done.stdout + done.stderr) == (0, True)
    broken = tmp_path / file.name
    broken.write_text(file.read_text().replace("\nspec:\n", "\nspec:\n  concurencyPolicy: Forbid\n"))
    assert check("kubernetes-validate", "--strict", broken).returncode != 0


@pytest.mark.parametrize("name", JOBS)
def test_no_run_starts_beside_another_or_without_an_end(name: str) -> None:
    """Deadlines of the start, of the run and of the stop."""
    job = read_job(name)
    assert job["concurrencyPolicy"] == "Forbid"
    assert job["startingDeadlineSeconds"] > 0
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert (read_pod(name)["restartPolicy"], read_pod(name)["terminationGracePeriodSeconds"] >= 60) == ("Never", True)


@pytest.mark.parametrize("name", JOBS)
def test_the_pods_obey_the_policy_restricted(name: str) -> None:
    """Of Kubernetes' Pod Security Standards; beyond it: read-only roots, limits, digests, and no token of the cluster."""
    pod = read_pod(name)
    security = pod["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"], security["fsGroup"]) == (True, USER, USER)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert {kind for volume in pod["volumes"] for kind in volume} == {"name", "emptyDir", "secret"}
    for container in list_containers(pod).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"].keys() == {"memory"}
        assert "@sha256:" in container["image"]


@pytest.mark.parametrize("name", JOBS)
def test_secrets_are_private_files_of_their_own_account(name: str) -> None:
    """In no argument and no variable; a read-only job has another account than the one that writes."""
    pod = read_pod(name)
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    assert {secret["defaultMode"] for secret in secrets.values()} == {0o400}
    assert secrets["clouds"]["secretName"] == f"imagesync-clouds-{name}"
    for container in list_containers(pod).values():
        assert all("valueFrom" not in variable for variable in container.get("env", []))
        assert "envFrom" not in container


class Pushgateway(http.server.BaseHTTPRequestHandler):
    """Keeps what is pushed to each path."""

    pushed: dict[str, str]

    def do_POST(self) -> None:
        """What ``curl --data-binary`` sends."""
        self.pushed[self.path] = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def pushgateway() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a Pushgateway, and what it got by path."""
    pushed: dict[str, str] = {}
    handler = type("Kept", (Pushgateway,), {"pushed": pushed})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", pushed
        server.shutdown()


class Cluster:
    """Runs the pods of the examples as a node does: volumes, the three containers, and the signal at the end.

    All containers have the image of imagesync, whose base has git and curl here.
    """

    def __init__(self, image: Image, folder: Path, clouds: str, pushgateway: str) -> None:
        self._image, self._folder, self._clouds, self._pushgateway = image, folder, clouds, pushgateway
        self._runs = 0
        commit(folder / "repository")
        for path in (folder / "repository").rglob("*"):
            os.chown(path, USER, USER)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run one pod of a CronJob to its end."""
        self._runs += 1
        pod, node = read_pod(name), self._folder / str(self._runs)
        volumes = {volume["name"]: node / volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            self._make_volume(volume, volumes[volume["name"]])
        manifests, metrics, main = (self._prepare(one, volumes) for one in list_containers(pod).values())
        assert manifests.run(node / "first").returncode == 0
        with metrics.start(node / "second") as sender:
            done = main.run(node / "third")
            send(node / "second", signal.SIGTERM)
            assert sender.communicate(timeout=60) == ("", "")
            assert sender.returncode == 0
        return done

    def _make_volume(self, volume: dict[str, Any], folder: Path) -> None:
        """An emptyDir, which the group may write to, or a secret, which it may read."""
        folder.mkdir(parents=True)
        if volume["name"] == "clouds":
            (folder / "clouds.yaml").write_text(self._clouds)
        for path in (folder, *folder.iterdir()):
            path.chmod(0o440 if path.is_file() else 0o770 if "emptyDir" in volume else 0o550)
            os.chown(path, 0, USER)

    def _prepare(self, container: dict[str, Any], volumes: dict[str, Path]) -> Container:
        mounts = [
            Mount(mount["mountPath"], volumes[mount["name"]], is_writable=not mount.get("readOnly", False))
            for mount in container["volumeMounts"]
        ]
        env = {variable["name"]: self._replace(variable["value"]) for variable in container["env"]}
        arguments = [self._replace(word) for word in container["args"]]
        repository = Mount("/repository", self._folder / "repository")
        folder, command = container.get("workingDir"), container.get("command")
        return Container(self._image, arguments, [*mounts, repository], env, folder, command)

    def _replace(self, word: str) -> str:
        """The word, with the addresses of this test."""
        word = word.replace("http://pushgateway.monitoring.svc:9091", self._pushgateway)
        return word.replace("https://git.example.com/images.git", "file:///repository")


@pytest.mark.pipelines
@pytest.mark.timeout(1200)
def test_the_jobs_apply_and_find_drift(
    image: Image, cloud: Cloud, tmp_path: Path, pushgateway: tuple[str, dict[str, str]]
) -> None:
    """On the real image service: an apply, nothing to do, no drift, drift by a user, and its numbers."""
    operator = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["operator"]
    address, pushed = pushgateway
    cluster = Cluster(image, tmp_path, yaml.safe_dump({"clouds": {"prod": operator}}), address)

    done = cluster.run("apply")
    assert (done.returncode, "Applied: 1 created" in done.stdout) == (0, True), done.stderr
    numbers = pushed["/metrics/job/imagesync-apply"]
    assert 'imagesync_uploaded_bytes{catalog="base",target="prod",command="apply"} 4096' in numbers
    assert "No changes." in cluster.run("apply").stdout

    assert cluster.run("drift").returncode == 0
    (live,) = cloud.http().images()
    cloud.http().patch(live["id"], {"op": "replace", "path": "/min_ram", "value": 4096})
    done = cluster.run("drift")
    assert (done.returncode, "min_ram" in done.stdout) == (2, True), done.stderr
    assert (
        'imagesync_drifted_values{catalog="base",target="prod",command="drift"} 1'
        in pushed["/metrics/job/imagesync-drift"]
    )
