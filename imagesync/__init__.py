"""imagesync keeps the virtual-machine images of a cloud the way a version-controlled set of YAML manifests says.

A whole run: ``read_catalog``, ``open_target``, ``Planner``, ``apply``; the command line calls the same functions. Its
parts: ``load``, ``resolve``, ``take_inventory``, ``make_plan``, ``execute``. Each name is loaded on first use, because
importing all modules is slow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from imagesync.version import __version__

if TYPE_CHECKING:
    from imagesync.backends import open_backend as open_backend
    from imagesync.backends import open_target as open_target
    from imagesync.errors import ImagesyncError as ImagesyncError
    from imagesync.execution.executor import execute as execute
    from imagesync.execution.performer import Performer as Performer
    from imagesync.inventory import identify_owners as identify_owners
    from imagesync.inventory import take_inventory as take_inventory
    from imagesync.manifest.loader import load as load
    from imagesync.manifest.resolution import resolve as resolve
    from imagesync.model.catalog import Catalog as Catalog
    from imagesync.model.catalog import Checksum as Checksum
    from imagesync.model.catalog import ImageSpec as ImageSpec
    from imagesync.model.catalog import Status as Status
    from imagesync.model.catalog import Visibility as Visibility
    from imagesync.model.image import Capabilities as Capabilities
    from imagesync.model.image import Inventory as Inventory
    from imagesync.model.image import LiveImage as LiveImage
    from imagesync.model.plan import Create as Create
    from imagesync.model.plan import Deactivate as Deactivate
    from imagesync.model.plan import Delete as Delete
    from imagesync.model.plan import Plan as Plan
    from imagesync.model.plan import Reactivate as Reactivate
    from imagesync.model.plan import Step as Step
    from imagesync.model.plan import Update as Update
    from imagesync.model.policy import Policy as Policy
    from imagesync.model.report import Event as Event
    from imagesync.model.report import Outcome as Outcome
    from imagesync.model.report import Report as Report
    from imagesync.planning.clock import Clock as Clock
    from imagesync.planning.context import PlanInput as PlanInput
    from imagesync.planning.planner import make_plan as make_plan
    from imagesync.planning.rollback import rollback_plan as rollback_plan
    from imagesync.planning.staging import discard_plan as discard_plan
    from imagesync.planning.staging import stage_plan as stage_plan
    from imagesync.run import Hooks as Hooks
    from imagesync.run import RunResult as RunResult
    from imagesync.run import Settings as Settings
    from imagesync.run import Watch as Watch
    from imagesync.sources.access import SourceAccess as SourceAccess
    from imagesync.workflow import Planner as Planner
    from imagesync.workflow import apply as apply
    from imagesync.workflow import apply_saved as apply_saved
    from imagesync.workflow import read_catalog as read_catalog
    from imagesync.workflow import select_adoptable as select_adoptable

_HOMES: Final = {
    "ImagesyncError": "imagesync.errors",
    "LiveImage": "imagesync.model.image",
    "Capabilities": "imagesync.model.image",
    "Inventory": "imagesync.model.image",
    "Catalog": "imagesync.model.catalog",
    "Checksum": "imagesync.model.catalog",
    "ImageSpec": "imagesync.model.catalog",
    "Policy": "imagesync.model.policy",
    "Status": "imagesync.model.catalog",
    "Visibility": "imagesync.model.catalog",
    "Plan": "imagesync.model.plan",
    "Reactivate": "imagesync.model.plan",
    "Deactivate": "imagesync.model.plan",
    "Delete": "imagesync.model.plan",
    "Update": "imagesync.model.plan",
    "Create": "imagesync.model.plan",
    "Step": "imagesync.model.plan",
    "Report": "imagesync.model.report",
    "Outcome": "imagesync.model.report",
    "Event": "imagesync.model.report",
    "load": "imagesync.manifest.loader",
    "resolve": "imagesync.manifest.resolution",
    "open_backend": "imagesync.backends",
    "open_target": "imagesync.backends",
    "read_catalog": "imagesync.workflow",
    "Planner": "imagesync.workflow",
    "apply": "imagesync.workflow",
    "apply_saved": "imagesync.workflow",
    "select_adoptable": "imagesync.workflow",
    "Hooks": "imagesync.run",
    "Settings": "imagesync.run",
    "RunResult": "imagesync.run",
    "Watch": "imagesync.run",
    "SourceAccess": "imagesync.sources.access",
    "take_inventory": "imagesync.inventory",
    "identify_owners": "imagesync.inventory",
    "Clock": "imagesync.planning.clock",
    "PlanInput": "imagesync.planning.context",
    "make_plan": "imagesync.planning.planner",
    "stage_plan": "imagesync.planning.staging",
    "discard_plan": "imagesync.planning.staging",
    "rollback_plan": "imagesync.planning.rollback",
    "execute": "imagesync.execution.executor",
    "Performer": "imagesync.execution.performer",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'imagesync' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
