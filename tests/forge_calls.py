"""What both doubles of ``tests/forge.py`` share: a request, its answer, the table of routes, and pages. No I/O.

The doubles are strict. A route, a parameter of a query or a field of a body that imagesync should not use is an error, and a
token has exactly the permissions that the state gives it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

State = dict[str, Any]
Answering = Callable[..., "ForgeAnswer"]
Register = Callable[[Answering], Answering]


@dataclass(frozen=True, slots=True)
class ForgeCall:
    """One request. ``path``: below the address of the API, decoded except for %2F; ``token``: the one of its headers, empty without."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    base: str
    """The address of the API."""
    elsewhere: str
    """The address of the server that artifacts are stored on."""


@dataclass(frozen=True, slots=True)
class ForgeAnswer:
    """A response: JSON, or bytes as they are."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A response that ends the work on a request."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.answer = ForgeAnswer(status, body)


@dataclass(frozen=True, slots=True)
class Route:
    """A request that is answered. ``need``: the permission; ``query``, ``fields``: the allowed names."""

    method: str
    pattern: re.Pattern[str]
    need: str
    query: frozenset[str]
    fields: frozenset[str]
    answer: Callable[..., ForgeAnswer]


class Routes:
    """The table of the routes of one double."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def add(self, method: str, path: str, *, need: str, query: str = "", fields: str = "") -> Register:
        """A decorator for the function that answers; ``{name}`` in the path is an argument of it."""
        pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))

        def register(function: Answering) -> Answering:
            names = frozenset(query.split()), frozenset(fields.split())
            self._routes.append(Route(method, pattern, need, *names, function))
            return function

        return register

    def find(self, call: ForgeCall) -> tuple[Route, dict[str, str]] | None:
        """The route of a request, and the arguments in its path; None if it is not answered."""
        for route in self._routes:
            found = route.pattern.fullmatch(call.path)
            if found and route.method == call.method:
                return route, found.groupdict()
        return None

    def check(self, route: Route, call: ForgeCall) -> None:
        """Refuse names that the route does not have: the test then fails."""
        if unknown := set(call.query) - route.query:
            raise Refusal(400, {"message": f"the double knows no parameter {sorted(unknown)} of {call.path}"})
        if unknown := set(call.body or {}) - route.fields:
            raise Refusal(400, {"message": f"the double knows no field {sorted(unknown)} of {call.path}"})


def paginate(
    call: ForgeCall, entries: Sequence[Any], wrap: Callable[[Sequence[Any]], Any] = lambda page: page
) -> ForgeAnswer:
    """One page, with the link to the next one, as both forges make it (RFC 8288)."""
    size, page = int(call.query.get("per_page", "30")), int(call.query.get("page", "1"))
    if size > 100:
        raise Refusal(400, {"message": "per_page is more than 100"})
    start = (page - 1) * size
    more = len(entries) > start + size
    link = {"Link": f'<{call.base}{call.path}?page={page + 1}&per_page={size}>; rel="next"'} if more else {}
    return ForgeAnswer(200, wrap(entries[start : start + size]), link)


def number_next(entries: Sequence[Mapping[str, Any]], name: str = "id") -> int:
    """A number that no entry has."""
    return max((one[name] for one in entries), default=0) + 1
