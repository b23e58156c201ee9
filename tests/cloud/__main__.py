"""``python -m tests.cloud -- COMMAND``: runs a command with a new cloud, whose clouds.yaml is in its environment."""

import os
import subprocess
import sys

from tests.cloud.service import Cloud


def main() -> int:
    """Run the command (a shell if none is given); its exit code."""
    command = [word for word in sys.argv[1:] if word != "--"] or [os.environ.get("SHELL", "sh")]
    with Cloud() as cloud:
        print(f"identity {cloud.auth_url}, images {cloud.image_url}, clouds.yaml {cloud.clouds_yaml}", file=sys.stderr)
        return subprocess.run(
            command, env={**os.environ, "OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml)}, check=False
        ).returncode


if __name__ == "__main__":
    raise SystemExit(main())
