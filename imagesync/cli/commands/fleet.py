"""``imagesync fleet``: the scheduler and the workers that run the targets of a catalog beside their clouds."""

import socket
from typing import Annotated

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.fleet_options import CertificateFolder, find_folder, name_worker
from imagesync.cli.logs import LogOptions, set_up_logs
from imagesync.cli.options import make_command, with_options

app = make_command()


@app.command()
@with_options
def scheduler(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on.", min=1, max=65535)] = 8786,
    tls: CertificateFolder = None,
    ttl: Annotated[
        int,
        typer.Option(
            "--worker-ttl", help="Give up a worker that is silent for so many seconds.", min=5, metavar="SECONDS"
        ),
    ] = 60,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Run the scheduler of a fleet until a signal. Example: imagesync fleet scheduler --host 192.0.2.10

    It needs ca.pem and scheduler.pem in the folder of --tls. It has no credentials of a cloud.
    """
    from imagesync.cli.streams import say
    from imagesync.fleet.roles import Role
    from imagesync.fleet.servers import run_scheduler
    from imagesync.fleet.settings import find_certificates

    set_up_logs(logs)
    run_scheduler(host, port, find_certificates(find_folder(tls), Role.SCHEDULER), say, ttl=ttl)
    return ExitCode.DONE


@app.command()
@with_options
def worker(
    address: Annotated[str, typer.Argument(help="The scheduler of the fleet.", metavar="tls://HOST:PORT")],
    targets: Annotated[
        list[str],
        typer.Option("--target", help="Offer this target of the manifests (repeatable).", metavar="NAME"),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="The name of this worker (default: the host's name and targets).")
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel-targets", help="Work for at most this many targets at a time.", min=1)
    ] = 16,
    tls: CertificateFolder = None,
    *,
    logs: LogOptions,
) -> ExitCode:
    """Work for the targets of a fleet until a signal. Example: imagesync fleet worker tls://192.0.2.10:8786 --target eu

    It needs ca.pem and worker.pem in the folder of --tls, and the clouds of its targets in its own clouds.yaml.
    """
    from imagesync.cli.streams import say
    from imagesync.fleet.roles import Role
    from imagesync.fleet.servers import parse_address, run_worker
    from imagesync.fleet.settings import find_certificates

    set_up_logs(logs)
    certificates = find_certificates(find_folder(tls), Role.WORKER)
    own = name_worker(name, socket.gethostname(), targets)
    run_worker(parse_address(address), targets, own, certificates, say, parallel=parallel)
    return ExitCode.DONE
