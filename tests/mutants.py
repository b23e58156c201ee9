"""``python -m tests.mutants imagesync/ROOM``: plants every small defect of a room, and prints those that no test
notices.

The defects are those of ``tests/defects.py``. First, all tests run once, and the program records which test runs which
line, also in a command that the test runs. Then each defect is planted in a fork of that process. The fork runs the
tests of the changed line until one fails: first those of the module's own file, then the fast ones. A defect outside of
functions (a table, a default) is planted in a fork that imports imagesync again. Runs processes, and writes into a
temporary folder; it does not change the working tree.
"""

import argparse
import ast
import contextlib
import gc
import importlib.machinery
import os
import pickle
import resource
import select
import signal
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

import pytest

from tests.defects import Defect, find_defects, find_siblings

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = ROOT / "imagesync"
WIDE_TESTS: Final = ("tests/property", "tests/contract")
"""The tests of each room besides its own. Not ``tests/cases``: one ``--update-cases`` would accept a defect."""
COMMAND_TESTS: Final = "tests/cli"
"""For the rooms cli and render."""
MAX_BYTES: Final = 4 * 2**30
"""The address space of a fork: a defect may request memory without end."""
GRACE_SECONDS: Final = 15
"""The time that a fork may use beyond three times the measured time of its tests."""
SLOW: Final = 3
HEAVY: Final = ("requests", "openstack", "keystoneauth1.session", "yaml", "jsonschema", "jsonschema_rs", "rich.console")
HEAVY_TOO: Final = ("typer", "deepdiff", "pysequoia", "oslo_utils.imageutils.format_inspector", "concurrent.futures")
PYTEST: Final = (
    *("--no-cloud", "-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:terminal"),
    *("-W", "ignore::pytest.PytestWarning"),
)
MAX_TRACED_CALLS: Final = 50
"""The calls of one function in one test whose lines are recorded. To record all calls would take minutes."""
NOTICED, MISSED, UNUSED = "noticed", "NOT NOTICED", "not run by any test"


@dataclass(slots=True)
class LinesSeen:
    """The result of the run of all tests."""

    lines: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """File and line -> the tests that run it."""
    seconds: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Job:
    """A defect with its place, and the tree that it changes."""

    path: Path
    tree: ast.Module
    defect: Defect
    number: int

    @property
    def name(self) -> str:
        """The name of the defect, which does not depend on its line."""
        return f"[{self.defect.kind}] {self.defect.change}: "

    @property
    def file(self) -> str:
        """The path from the root of the repository."""
        return str(self.path.relative_to(ROOT))

    def compile(self) -> CodeType:
        """The code of the module with the defect; SyntaxError if the defect makes no valid code."""
        before = self.defect.plant()
        try:
            return compile(ast.fix_missing_locations(self.tree), str(self.path), "exec", dont_inherit=True)
        finally:
            self.defect.take_out(before)


