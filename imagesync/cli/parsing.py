"""The class of every command: it rejects repeated and empty options, and groups options in ``--help``. No I/O."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperOption

from imagesync.cli.interrupts import Interrupted
from imagesync.cli.result_options import ResultForm, ReviewForm
from imagesync.cli.topics import OTHER, TOPICS, find_topic
from imagesync.errors import UsageError


class Command(TyperCommand):
    """A command with stricter options and a grouped ``--help``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words; UsageError for a repeated or empty option, because its intended value is unknown."""
        if not ctx.resilient_parsing:  # the shell asks for completions
            values, _, order = self.make_parser(ctx).parse_args(args=list(args))
            _check_repeats(order)
            _check_empty(values, order)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. If it fails, its error is also printed in the format that its output should have."""
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt, Interrupted) as error:
            _print_failure(ctx, error)
            raise

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then one section for each topic."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                is_argument = param.param_type_name == "argument"
                sections.setdefault("Arguments" if is_argument else find_topic(param.opts), []).append(record)
        for topic in ("Arguments", *TOPICS, OTHER):
            if topic in sections:
                with formatter.section(topic):
                    formatter.write_dl(sections[topic])


def _print_failure(ctx: Any, error: BaseException) -> None:
    """Print an error for a program that reads the output; nothing for text, and for formats that have no errors."""
    given = ctx.params
    form = given.get("form")
    if not (isinstance(form, ReviewForm | ResultForm) or form == ResultForm.JSON):
        return
    from imagesync.cli.origins import make_origin
    from imagesync.cli.outputs import print_failure

    targets = given.get("targets") or [given.get("target")]
    is_several = given.get("all_targets") or len(targets) > 1
    origin = make_origin(given.get("path"), targets[0], given.get("cloud"), given.get("store"), is_several=is_several)
    command = ctx.command_path.split()[1]  # of a group: its own name
    print_failure(command, ResultForm(form), origin, error)


def _check_repeats(order: list[Any]) -> None:
    """UsageError if ``order`` has an option twice that takes one value, or both words of a pair such as --color/--no-color."""
    single = [param for param in order if isinstance(param, TyperOption) and not (param.multiple or param.count)]
    exclusive = [param for param in single if not param.is_flag or param.secondary_opts]
    for name, times in Counter(param.name for param in exclusive).items():
        if times > 1:
            param = next(param for param in exclusive if param.name == name)
            words = "/".join([max(param.opts, key=len), *param.secondary_opts])
            raise UsageError(f"{words} is given {times} times", "pass it once")


def _check_empty(values: dict[str, Any], order: list[Any]) -> None:
    """UsageError for an empty value, for example of an unset variable: an empty path would mean the working directory."""
    for param in order:
        value = values.get(param.name)
        if value == "" or (isinstance(value, list | tuple) and "" in value):
            is_argument = param.param_type_name == "argument"
            name = param.metavar if is_argument else max(param.opts, key=len)
            raise UsageError(f"{name} is empty", "pass a value" if param.required else "pass a value, or remove it")
