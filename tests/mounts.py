"""Commands in a shell with its own mounts: for tests of full and of read-only file systems."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

IMAGESYNC = shlex.join((sys.executable, "-m", "imagesync"))


def find_mount_command() -> list[str]:
    """The words that start a command with its own mounts: as a user of a namespace, or as root if namespaces are not
    available."""
    ways = ["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"]
    works = [way for way in ways if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0]
    assert works, "these tests need a Linux on which a mount namespace can be made"
    return works[0]


def run_mounted(folder: Path, script: str) -> list[tuple[int, str]]:
    """Run commands, one on each line, in a shell with its own mounts: the exit code and the output of each
    ``imagesync``."""
    lines = ["set -eu", f"cd {shlex.quote(str(folder))}"]
    for line in script.strip().splitlines():
        words = line.strip()
        if words.startswith("imagesync "):
            words = f"code=0; output=$({IMAGESYNC} {words.removeprefix('imagesync ')} 2>&1) || code=$?"
            words += '; printf "%s\\n%s\\0" "$code" "$output"'
        lines.append(words)
    command = [*find_mount_command(), "sh", "-c", "\n".join(lines)]
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    ends = [part.partition("\n") for part in done.stdout.split("\0")[:-1]]
    return [(int(code), output) for code, _, output in ends]