def list_jobs(rooms: Sequence[str], every: int, again: Sequence[str] = ()) -> list[Job]:
    """The defects of folders and files, or one in ``every``. With ``again``, lines that an earlier run printed, only
    those."""
    trees = {str(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    siblings = find_siblings(trees)
    jobs = []
    for name, tree in trees.items():
        if any(Path(name).is_relative_to((ROOT / room).resolve()) for room in rooms):
            for number, defect in enumerate(find_defects(tree, siblings)):
                shuffled = zlib.crc32(f"{Path(name).name} {defect.kind} {defect.change}".encode())
                if shuffled % every == 0:
                    jobs.append(Job(Path(name), tree, defect, number))
    if not again:
        return jobs
    printed = {(line.split(":")[0], line[line.index("[") : line.rindex(": ") + 2]) for line in again if "[" in line}
    return [job for job in jobs if (job.file, job.name) in printed]


class ForkedTests:
    """A plugin of pytest that runs ``work`` instead of the tests."""

    def __init__(self, work: Callable[["ForkedTests"], None]) -> None:
        self.work = work
        self.items: dict[str, pytest.Item] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the work instead of the tests."""
        self.items = {item.nodeid: item for item in session.items}
        self.work(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record which tests failed."""
        if report.failed:
            self.failed.add(report.nodeid)

    def run(self, names: Sequence[str]) -> Iterator[str]:
        """Run tests in this order; the name of each when it has ended."""
        items = [self.items[name] for name in names]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            yield item.nodeid


LINES: Final[dict[tuple[str, int], set[str]]] = {}
"""File and line -> the tests that run it, as the process records them while it watches."""
CURRENT: Final = [""]
"""The test that runs."""


def _use_own_forks() -> None:
    """Run the commands of tests in forks of this process, which have the defect."""
    from tests import forked, own_forks

    def list_lines() -> Iterator[str]:
        yield from (f"{line} {file}" for (file, line), tests in LINES.items() if CURRENT[0] in tests)

    def add_lines(lines: Iterable[str]) -> None:
        for number, _, file in (line.partition(" ") for line in lines):
            LINES.setdefault((file, int(number)), set()).add(CURRENT[0])

    forked.use(own_forks.OwnForks(list_lines, add_lines))


def run_pytest(paths: Sequence[str], work: Callable[[ForkedTests], None]) -> None:
    """Collect tests, and call ``work``, which runs them."""
    from hypothesis import Phase, settings

    _use_own_forks()

    settings.register_profile("mutants", database=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
    settings.load_profile("mutants")
    code = pytest.main([*PYTEST, *paths], plugins=[ForkedTests(work)])
    if code not in (0, 5):
        raise SystemExit(f"pytest ended with {code}")


def fork(work: Callable[[], int], seconds: float) -> int | None:
    """The exit code of ``work`` in a separate process without output; None if it does not end in time."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for number in (1, 2):
                os.dup2(null, number)
            code = work()
        finally:
            os._exit(code)
    watch = os.pidfd_open(pid)
    ended = bool(select.select([watch], [], [], seconds)[0])
    os.close(watch)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    return (os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1) if ended else None


def watch_lines(runner: ForkedTests, rooms: Sequence[str]) -> LinesSeen:
    """Run every test, and record the lines of the rooms that it runs; for other rooms only the first lines of
    functions."""
    seen = LinesSeen(LINES)
    inside = tuple(str((ROOT / room).resolve()) for room in rooms)
    package = str(PACKAGE)
    calls: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, _: object) -> Any:
        LINES.setdefault((frame.f_code.co_filename, frame.f_lineno), set()).add(CURRENT[0])
        return note

    def enter(frame: FrameType, event: str, _: object) -> Any:
        name = frame.f_code.co_filename
        if name.startswith(inside):
            calls[frame.f_code] += 1
            return note(frame, event, _) if calls[frame.f_code] <= MAX_TRACED_CALLS else None
        if name.startswith(package):
            LINES.setdefault((name, frame.f_lineno), set()).add(CURRENT[0])
        return None

    for name in runner.items:
        started = time.perf_counter()
        for _ in runner.run([name]):
            seen.seconds[name] = time.perf_counter() - started
    threading.settrace(enter)
    for name in runner.items:
        CURRENT[0] = name
        calls.clear()
        sys.settrace(enter)
        for _ in runner.run([name]):
            sys.settrace(None)
    seen.failed = runner.failed
    return seen


def choose_tests(job: Job, seen: LinesSeen, budget: float) -> list[str]:
    """The tests that may notice a defect, up to ``budget`` seconds.

    Those of the module's own file come first, then the fastest of each file, then the second fastest of each file.
    """
    lines = seen.lines.get((str(job.path), job.defect.line), set())
    found = (lines if job.defect.function else _find_users(job, seen)) - seen.failed
    own = f"/test_{job.path.stem}.py"
    places: Counter[str] = Counter()
    ranked = []
    for name in sorted(found, key=lambda name: (seen.seconds[name], name)):
        file = name.partition("::")[0]
        places[file] += 1
        ranked.append((own not in name, places[file], seen.seconds[name], name))
    chosen: list[str] = []
    spent = 0.0
    for _, _, seconds, name in sorted(ranked):
        spent += seconds
        if chosen and spent > budget:
            break
        chosen.append(name)
    return chosen


def _find_users(job: Job, seen: LinesSeen) -> set[str]:
    """The tests that run a function which uses a name that the statement defines, and those of the module's own file."""
    own = {name for name in seen.seconds if f"/test_{job.path.stem}.py" in name}
    words = set(job.defect.names)
    for path in PACKAGE.rglob("*.py"):
        for line in _list_users(path, words):
            own |= seen.lines.get((str(path), line), set())
    return own


def _list_users(path: Path, words: set[str]) -> Iterator[int]:
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.FunctionDef):
            used = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)}
            used |= {item.attr for item in ast.walk(node) if isinstance(item, ast.Attribute)}
            if used & words:
                yield min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


