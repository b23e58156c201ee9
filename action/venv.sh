# shellcheck shell=bash
# The folder of the virtual environment: one for each copy of the action that a job uses.
key=$(cksum <<<"$GITHUB_ACTION_PATH")
export venv=$RUNNER_TEMP/imagesync-venv-${key%% *}
