"""The ``imagesync`` command: its table of commands, and the handler that turns an error into a line and an exit code."""

import gc
import os
import re
import sys
import traceback
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

from imagesync.cli import streams
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.interrupts import Interrupted, choose_exit_code
from imagesync.cli.logs import set_up_logs
from imagesync.cli.options import CONTEXT, fill_optional_values
from imagesync.cli.parsing import Command
from imagesync.cli.streams import say
from imagesync.errors import Bug, ImagesyncError, UsageError
from imagesync.render.problems import describe_error
from imagesync.version import __version__

COMMANDS: Final = (
    *("init", "add", "validate", "plan", "apply", "drift", "rollback", "unlock", "doctor", "show"),
    *("list", "ids", "targets", "adopt", "export", "report", "fleet", "schema"),
)
"""The commands in the order of ``--help``; each is a module of ``imagesync.cli.commands``."""
PROGRAM: Final = "imagesync"
COLLECT_RARELY: Final = (400_000, 50, 100)
"""Thresholds of the garbage collector. With the defaults, reading a catalog takes 50 % longer, and there are few cycles."""


class _Commands(TyperGroup):
    """The group of commands; it imports the module of a command only when the command is used."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """The names in the order of the table."""
        return list(COMMANDS)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Interrupted for ^C, for which Typer would exit without a message."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted; nothing was changed") from error

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None if it does not exist."""
        if cmd_name not in COMMANDS:
            return None
        home = import_module(f"imagesync.cli.commands.{cmd_name}").app
        for command in home.registered_commands:
            command.cls = Command
            command.context_settings = CONTEXT
        return get_command(home)


app = typer.Typer(
    cls=_Commands,
    help="Keep a cloud's virtual-machine images as YAML manifests declare them: plan, then apply.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


def _print_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"imagesync {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Keep a cloud's virtual-machine images as YAML manifests declare them: plan, then apply."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _report_bug(text: str) -> ExitCode:
    from imagesync.cli.bug_log import write_bug_log

    write_bug_log(text)
    return ExitCode.BUG


def _report_unwritten(error: OSError) -> ExitCode:
    say(f"imagesync: cannot write the output: {error.strerror}; free some space and run again")
    return ExitCode.FAILED


def _run(words: list[str]) -> int:
    """Run a command line and return its exit code. An error becomes a line on standard error."""
    set_up_logs()
    try:
        return app(fill_optional_values(words), prog_name=PROGRAM, standalone_mode=False) or ExitCode.DONE
    except UsageError as error:
        say(f"imagesync: {describe_error(error)}")
        return ExitCode.USAGE
    except ImagesyncError as error:
        say(f"imagesync: {describe_error(error)}" if "\n" not in str(error) else describe_error(error))
        return ExitCode.FAILED
    except Interrupted as error:
        say(f"imagesync: {error.text}")
        return choose_exit_code(error.number)
    except (KeyboardInterrupt, typer.Abort):
        say("imagesync: interrupted; nothing was changed")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.FAILED
    except OSError as error:
        return _report_unwritten(error) if streams.is_full(error) else _report_bug(traceback.format_exc())
    except Bug as error:
        return _report_bug(str(error))
    except Exception as error:
        # an error of the command line; its class is private to Typer
        format_message = getattr(error, "format_message", None)
        if format_message is None:
            return _report_bug(traceback.format_exc())
        say(f"imagesync: {_reword(format_message())}")
        return ExitCode.USAGE


def _complete() -> int:
    """Answer the shell, which asks at each Tab. An error prints nothing, because the user is typing a line."""
    try:
        app([], prog_name=PROGRAM, standalone_mode=False)
    except (Exception, KeyboardInterrupt):
        return ExitCode.FAILED
    return ExitCode.DONE


def main() -> None:
    """The entry point."""
    streams.complete()
    streams.guard()
    gc.set_threshold(*COLLECT_RARELY)
    code = _complete() if "_IMAGESYNC_COMPLETE" in os.environ else _run(sys.argv[1:])
    gc.freeze()  # else the interpreter collects all objects once more before it ends
    raise SystemExit(streams.flush(code))


_PLAIN: Final = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "not a whole number",
    "Input should be a valid number, unable to parse string as a number": "not a number",
}
"""Words of the library for wrong values, and plain ones."""
_SUGGESTION: Final = re.compile(r"\. Did you mean '(\S+)'\?$")
"""What the library suggests for a command of a group."""


def _reword(text: str) -> str:
    """The library's message about a wrong command line, in plain words, and with a suggestion for a command."""
    from difflib import get_close_matches

    for words, plain in _PLAIN.items():
        text = text.replace(words, plain)
    text = _SUGGESTION.sub(r"; did you mean \1? See --help", text)
    if text.endswith("See --help"):
        return text
    text = text.rstrip(".")
    word = text.removeprefix("No such command '").removesuffix("'")
    close = get_close_matches(word, COMMANDS, 1) if word != text else []
    return f"{text}; did you mean {close[0]}? See --help" if close else f"{text}; see --help"