_PARSED: Final[dict[Path, ast.Module]] = {}


def _parse(path: Path) -> ast.Module:
    if path not in _PARSED:
        _PARSED[path] = ast.parse(path.read_text(encoding="utf-8"))
    return _PARSED[path]


def plant(code: CodeType, defect: Defect) -> None:
    """Give the loaded functions the code of the module with the defect."""
    assert defect.function is not None
    new = next(found for found in _walk_code(code) if (found.co_qualname, found.co_firstlineno) == defect.function)
    key = (new.co_filename, *defect.function)
    for function in FUNCTIONS[key]:
        function.__code__ = new


FUNCTIONS: Final[dict[tuple[str, str, int], list[FunctionType]]] = {}


def list_functions() -> None:
    """Collect every loaded function of imagesync, also wrapped ones."""
    gc.unfreeze()
    for item in gc.get_objects():
        if isinstance(item, FunctionType) and item.__code__.co_filename.startswith(str(PACKAGE)):
            code = item.__code__
            FUNCTIONS.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(item)


def _walk_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from _walk_code(item)


class Work:
    """The state of one run over some rooms."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.jobs = list_jobs(options.rooms, options.every, options.again.readlines() if options.again else ())
        self.folder = Path(tempfile.mkdtemp(prefix="imagesync-mutants-"))
        self.seen = LinesSeen()
        self.counts: Counter[str] = Counter()

    def report(self, job: Job, verdict: str) -> None:
        """Count a result; print the defect if no test noticed it."""
        self.counts[verdict] += 1
        if verdict != NOTICED:
            print(f"{job.file}:{job.defect.line}: {job.name}{verdict}", file=self.options.to, flush=True)

    def run_functions(self, runner: ForkedTests) -> None:
        """In the first process: record the lines, and then plant the defects inside functions."""
        kept = self.folder / "seen"

        def watch() -> int:
            kept.write_bytes(pickle.dumps(watch_lines(runner, self.options.rooms)))
            return 0

        if fork(watch, 3600) != 0:
            raise SystemExit("the run of all tests broke off")
        self.seen = pickle.loads(kept.read_bytes())
        print(
            f"{len(self.seen.seconds)} tests; left out, as they fail: {sorted(self.seen.failed)}", file=sys.__stderr__
        )
        list_functions()
        gc.collect()
        gc.freeze()
        for job in self.jobs:
            if job.defect.function is not None:
                self.report(job, self.judge(job, runner))

    def judge(self, job: Job, runner: ForkedTests) -> str:
        """Whether a test notices a defect in a function."""
        names = choose_tests(job, self.seen, self.options.seconds)
        if not names:
            return UNUSED
        try:
            code = job.compile()
        except SyntaxError:
            return NOTICED

        def work() -> int:
            _limit_memory()
            config = next(iter(runner.items.values())).config
            config._tmp_path_factory._basetemp = self.folder / "temp" / str(os.getpid())  # type: ignore[attr-defined]
            config._tmp_path_factory._basetemp.mkdir(parents=True)  # type: ignore[attr-defined]
            plant(code, job.defect)
            for _ in runner.run(names):
                if runner.failed:
                    return 1
            return 0

        return self._fork(work, names)

    def judge_outside(self, job: Job) -> str:
        """Whether a test notices a defect outside of functions."""
        names = choose_tests(job, self.seen, self.options.seconds)
        if not names:
            return UNUSED
        try:
            code = job.compile()
        except SyntaxError:
            return NOTICED

        def work() -> int:
            _limit_memory()
            read = importlib.machinery.SourceFileLoader.get_code

            def get_code(loader: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
                return code if loader.path == str(job.path) else read(loader, name)

            importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]
            failed: list[str] = []

            def run(runner: ForkedTests) -> None:
                for _ in runner.run([name for name in names if name in runner.items]):
                    if runner.failed:
                        failed.extend(runner.failed)
                        return

            run_pytest([f"--basetemp={self.folder / 'temp' / str(os.getpid())}", *names], run)
            return int(bool(failed))

        (self.folder / "temp").mkdir(exist_ok=True)
        return self._fork(work, names)

    def _fork(self, work: Callable[[], int], names: Sequence[str]) -> str:
        seconds = sum(self.seen.seconds[name] for name in names)
        code = fork(work, SLOW * seconds + GRACE_SECONDS)
        os.system(f"rm -rf {self.folder / 'temp'}")
        return MISSED if code == 0 else NOTICED


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))


def find_tests(rooms: Sequence[str]) -> list[str]:
    """The folders of tests of some rooms or modules."""
    own = []
    for room in rooms:
        parts = Path(room).parts[1:]
        folder = Path("tests/unit", *parts[:1])
        own.append(str(folder) if len(parts) and (ROOT / folder).is_dir() else "tests/unit")
    commands = [COMMAND_TESTS] if any(Path(room).parts[1:2] in {("cli",), ("render",)} for room in rooms) else []
    return [*dict.fromkeys(own), *WIDE_TESTS, *commands]


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rooms", nargs="+", metavar="PATH", help="folders or files of imagesync/")
    parser.add_argument("--list", action="store_true", help="print the defects and plant none")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="plant about one defect in N")
    parser.add_argument(
        "--again", type=argparse.FileType(), metavar="FILE", help="plant only what an earlier run printed"
    )
    parser.add_argument("--seconds", type=float, default=3, help="of tests for each defect, at most (3)")
    parser.add_argument("--tests", nargs="+", metavar="PATH", help="tests to run in the place of the room's")
    parser.add_argument("--to", type=argparse.FileType("w"), default=sys.stdout, metavar="FILE", help="write here")
    options = parser.parse_args()
    options.rooms = [room.rstrip("/") for room in options.rooms]
    return options


warnings.simplefilter("ignore", SyntaxWarning)


def main() -> int:
    """1 if a defect was not noticed, otherwise 0."""
    options = read_options()
    os.chdir(ROOT)
    work = Work(options)
    if options.list:
        for job in work.jobs:
            print(f"{job.file}:{job.defect.line}: [{job.defect.kind}] {job.defect.change}")
        return 0
    for name in (*HEAVY, *HEAVY_TOO):
        __import__(name)
    tests = options.tests or find_tests(options.rooms)
    results = work.folder / "counts"

    def inside() -> int:
        run_pytest([f"--basetemp={work.folder / 'all'}", *tests], work.run_functions)
        results.write_bytes(pickle.dumps((work.counts, work.seen)))
        return 0

    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = inside()
        finally:
            options.to.flush()
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0:
        return 70
    work.counts, work.seen = pickle.loads(results.read_bytes())
    gc.freeze()
    for job in work.jobs:
        if job.defect.function is None:
            work.report(job, work.judge_outside(job))
    os.system(f"rm -rf {work.folder}")
    total = sum(work.counts.values())
    print(
        f"{work.counts[NOTICED]} of {total} noticed; {work.counts[UNUSED]} in lines that no test runs", file=options.to
    )
    return int(work.counts[NOTICED] < total)


if __name__ == "__main__":
    raise SystemExit(main())
