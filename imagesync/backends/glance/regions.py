"""A cloud's settings and its service catalog -> the region that the user selected. Reads OS_REGION_NAME.

Of several regions, the library uses the first one without a warning, and a plan for one region could be applied to another.
"""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from imagesync.backends.glance.failures import clean
from imagesync.errors import UsageError
from imagesync.text import quote_word, shorten

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfo
    from openstack.config import OpenStackConfig
    from openstack.config.cloud_region import CloudRegion

MAX_SHOWN: Final = 20
"""Regions that a message lists."""
MAX_NAME_CHARS: Final = 64


def choose_region(config: "OpenStackConfig", cloud: str | None) -> str | None:
    """The region to request from the library; None if the settings name at most one, which it then uses.

    If the cloud has several ``regions``, its ``region_name`` selects one, else OS_REGION_NAME. The library ignores
    ``region_name`` beside ``regions``, and OS_REGION_NAME for a cloud of clouds.yaml. UsageError if neither names one of
    ``regions``.
    """
    name = str(cloud or config.default_cloud)
    entry = config.cloud_config["clouds"].get(name) or {}
    known = [region["name"] for region in config._get_known_regions(name)] if entry else []
    given = os.environ.get("OS_REGION_NAME") or None
    if len(set(known)) < 2:
        return None if known and known[0] else given
    declared = entry.get("region_name", entry.get("region-name"))
    wanted = declared if declared in known else given
    if wanted not in known:
        found = f"region {_show(wanted)} is not one of its regions" if wanted else "it has several regions"
        raise UsageError(f"cloud {name}: {found} ({_list(known)})", _suggest(known))
    return str(wanted)


def find_regions(region: "CloudRegion", access: "AccessInfo | None") -> list[str]:
    """The regions in which the image service has a suitable endpoint, sorted; empty without a service catalog."""
    if access is None or not access.has_service_catalog():
        return []
    endpoints = access.service_catalog.get_endpoint_data_list(
        service_type=region.get_service_type("image"),
        service_name=region.get_service_name("image"),
        interface=region.get_interface("image"),
    )
    return sorted({endpoint.region_name or "" for endpoint in endpoints})


def settle_region(label: str, region: "CloudRegion", url: str | None, regions: Sequence[str]) -> str:
    """The name of the region that is used; empty if neither the settings nor the service catalog name one.

    The only region of the service catalog is used by name also if the settings do not name it. A plan then stays valid
    after the user adds its name. UsageError if there are several regions and the settings name none, or if there is no
    ``url``.
    """
    named = region.get_region_name("image")
    if not url:
        interface = region.get_interface("image")
        others = f"; it has one in {_list(regions)}" if regions else ""
        message = f"{label}: no image endpoint found (interface {interface}, region {named or 'any'}){others}"
        remedy = "check project, auth_type, region_name and interface of this cloud in clouds.yaml or OS_*"
        raise UsageError(message, _suggest(regions) if regions else remedy)
    if named or len(regions) == 1:
        return named or regions[0]
    if regions and not region.get_endpoint("image"):
        raise UsageError(f"{label}: its image service is in several regions ({_list(regions)})", _suggest(regions))
    return ""


def _suggest(regions: Iterable[str]) -> str:
    example = next((_show(name) for name in regions if name), "NAME")
    return f"select one: region_name: {example} in clouds.yaml, or export OS_REGION_NAME={quote_word(example)}"


def _list(regions: Sequence[str]) -> str:
    names = [_show(name) or "one without a name" for name in regions[:MAX_SHOWN]]
    more = [f"and {len(regions) - MAX_SHOWN} more"] if len(regions) > MAX_SHOWN else []
    return ", ".join([*names, *more])


def _show(name: object) -> str:
    return shorten(clean(str(name)), MAX_NAME_CHARS)
