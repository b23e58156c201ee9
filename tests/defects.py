"""The source of a module -> small defects of it, such as a tired person could write. Pure.

A defect changes one node of the syntax tree: a condition, a limit, an operand, a statement, an element of a table.
Texts for people and annotations are not changed.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

MAX_SHOWN: Final = 150
NAME_LIKE: Final = re.compile(r"[\w./:%*+-]+")
"""A string that a program reads; any other string is a text for people."""
SWAPS: Final[Mapping[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mult: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
OTHER_NAMES: Final = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "startswith": "endswith",
    "endswith": "startswith",
    "removeprefix": "removesuffix",
    "partition": "rpartition",
    "rpartition": "partition",
    "fullmatch": "match",
    "match": "search",
    "setdefault": "get",
    "issubset": "issuperset",
}
UNWRAPPED: Final = frozenset(
    {"strip", "lstrip", "rstrip", "lower", "casefold", "upper", "removeprefix", "removesuffix"}
)
"""Methods of a text whose call a defect leaves out."""
NO_PARTS: Final = frozenset({"body", "orelse", "finalbody", "targets", "target", "annotation", "returns"})
"""Fields of a statement that contain other statements, or what it defines."""
PLAIN_BUILDERS: Final = frozenset(
    [
        *("str", "int", "bool", "float", "bytes", "len", "range", "enumerate", "iter", "next", "isinstance", "super"),
        *("repr", "hash", "tuple", "list", "set", "frozenset", "dict", "assert_never"),
    ]
)
"""Functions whose missing call mypy finds."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One changed node: the text in ``field`` (at ``index``) of ``parent`` becomes ``after``.

    ``function``: the outermost function around the node, by name and first line; None outside of functions. ``names``:
    what the statement of a node outside of functions defines.
    """

    line: int
    kind: str
    change: str
    parent: ast.AST
    field: str
    index: int | None
    after: object
    function: tuple[str, int] | None
    names: tuple[str, ...] = ()

    def plant(self) -> object:
        """Change the tree; the value that was there before."""
        if self.index is None:
            before = getattr(self.parent, self.field)
            setattr(self.parent, self.field, self.after)
            return before
        items = getattr(self.parent, self.field)
        before = list(items)
        items[self.index : self.index + 1] = self.after if isinstance(self.after, list) else [self.after]
        return before

    def take_out(self, before: object) -> None:
        """Restore the tree."""
        setattr(self.parent, self.field, before)


def find_defects(tree: ast.Module, siblings: Mapping[str, str]) -> Iterator[Defect]:
    """Every defect of a module. ``siblings``: a field of a class -> another field of the same type."""
    yield from _Finder(siblings).walk_body(tree, "body", None, "", ())


def find_siblings(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """For each field that only one class has: the next field of that class with the same annotation."""
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    fields: dict[str, list[str]] = {}
    for node in classes:
        typed = [
            (item.target.id, ast.unparse(item.annotation))
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        ]
        for name, kind in typed:
            fields.setdefault(name, []).append("")
            same = [other for other, its in typed if its == kind]
            if len(same) > 1:
                fields[name][-1] = same[(same.index(name) + 1) % len(same)]
    return {name: others[0] for name, others in fields.items() if len(others) == 1 and others[0]}


class _Finder:
    """Walks through one tree, and knows the function around each node."""

    def __init__(self, siblings: Mapping[str, str]) -> None:
        self.siblings = siblings
        self.function: tuple[str, int] | None = None
        self.names: tuple[str, ...] = ()
        self.returns = ""

    def make(
        self, kind: str, parent: ast.AST, field: str, index: int | None, node: ast.AST, after: object, text: str = ""
    ) -> Defect:
        display = text or f"{_show(node)}  ->  {_show(after) if isinstance(after, ast.AST) else after}"
        if isinstance(after, ast.AST):
            ast.copy_location(after, node)
            ast.fix_missing_locations(after)
        line = getattr(node, "lineno", getattr(parent, "lineno", 0))
        return Defect(line, kind, display, parent, field, index, after, self.function, self.names)

    def walk_body(
        self, parent: ast.AST, field: str, function: tuple[str, int] | None, prefix: str, names: tuple[str, ...]
    ) -> Iterator[Defect]:
        statements: list[ast.stmt] = getattr(parent, field)
        for index, node in enumerate(statements):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._function(node, function, prefix)
                continue
            if isinstance(node, ast.ClassDef):
                yield from self.walk_body(node, "body", function, f"{prefix}{node.name}.", (*names, node.name))
                continue
            if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node) or _is_for_types(node):
                continue
            self.function = function
            self.names = (*names, *_defined(node)) if function is None else ()
            yield from self._statement(parent, field, index, node)
            following = statements[index + 1] if index + 1 < len(statements) else None
            if _is_call(node) and following is not None and _is_call(following):
                text = f"swapped: {_show(node)}  <->  {_show(following)}"
                swapped = [*statements[:index], following, node, *statements[index + 2 :]]
                yield self.make("order", parent, field, None, node, swapped, text)
            for name in ("body", "orelse", "finalbody"):
                if getattr(node, name, None):
                    yield from self.walk_body(node, name, function, prefix, names)
            for handler in getattr(node, "handlers", ()):
                yield from self.walk_body(handler, "body", function, prefix, names)
            for case in getattr(node, "cases", ()):
                yield from self.walk_body(case, "body", function, prefix, names)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, function: tuple[str, int] | None, prefix: str
    ) -> Iterator[Defect]:
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        self.function, self.names = function, (node.name,) if function is None else ()
        for field in ("defaults", "kw_defaults"):
            for index, default in enumerate(getattr(node.args, field)):
                if default is not None:
                    yield from self._expression(node.args, field, index, default)
        outer, self.returns = self.returns, ast.unparse(node.returns) if node.returns else ""
        inside = function or (f"{prefix}{node.name}", first)
        yield from self.walk_body(node, "body", inside, prefix, ())
        self.returns = outer

    def _statement(self, parent: ast.AST, field: str, index: int, node: ast.stmt) -> Iterator[Defect]:
        if isinstance(node, ast.If | ast.While | ast.For | ast.With | ast.Try | ast.Match):
            yield from self._compound(parent, field, index, node)
        elif isinstance(node, ast.Return) and node.value is not None and self.function is not None:
            yield from self._return(node, node.value)
        elif isinstance(node, ast.AugAssign) or (self.function is not None and _can_be_dropped(node)):
            yield self.make("dropped", parent, field, index, node, ast.Pass(), f"dropped: {_show(node)}")
        elif isinstance(node, ast.Continue):
            yield self.make("continue", parent, field, index, node, ast.Break())
        elif isinstance(node, ast.Break):
            yield self.make("break", parent, field, index, node, ast.Pass())
        for name, value in ast.iter_fields(node):
            if name not in NO_PARTS:
                for number, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
                    yield from self._part(node, name, number, item)

    def _compound(self, parent: ast.AST, field: str, index: int, node: ast.stmt) -> Iterator[Defect]:
        match node:
            case ast.If():
                for value, kind in ((False, "never"), (True, "always")):
                    text = f"if {_show(node.test)}: {kind}"
                    yield self.make(kind, node, "test", None, node.test, ast.Constant(value), text)
            case ast.While():
                text = f"while {_show(node.test)}: never"
                yield self.make("never", node, "test", None, node.test, ast.Constant(False), text)
            case ast.For():
                text = f"for {_show(node.target)}: the first only"
                yield self.make("first only", node, "iter", None, node.iter, _take_first(node.iter), text)
            case ast.With() if all(item.optional_vars is None for item in node.items):
                body = ast.copy_location(ast.If(ast.Constant(True), node.body, []), node)
                yield self.make("with", parent, field, index, node, body, f"without with {_show(node.items[0])}")
            case ast.Try():
                yield from self._try(node)
            case ast.Match():
                for number, case in enumerate(node.cases):
                    text = f"no case {_show(case.pattern)}"
                    yield self.make("case", node, "cases", number, case.pattern, [], text)

    def _part(self, parent: ast.AST, field: str, index: int | None, item: object) -> Iterator[Defect]:
        match item:
            case ast.expr():
                yield from self._expression(parent, field, index, item)
            case ast.withitem():
                yield from self._expression(item, "context_expr", None, item.context_expr)
            case ast.ExceptHandler(type=ast.expr() as kind):
                yield from self._expression(item, "type", None, kind)
            case ast.match_case(guard=ast.expr() as guard):
                text = f"no guard: if {_show(guard)}"
                yield self.make("guard", item, "guard", None, guard, None, text)
                yield from self._expression(item, "guard", None, guard)

    def _try(self, node: ast.Try) -> Iterator[Defect]:
        for index, handler in enumerate(node.handlers):
            text = f"no except {_show(handler.type) if handler.type else ''}"
            raises = [ast.copy_location(ast.Raise(None, None), handler)]
            after = ast.ExceptHandler(handler.type, handler.name, raises)  # type: ignore[arg-type]
            yield self.make("except", node, "handlers", index, handler, after, text)
        if node.finalbody:
            nothing = [ast.copy_location(ast.Pass(), node.finalbody[0])]
            yield self.make("finally", node, "finalbody", None, node.finalbody[0], nothing, "nothing in finally")

    def _return(self, node: ast.Return, value: ast.expr) -> Iterator[Defect]:
        kinds = self.returns
        values: list[ast.expr] = []
        if kinds == "bool":
            values = [ast.Constant(True), ast.Constant(False)]
        elif kinds.endswith("| None"):
            values = [ast.Constant(None)]
        elif kinds == "str":
            values = [ast.Constant("")]
        elif kinds == "int":
            values = [ast.Constant(0)]
        elif kinds.startswith(("tuple[", "Sequence[", "Iterator[", "list[")) and not isinstance(value, ast.Tuple):
            values = [ast.Tuple([], ast.Load())] if not kinds.startswith("list[") else [ast.List([], ast.Load())]
        elif kinds.startswith(("dict[", "Mapping[")):
            values = [ast.Dict([], [])]
        for after in values:
            if ast.dump(after) != ast.dump(value):
                yield self.make(
                    "return", node, "value", None, value, after, f"return {_show(value)}  ->  {_show(after)}"
                )

    def _expression(self, parent: ast.AST, field: str, index: int | None, node: ast.expr) -> Iterator[Defect]:
        if isinstance(node, ast.JoinedStr):
            return
        for kind, after in self._replacements(node):
            yield self.make(kind, parent, field, index, node, after)
        if isinstance(node, ast.Dict):
            yield from self._entries(parent, field, index, node)
        elif isinstance(node, ast.Set | ast.List | ast.Tuple):
            yield from self._elements(parent, field, index, node)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            for part in node.generators:
                yield from self._generator(part)
        elif isinstance(node, ast.Call):
            yield from self._keywords(node)
        elif isinstance(node, ast.Slice):
            yield from self._bounds(node)
        yield from self._inner(node)

    def _keywords(self, node: ast.Call) -> Iterator[Defect]:
        for number, keyword in enumerate(node.keywords):
            text = f"no keyword {keyword.arg or '**'} in {_show(node)}"
            yield self.make("keyword", node, "keywords", number, keyword.value, [], text)
            yield from self._expression(keyword, "value", None, keyword.value)

    def _bounds(self, node: ast.Slice) -> Iterator[Defect]:
        for bound in ("lower", "upper", "step"):
            if (value := getattr(node, bound)) is not None:
                yield self.make("slice", node, bound, None, value, None, f"no {bound} {_show(value)}")

    def _inner(self, node: ast.expr) -> Iterator[Defect]:
        for name, value in ast.iter_fields(node):
            if name in {"generators", "keywords", "ctx", "ops"} or (isinstance(node, ast.Lambda) and name == "args"):
                continue
            for place, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(item, ast.expr) and not _is_message(node, item):
                    yield from self._expression(node, name, place, item)

    def _entries(self, parent: ast.AST, field: str, index: int | None, node: ast.Dict) -> Iterator[Defect]:
        for number, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            rest = [place for place in range(len(node.keys)) if place != number]
            less = ast.Dict([node.keys[place] for place in rest], [node.values[place] for place in rest])
            text = f"no entry {_show(key) if key else '**'}: {_show(value)}"
            yield self.make("element", parent, field, index, node, less, text)

    def _elements(
        self, parent: ast.AST, field: str, index: int | None, node: ast.Set | ast.List | ast.Tuple
    ) -> Iterator[Defect]:
        if len(node.elts) < 2 or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return
        for number, item in enumerate(node.elts):
            rest = [other for place, other in enumerate(node.elts) if place != number]
            less = ast.Set(rest) if isinstance(node, ast.Set) else type(node)(rest, ast.Load())
            yield self.make("element", parent, field, index, node, less, f"no element {_show(item)} in {_show(node)}")

    def _generator(self, part: ast.comprehension) -> Iterator[Defect]:
        text = f"the first only: in {_show(part.iter)}"
        yield self.make("first only", part, "iter", None, part.iter, _take_first(part.iter), text)
        for number, test in enumerate(part.ifs):
            yield self.make("filter", part, "ifs", number, test, [], f"no filter: if {_show(test)}")
            yield from self._expression(part, "ifs", number, test)
        yield from self._expression(part, "iter", None, part.iter)

    def _replacements(self, node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
        match node:
            case ast.BoolOp():
                for number in range(len(node.values)):
                    rest = [value for place, value in enumerate(node.values) if place != number]
                    yield "operand", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
                yield "and/or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            case ast.UnaryOp(op=ast.Not()):
                yield "not", node.operand
            case ast.Compare():
                yield from _change_comparison(node)
            case ast.IfExp():
                yield from (("branch", node.body), ("branch", node.orelse))
            case ast.BinOp() if type(node.op) in SWAPS:
                yield from _change_operation(node)
            case ast.Constant(value=value):
                yield from (("constant", ast.Constant(other)) for other in _change_constant(value))
            case ast.Call():
                yield from _change_call(node)
            case ast.Attribute(attr=name) if name in self.siblings and isinstance(node.ctx, ast.Load):
                yield "sibling", ast.Attribute(node.value, self.siblings[name], ast.Load())


def _change_comparison(node: ast.Compare) -> Iterator[tuple[str, ast.expr]]:
    for number in range(len(node.ops)):
        ops = [SWAPS[type(op)]() if place == number else op for place, op in enumerate(node.ops)]
        yield "compare", ast.Compare(node.left, cast("list[ast.cmpop]", ops), node.comparators)
    if len(node.ops) == 1 and isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        turned = ast.GtE() if isinstance(node.ops[0], ast.Lt | ast.LtE) else ast.LtE()
        yield "turned", ast.Compare(node.left, [turned], node.comparators)


def _change_operation(node: ast.BinOp) -> Iterator[tuple[str, ast.expr]]:
    yield "operator", ast.BinOp(node.left, cast("ast.operator", SWAPS[type(node.op)]()), node.right)
    yield "left only", node.left
    if not isinstance(node.op, ast.Sub | ast.FloorDiv):
        yield "right only", node.right


def _change_constant(value: object) -> Iterator[bool | int | float | str]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from [value + 1, value - 1] if value > 1 else [value + 1]
    elif isinstance(value, str) and NAME_LIKE.fullmatch(value):
        yield value + "_"


def _change_call(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    plain = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
    if isinstance(node.func, ast.Name):
        yield from _change_function(node, node.func.id, plain)
    elif isinstance(node.func, ast.Attribute):
        yield from _change_method(node, node.func)


def _change_function(node: ast.Call, name: str, plain: list[ast.expr]) -> Iterator[tuple[str, ast.expr]]:
    if name in OTHER_NAMES:
        yield "name", ast.Call(ast.Name(OTHER_NAMES[name], ast.Load()), node.args, node.keywords)
    if name in {"min", "max"} and len(plain) > 1:
        yield from (("one of", argument) for argument in plain)
    if name in {"sorted", "reversed"}:
        yield "unsorted", ast.Call(ast.Name("list", ast.Load()), node.args, [])
    elif len(plain) == 1 and not node.keywords and name[0].islower() and name not in PLAIN_BUILDERS:
        yield "unwrapped", plain[0]
    if len(plain) == 2 == len(node.args) and name not in PLAIN_BUILDERS:
        yield "arguments", ast.Call(node.func, [plain[1], plain[0]], node.keywords)


def _change_method(node: ast.Call, method: ast.Attribute) -> Iterator[tuple[str, ast.expr]]:
    if method.attr in OTHER_NAMES:
        other = ast.Attribute(method.value, OTHER_NAMES[method.attr], ast.Load())
        yield "name", ast.Call(other, node.args, node.keywords)
    if method.attr in UNWRAPPED:
        yield "unwrapped", method.value
    if method.attr == "get" and len(node.args) == 2:
        yield "no default", ast.Call(method, node.args[:1], [])


def _can_be_dropped(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name("assert_never"))):
            return False
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.Delete():
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return True
    return False


def _take_first(items: ast.expr) -> ast.expr:
    listed = ast.Call(ast.Name("list", ast.Load()), [items], [])
    return ast.Subscript(listed, ast.Slice(None, ast.Constant(1), None), ast.Load())


def _show(node: object) -> str:
    text = " ".join(ast.unparse(node).split()) if isinstance(node, ast.AST) else str(node)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_call(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _is_for_types(node: ast.stmt) -> bool:
    """Whether a statement is ``if TYPE_CHECKING``, ``__all__``, or a name of a type."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    names = _defined(node)
    return "__all__" in names or (isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias")


def _is_message(node: ast.expr, item: ast.expr) -> bool:
    """Whether an argument is the text of an error."""
    if not isinstance(node, ast.Call) or not isinstance(item, ast.Constant) or not isinstance(item.value, str):
        return False
    return ast.unparse(node.func).endswith("Error")


def _defined(node: ast.stmt) -> tuple[str, ...]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return tuple(item.id for target in targets for item in ast.walk(target) if isinstance(item, ast.Name))
