"""A catalog and an inventory -> the part of the catalog that can be adopted now, and why the rest cannot. Pure.

``adopt`` brings images under management and does nothing else. It ignores keys that own an image. It reports keys that
have no image to adopt, and leaves them to ``apply``.
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
from imagesync.planning.generations import Generations
from imagesync.planning.moves import group_by_new_key

NO_KEY: Final = ("",)
"""A pattern that matches no key. Without a pattern the plan would include every key, and remove undeclared ones."""


def request_adoption(catalog: Catalog) -> Catalog:
    """The catalog with ``adopt`` on every image: by its name, unless the manifest gives an id."""
    return replace(catalog, images=tuple(replace(spec, adopt=spec.adopt or True) for spec in catalog.images))


def pick_adoptable(catalog: Catalog, inventory: Inventory) -> Catalog:
    """The keys of a catalog (see ``request_adoption``) that can adopt an image; warnings say why the others cannot.

    PlanRefused if several images match, or another catalog owns the image. References to owned images are replaced by
    ids, so the result needs no other keys.
    """
    groups, _ = group_by_new_key(catalog.moved, inventory.owned)
    current = groups.find_current_ids()
    free = [spec for spec in catalog.images if spec.key not in groups]  # apply continues from owned builds
    adopted, refusals = find_adopted_images(catalog, free, inventory, groups)
    project = inventory.project_id
    if refusals:
        raise PlanRefused(sorted(refusals.values()))
    texts = {
        spec.key: why for spec in free if (why := _explain_no_adoption(catalog, spec, adopted.get(spec.key), project))
    }
    picked = _drop_dangling([spec for spec in free if spec.key not in texts], current, texts)
    return replace(
        catalog,
        images=tuple(replace(spec, properties=_fill_references(spec, current)) for spec in picked),
        only=tuple(spec.key for spec in picked) or NO_KEY,
        warnings=tuple(f"{key}: {why}" for key, why in sorted(texts.items())),
    )


def _explain_no_adoption(catalog: Catalog, spec: ImageSpec, image: LiveImage | None, project: str) -> str:
    """Why a key adopts no image; empty if it adopts one."""
    if image is None:
        return f"not adopted: no visible image is named {spec.name!r}"
    if isinstance(decide(spec, Generations(spec.key), image, catalog.name, catalog.policy, project=project), Keep):
        return ""
    return f"not adopted: image {image.id} does not have the declared content and format; apply replaces it with a new build"


def _drop_dangling(specs: list[ImageSpec], current: Mapping[str, str], texts: dict[str, str]) -> list[ImageSpec]:
    """The keys whose references are all to owned images or to each other; ``texts`` gets a sentence for each other."""
    while True:
        known = {spec.key for spec in specs} | set(current)
        lacking = {spec.key: min(find_references(spec) - known) for spec in specs if find_references(spec) - known}
        if not lacking:
            return specs
        texts |= {
            key: f"not adopted: it refers to images.{other}, which has no image" for key, other in lacking.items()
        }
        specs = [spec for spec in specs if spec.key not in lacking]


def _fill_references(spec: ImageSpec, current: Mapping[str, str]) -> dict[str, str]:
    return {name: fill_known_references(text, current) for name, text in spec.properties.items()}
