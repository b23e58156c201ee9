"""A catalog and an inventory -> the catalog of what can be adopted just now, and why the rest cannot. Pure.

``adopt`` brings images under management and does nothing else: keys that own an image are ignored, keys without an
image to adopt are reported and left for ``apply``.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Catalog, ImageSpec
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.references import fill_known_references, find_references
from imagesync.planning.clashes import find_adopted_images
from imagesync.planning.decisions import Keep, decide
from imagesync.planning.generations import Generations, group

NO_KEY: Final = ("",)
"""Looks at no key at all: without any pattern every key would be looked at, and those not wanted removed."""


def request_adoption(catalog: Catalog) -> Catalog:
    """The catalog with ``adopt`` on every image: the image of its name, unless the manifest names one."""
    return replace(catalog, images=tuple(replace(spec, adopt=spec.adopt or True) for spec in catalog.images))


def pick_adoptable(catalog: Catalog, inventory: Inventory) -> Catalog:
    """The part of a catalog (``request_adoption``) that an image can be adopted for; warnings name the keys that lack
    one.

    PlanRefused if the intended image is ambiguous, or another catalog owns it. References to owned images are filled
    in, so the part needs no other keys.
    """
    groups = group(inventory.owned)
    ours = groups.current_ids()
    free = [spec for spec in catalog.images if spec.key not in groups]  # with owned builds apply continues from them
    adopted, refusals = find_adopted_images(catalog, free, inventory, groups)
    project = inventory.project_id
    if refusals:
        raise PlanRefused(sorted(refusals.values()))
    texts = {
        spec.key: why for spec in free if (why := _explain_rejection(catalog, spec, adopted.get(spec.key), project))
    }
    picked = _drop_dangling([spec for spec in free if spec.key not in texts], ours, texts)
    return replace(
        catalog,
        images=tuple(replace(spec, properties=_fill_references(spec, ours)) for spec in picked),
        only=tuple(spec.key for spec in picked) or NO_KEY,
        warnings=tuple(f"{key}: {why}" for key, why in sorted(texts.items())),
    )


def _explain_rejection(catalog: Catalog, spec: ImageSpec, image: LiveImage | None, project: str) -> str:
    """Why a key adopts nothing; empty where it does."""
    if image is None:
        return f"not adopted: there is no visible image named {spec.name!r}"
    if isinstance(decide(spec, Generations(spec.key), image, catalog.name, catalog.policy, project=project), Keep):
        return ""
    return f"not adopted: image {image.id} has not the declared content or format; apply puts a new build in its place"


def _drop_dangling(specs: list[ImageSpec], ours: Mapping[str, str], texts: dict[str, str]) -> list[ImageSpec]:
    """Without those that refer to an image which is neither owned nor adopted with them; each is reported."""
    while True:
        known = {spec.key for spec in specs} | set(ours)
        lacking = {spec.key: min(find_references(spec) - known) for spec in specs if find_references(spec) - known}
        if not lacking:
            return specs
        texts |= {
            key: f"not adopted: it refers to images.{other}, which has no image" for key, other in lacking.items()
        }
        specs = [spec for spec in specs if spec.key not in lacking]


def _fill_references(spec: ImageSpec, ours: Mapping[str, str]) -> dict[str, str]:
    return {name: fill_known_references(text, ours) for name, text in spec.properties.items()}
