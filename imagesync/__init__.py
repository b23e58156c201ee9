"""imagesync keeps the virtual-machine images of a cloud the way a version-controlled set of YAML manifests says.

The verbs: ``load`` manifests, ``resolve`` them into a Catalog, take an ``inventory`` of what is live, ``make_plan``
from both, ``execute`` it. Names load on first use, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imagesync.backends import open_backend as open_backend
    from imagesync.errors import ImagesyncError as ImagesyncError
    from imagesync.executor import execute as execute
    from imagesync.live import Capabilities as Capabilities
    from imagesync.live import Inventory as Inventory
    from imagesync.live import LiveImage as LiveImage
    from imagesync.loader import load as load
    from imagesync.model import Catalog as Catalog
    from imagesync.model import Checksum as Checksum
    from imagesync.model import ImageSpec as ImageSpec
    from imagesync.model import Policy as Policy
    from imagesync.model import Status as Status
    from imagesync.model import Visibility as Visibility
    from imagesync.performer import Performer as Performer
    from imagesync.plan import Plan as Plan
    from imagesync.planner import make_plan as make_plan
    from imagesync.report import Report as Report
    from imagesync.resolution import resolve as resolve
    from imagesync.rollbacks import rollback_plan as rollback_plan
    from imagesync.staging import discard_plan as discard_plan
    from imagesync.staging import stage_plan as stage_plan
    from imagesync.survey import take_inventory as take_inventory

__version__: Final = "0.1.0"

_HOMES: Final = {
    "ImagesyncError": "imagesync.errors",
    "load": "imagesync.loader",
    "resolve": "imagesync.resolution",
    "open_backend": "imagesync.backends",
    "execute": "imagesync.executor",
    "Performer": "imagesync.performer",
    "Capabilities": "imagesync.live",
    "Catalog": "imagesync.model",
    "Checksum": "imagesync.model",
    "ImageSpec": "imagesync.model",
    "Inventory": "imagesync.live",
    "LiveImage": "imagesync.live",
    "Policy": "imagesync.model",
    "Status": "imagesync.model",
    "Visibility": "imagesync.model",
    "Plan": "imagesync.plan",
    "make_plan": "imagesync.planner",
    "stage_plan": "imagesync.staging",
    "discard_plan": "imagesync.staging",
    "rollback_plan": "imagesync.rollbacks",
    "Report": "imagesync.report",
    "take_inventory": "imagesync.survey",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'imagesync' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
