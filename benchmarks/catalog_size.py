"""CPU time and memory for large catalogs: load and resolve, plan, JSON; and PyYAML in the same run. See README.md."""

import argparse
import gc
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

HEAD = "version: 1\ncatalog: base\nimages:\n"
SHARED = {
    "architecture": "x86_64",
    "os_distro": "ubuntu",
    "os_version": "24.04",
    "hw_disk_bus": "scsi",
    "hw_rng_model": "virtio",
    "hw_qemu_guest_agent": "'yes'",
}
MAX_IMAGES = 10_000
"""Images of a catalog that is loaded."""
OTHER_VALUES = 11
"""Values of an image beside its properties."""


def write_image(number: int, values: int) -> str:
    """One image with ``values`` values, most of them properties, as in a typical manifest."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    names = dict(SHARED)
    names |= {f"custom_{index}": f"value {index}" for index in range(values - OTHER_VALUES - len(SHARED))}
    lines = (
        f"ubuntu-{number:05}:",
        f"  name: Ubuntu {number}",
        f"  source: {{url: 'https://cloud.example/{number}/disk.img', checksum: 'sha256:{digest}'}}",
        *("  disk_format: qcow2", "  container_format: bare", "  visibility: private"),
        *("  min_disk: 10", "  min_ram: 512", "  protected: true", "  tags: [linux, lts]", "  properties:"),
        *(f"    {name}: {value}" for name, value in names.items()),
    )
    return "".join(f"  {line}\n" for line in lines)


def write_manifests(folder: Path, images: int, values: int) -> None:
    """The same catalog as one file and as a file for each image."""
    (folder / "images").write_text(str(images))
    texts = [write_image(number, values) for number in range(min(images, MAX_IMAGES))]
    (folder / "one").mkdir()
    (folder / "one" / "all.yaml").write_text(HEAD + "".join(texts))
    (folder / "many").mkdir()
    for number, text in enumerate(texts):
        head = HEAD if number == 0 else HEAD.replace("catalog: base\n", "")
        (folder / "many" / f"{number:05}.yaml").write_text(head + text)


def take_cpu() -> float:
    """CPU seconds of this process, in user and system mode."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(action: Callable[[], Any]) -> tuple[float, Any]:
    """The CPU seconds of an action, and its result."""
    before = take_cpu()
    found = action()
    return take_cpu() - before, found


def load_yaml(folder: Path) -> dict[str, float]:
    """PyYAML's C loader with the text of the one file, for comparison."""
    text = (folder / "one" / "all.yaml").read_text()
    return {"yaml.load, CSafeLoader": measure(lambda: yaml.load(text, Loader=yaml.CSafeLoader))[0]}


def load_catalog(folder: Path, name: str) -> dict[str, float]:
    """imagesync's load and resolve."""
    from imagesync.manifest.loader import load
    from imagesync.manifest.resolution import resolve

    return {f"load and resolve, {name}": measure(lambda: resolve(load(folder / name)))[0]}


def repeat_images(catalog: Any, number: int) -> Any:
    """The catalog with ``number`` images. Images beyond the limit of a manifest are copies with other names."""
    rounds = range(-(-number // len(catalog.images)))
    images = [
        replace(spec, key=f"{turn}-{spec.key}", name=f"{turn} {spec.name}")
        for turn in rounds
        for spec in catalog.images
    ][:number]
    return replace(catalog, images=tuple(images), keys=frozenset(spec.key for spec in images))


def plan_catalog(folder: Path) -> dict[str, float]:
    """An empty plan from the listing, a plan that creates all images, and the JSON of both."""
    from imagesync.inventory import take_inventory
    from imagesync.manifest.loader import load
    from imagesync.manifest.resolution import resolve
    from imagesync.model.image import Inventory
    from imagesync.planfile.writer import encode_plan, format_document
    from imagesync.planning.clock import Clock
    from imagesync.planning.context import PlanInput
    from imagesync.planning.planner import make_plan
    from imagesync.sources import identify
    from tests.unit.factories import NOW, PROJECT, TARGET, Listing, live

    catalog = repeat_images(identify(resolve(load(folder / "one"))), int((folder / "images").read_text()))
    listing: Any = Listing([live(spec) for spec in catalog.images])

    def plan(inventory: Inventory) -> Any:
        given = PlanInput(
            catalog, inventory, policy=catalog.policy, capabilities=None, target=TARGET, clock=Clock((NOW,))
        )
        return make_plan(given)

    def write(made: Any) -> str:
        return format_document(encode_plan(made, folder=str(folder), tool="benchmark"))

    found = {}
    found["plan, nothing to do"], idle = measure(lambda: plan(take_inventory(listing, catalog)))
    if idle.steps:
        raise SystemExit(f"{len(idle.steps)} steps where nothing was to be done")
    found["its JSON"], _ = measure(lambda: write(idle))
    found["memory of that, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["plan, all to make"], full = measure(lambda: plan(Inventory(PROJECT)))
    found["JSON of that"], _ = measure(lambda: write(full))
    return found


WAYS: dict[str, Callable[[Path], dict[str, float]]] = {
    "yaml": load_yaml,
    "one": lambda folder: load_catalog(folder, "one"),
    "many": lambda folder: load_catalog(folder, "many"),
    "plan": plan_catalog,
}


def run_apart(way: str, folder: Path) -> dict[str, float]:
    """Run one measurement in a separate process; add the peak of its memory."""
    words = [sys.executable, "-m", "benchmarks.catalog_size", "--way", way, "--folder", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run_way(way: str, folder: Path) -> None:
    """One measurement; garbage is collected as rarely as in the command imagesync, also for PyYAML."""
    from imagesync.cli.app import COLLECT_RARELY

    gc.set_threshold(*COLLECT_RARELY)
    print(json.dumps(WAYS[way](folder)))


def compare(images: int, values: int, rounds: int) -> None:
    """A table for one size: minimum and median of the rounds, the ways in turn."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        write_manifests(Path(name), images, values)
        for _ in range(rounds):
            for way in WAYS if images <= MAX_IMAGES else ("plan",):
                for what, figure in run_apart(way, Path(name)).items():
                    found.setdefault(what, []).append(figure)
    print(f"{images} images of {values} values, CPU seconds (minimum, median):")
    rival = min(found.get("yaml.load, CSafeLoader", [0.0]))
    for what, figures in found.items():
        ratio = f"  {min(figures) / rival:5.2f} of CSafeLoader" if what.startswith("load") else ""
        print(f"  {what:28} {min(figures):8.2f} {statistics.median(figures):8.2f}{ratio}", flush=True)


def main() -> None:
    """Measure each size and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 3_000, 10_000, 30_000])
    parser.add_argument("--values", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.way:
        run_way(words.way, words.folder)
        return
    for images in words.images:
        compare(images, words.values, words.rounds)


if __name__ == "__main__":
    main()
