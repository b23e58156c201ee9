"""A program for ``fork_server``: ``imagesync apply FOLDER --cloud NAME`` with a lease that ends soon. Does I/O.

The command line has no option for the times of the lease, but a Python program can set them (``Settings.lease_times``).
So the tests can stop a run at each request until its lease has ended.
"""

import sys
from pathlib import Path

from imagesync.backends import open_backend
from imagesync.errors import ImagesyncError
from imagesync.lease.record import Times
from imagesync.render.report import format_report
from imagesync.run import Hooks, Settings
from imagesync.workflow import Planner, apply, read_catalog
from tests.fault.fork_server import import_command, serve

TIMES = Times(expiry=4.0, beat=0.5, confirm=3.0, poll=0.2)


def run() -> None:
    """Apply, and print the report; exit code 1 if the images are not as declared."""
    folder, cloud = Path(sys.argv[1]), sys.argv[2]
    try:
        with open_backend(cloud=cloud) as backend:
            hooks = Hooks(warn=lambda text: print(text, file=sys.stderr, flush=True))
            settings = Settings(jobs=1, lock_timeout=60, lease_times=TIMES)
            report = apply(Planner(backend, read_catalog(folder)), settings, hooks).report
    except ImagesyncError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    print(format_report(report))
    sys.exit(0 if report.succeeded and not report.leftover else 1)


if __name__ == "__main__":
    import_command()
    serve(run)
