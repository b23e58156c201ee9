"""imagesync keeps the virtual-machine images of a cloud the way a version-controlled set of YAML manifests says.

For programs: ``load`` manifests, ``resolve`` them for a target, ``open_backend``, then ``plan`` and ``apply``. The other
names are the values that these functions take, return and raise; ``imagesync.errors`` draws the tree of all errors.
Only these names are public: other modules may change in any version. Each name is loaded on first use, because
importing all modules is slow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from imagesync.version import __version__

if TYPE_CHECKING:
    from imagesync.api import apply as apply
    from imagesync.api import load as load
    from imagesync.api import open_backend as open_backend
    from imagesync.api import plan as plan
    from imagesync.api import resolve as resolve
    from imagesync.backends.base import Backend as Backend
    from imagesync.errors import ImagesyncError as ImagesyncError
    from imagesync.errors import ManifestError as ManifestError
    from imagesync.errors import PlanRefused as PlanRefused
    from imagesync.errors import StalePlan as StalePlan
    from imagesync.lease.record import LeaseHeld as LeaseHeld
    from imagesync.manifest.merging import Manifest as Manifest
    from imagesync.model.catalog import Catalog as Catalog
    from imagesync.model.plan import Create as Create
    from imagesync.model.plan import Deactivate as Deactivate
    from imagesync.model.plan import Delete as Delete
    from imagesync.model.plan import Plan as Plan
    from imagesync.model.plan import Reactivate as Reactivate
    from imagesync.model.plan import Step as Step
    from imagesync.model.plan import Update as Update
    from imagesync.model.report import Event as Event
    from imagesync.model.report import Finished as Finished
    from imagesync.model.report import Outcome as Outcome
    from imagesync.model.report import Progress as Progress
    from imagesync.model.report import Report as Report
    from imagesync.model.report import Started as Started
    from imagesync.model.report import StepResult as StepResult
    from imagesync.run import RunResult as RunResult

_HOMES: Final = {
    "load": "imagesync.api",
    "resolve": "imagesync.api",
    "open_backend": "imagesync.api",
    "plan": "imagesync.api",
    "apply": "imagesync.api",
    "Manifest": "imagesync.manifest.merging",
    "Catalog": "imagesync.model.catalog",
    "Backend": "imagesync.backends.base",
    "Plan": "imagesync.model.plan",
    "Step": "imagesync.model.plan",
    "Create": "imagesync.model.plan",
    "Update": "imagesync.model.plan",
    "Deactivate": "imagesync.model.plan",
    "Reactivate": "imagesync.model.plan",
    "Delete": "imagesync.model.plan",
    "RunResult": "imagesync.run",
    "Report": "imagesync.model.report",
    "StepResult": "imagesync.model.report",
    "Outcome": "imagesync.model.report",
    "Event": "imagesync.model.report",
    "Started": "imagesync.model.report",
    "Progress": "imagesync.model.report",
    "Finished": "imagesync.model.report",
    "ImagesyncError": "imagesync.errors",
    "ManifestError": "imagesync.errors",
    "PlanRefused": "imagesync.errors",
    "StalePlan": "imagesync.errors",
    "LeaseHeld": "imagesync.lease.record",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'imagesync' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
