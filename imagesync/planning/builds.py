"""A plan -> the builds that it sends. Pure."""

from collections import Counter

from imagesync.model.builds import Build
from imagesync.model.catalog import FileSource, UrlSource
from imagesync.model.plan import Create, Plan, read_declared_formats


def count_sent_builds(plan: Plan) -> Counter[Build]:
    """How many images the plan makes of each build. Data that the service itself fetches (web-download) is not sent."""
    builds = Counter[Build]()
    for step in plan.steps:
        match step.action:
            case Create(source=FileSource() | UrlSource() as source) as create if source.transfer.is_sent:
                builds[Build.of(source, create.fingerprint, *read_declared_formats(create))] += 1
    return builds
