"""What ``-v`` writes to standard error: each retry and its reason. Does I/O."""

import logging
import sys

from imagesync.text import make_printable


class _OneLine(logging.Formatter):
    """A record as one printable line, whoever's words are in it."""

    def format(self, record: logging.LogRecord) -> str:
        return make_printable(super().format(record))


def set_up_logs(*, verbose: bool) -> None:
    """With ``verbose``, write each retry and its reason to standard error; never what a request carries."""
    logging.getLogger("oslo_utils").addHandler(logging.NullHandler())  # imagesync words what it finds in an image
    if verbose:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLine("%(asctime)s %(message)s"))
        log = logging.getLogger("imagesync")
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
