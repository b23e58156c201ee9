"""The topics that ``--help`` groups options by. No I/O."""

from collections.abc import Iterable
from typing import Final

TOPICS: Final = {
    "Target": "--target --all-targets --cloud --from-cloud --clouds-file --store",
    "Manifest": "--set --only --strict --allow-outside --file --dry-run",
    "Selection": "--manifest --key --name --owner --tag --visibility --role --unmanaged --all-owners --managed --allow-missing",
    "Sources": "--fetch --source-hosts --min-source-rate --no-source-check --keyring",
    "Actions": "--stage --discard-staged --to --reactivate --drift-only --stale",
    "Limits": "--max-delete --max-update --allow-protected --destroy --reviewed",
    "Run": "--yes --jobs --parallel-targets --max-failed-targets --spool --spool-limit --lock-timeout --no-lock",
    "Fleet": "--on --tls --host --port --worker-ttl",
    "Results": "--format --also --max-bytes --detail --summary --out --ids --events --metrics --detailed-exitcode "
    "--catalog --force --members --columns --color",
    "Pipeline": "--forge --number --author --close --artifact",
    "Log": "--quiet --verbose --log-file",
}
"""Options by topic, in the order of the help."""
OTHER: Final = "Options"
"""The last heading, for the options without a topic."""
_TOPIC_OF: Final = {word: topic for topic, words in TOPICS.items() for word in words.split()}


def find_topic(words: Iterable[str]) -> str:
    """The topic of the option with these spellings."""
    return next((_TOPIC_OF[word] for word in words if word in _TOPIC_OF), OTHER)
