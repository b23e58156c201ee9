"""Comments, issues and artifacts of GitHub and GitLab, behind one protocol. Network."""

from imagesync.forges.base import Forge
from imagesync.forges.environment import Kind, Runner


def open_forge(runner: Runner) -> Forge:
    """The client for the forge of a job. The libraries for the network are imported here."""
    if runner.kind is Kind.GITHUB:
        from imagesync.forges.github import GitHub

        return GitHub(runner)
    from imagesync.forges.gitlab import GitLab

    return GitLab(runner)
