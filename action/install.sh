#!/usr/bin/env bash
# The checkout of this action -> imagesync in a virtual environment of the job, with the dependencies that
# requirements.txt pins. Python ignores the working directory (-I), because it holds the files of a pull request.
set -euo pipefail
# shellcheck source=action/venv.sh
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

if [[ -e $venv/complete ]]; then
    exit 0
fi
if ! python3 -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "::error::imagesync needs Python 3.11 or newer as python3; run actions/setup-python before this step"
    exit 1
fi
python3 -I -m venv "$venv"
cd "$GITHUB_ACTION_PATH"
pip=("$venv/bin/python" -I -m pip --quiet --disable-pip-version-check install)
"${pip[@]}" --require-hashes --only-binary :all: --requirement requirements.txt
"${pip[@]}" --no-index --no-deps --no-build-isolation .
touch "$venv/complete"
