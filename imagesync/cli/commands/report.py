"""``imagesync report``: reports of several jobs joined; comments, issues and reviewed plans of GitHub and GitLab. I/O."""

from pathlib import Path
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import Options, make_command, with_options, without_options
from imagesync.cli.result_options import Copies, Results
from imagesync.forges.base import PLAN_ARTIFACT
from imagesync.forges.environment import Kind

app = make_command()

OneForge = Annotated[
    Kind | None, typer.Option("--forge", help="The forge of the project (default: that of the CI job).")
]
Author = Annotated[
    str | None,
    typer.Option(
        "--author", help="The user that the token writes as, if it is the token of a GitHub App.", metavar="NAME"
    ),
]


@app.callback()
def report() -> None:
    """Pass results of a pipeline on: to one report, to a comment, to an issue, or to the next job.

    Example: imagesync report comment plan.md
    """


@app.command()
@without_options("ids", "events", "metrics")
def merge(
    files: Annotated[
        list[Path],
        typer.Argument(help="Reports that apply --out has written, of one or of several targets.", metavar="FILE"),
    ],
    *,
    results: Results,
    copies: Copies,
    logs: LogOptions,
) -> ExitCode:
    """Join the reports of several targets to one. Example: imagesync report merge report-eu.json report-us.json

    Use it if each target has its own job, and one comment or test report should show all. The files are of one catalog, and
    each target is in one of them. The exit code is 0 if every target is done or unchanged.
    """
    from imagesync.cli.merged_reports import merge_files
    from imagesync.cli.outputs import open_outputs

    set_up_logs(logs)
    with open_outputs(
        "report", results.form, copies, files[0], Options(), color=results.color, is_several=True
    ) as outputs:
        return merge_files(files, results.out, copies, outputs, is_quiet=logs.quiet)


@app.command()
@with_options
def comment(
    file: Annotated[
        Path,
        typer.Argument(help="A result in Markdown, or a saved plan, which is then shown.", metavar="FILE.md|PLAN.json"),
    ],
    number: Annotated[
        int | None,
        typer.Option("--number", help="The pull or merge request (default: that of the CI job).", metavar="N", min=1),
    ] = None,
    forge: OneForge = None,
    author: Author = None,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Write or update the comment of a pull request. Example: imagesync report comment plan.md

    In a job of GitHub Actions or GitLab CI, with GITHUB_TOKEN or GITLAB_TOKEN in the environment. A later run replaces the
    comment of an earlier one for the same catalog and target. Comments of other users are never changed.
    """
    from imagesync.cli.forge_posts import write_comment

    set_up_logs(logs)
    write_comment(file, forge, number, author)
    return ExitCode.DONE


@app.command()
@with_options
def issue(
    file: Annotated[Path, typer.Argument(help="The drift in Markdown.", metavar="FILE.md")],
    close: Annotated[bool, typer.Option("--close", help="Close the issue, because there is no drift.")] = False,
    forge: OneForge = None,
    author: Author = None,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Open or update the one issue about drift. Example: imagesync report issue drift.md

    One issue for each catalog and target, with the label imagesync. Its description always shows the last result. Only a change of
    the drift adds a comment.
    """
    from imagesync.cli.forge_posts import write_issue

    set_up_logs(logs)
    write_issue(file, forge, author, is_over=close)
    return ExitCode.DONE


@app.command()
@with_options
def reviewed(
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the plan to this file.", metavar="FILE.json")],
    artifact: Annotated[
        str,
        typer.Option(
            "--artifact", help="The artifact of GitHub, or the job of GitLab, that has plan.json.", metavar="NAME"
        ),
    ] = PLAN_ARTIFACT,
    forge: OneForge = None,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Get the plan of the request that this commit merged. Example: imagesync report reviewed -o reviewed.json

    It is the plan of the last commit of the pull or merge request, as its job has kept it. A plan of a fork is not used.
    The exit code is 1 if there is no such plan.
    """
    from imagesync.cli.forge_posts import write_reviewed

    set_up_logs(logs)
    write_reviewed(out, artifact, forge)
    return ExitCode.DONE
