"""Two states of one image -> the field changes between them. The only module that imports deepdiff. Pure."""

from collections.abc import Callable, Iterator
from typing import cast

from imagesync.model.plan import FieldChange, ImageState, Reason, Value

Why = Callable[[tuple[str, ...]], Reason]


def compare(before: ImageState, after: ImageState, why: Why) -> tuple[FieldChange, ...]:
    """The changes that turn ``before`` into ``after``, sorted by path; ``why`` gives the reason for one path.

    A name that only one side has is a change from or to None. Equal states (nearly all) never reach deepdiff, which is
    slow. Tags and members are compared as sets, because deepdiff gives every member of a set the same path.
    """
    if before == after:
        return ()
    changes = [*_compare_mappings(before, after), *_compare_sets(before, after)]
    return tuple(FieldChange(path, old, new, why(path)) for path, old, new in sorted(changes, key=lambda item: item[0]))


def _compare_mappings(before: ImageState, after: ImageState) -> Iterator[tuple[tuple[str, ...], Value, Value]]:
    from deepdiff import DeepDiff

    delta = DeepDiff(_make_tree(before), _make_tree(after), view="tree", threshold_to_diff_deeper=0)
    for level in (level for levels in delta.values() for level in levels):
        path = tuple(cast("list[str]", level.path(output_format="list")))
        yield path if path[0] == "properties" else path[1:], _plain_value(level.t1), _plain_value(level.t2)


def _make_tree(state: ImageState) -> dict[str, dict[str, object]]:
    return {"fields": dict(state.fields), "properties": dict(state.properties)}


def _plain_value(value: object) -> Value:
    return value if isinstance(value, str | int | bool) else None


def _compare_sets(before: ImageState, after: ImageState) -> Iterator[tuple[tuple[str, ...], Value, Value]]:
    if set(before.tags) != set(after.tags):
        yield ("tags",), before.tags, after.tags
    if set(before.members) != set(after.members):
        yield ("members",), before.members, after.members
