#!/usr/bin/env bash
# The inputs of action.yml, as environment variables -> one run of imagesync, its result files, summary and outputs.
# No input is ever code: options are lines of an array, and secrets are in the environment or in a private file.
set -euo pipefail
umask 077
# shellcheck source=action/venv.sh
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

readonly MAX_SUMMARY=1048576  # bytes: GitHub rejects a larger summary of a step
folder=$(mktemp -d "$RUNNER_TEMP/imagesync-results.XXXXXX")
clouds=$IMAGESYNC_CLOUDS token=$IMAGESYNC_TOKEN
unset IMAGESYNC_CLOUDS IMAGESYNC_TOKEN GITHUB_TOKEN
code=0

fail() {
    echo "::error::$1"
    exit 1
}

imagesync() {
    "$venv/bin/imagesync" "$@" || code=$?
}

# with the token of the job, and without the settings of the cloud
with_token() {
    [[ -n $token ]] || fail "the command $IMAGESYNC_COMMAND needs the input token: write token: \${{ github.token }}"
    GITHUB_TOKEN=$token imagesync "$@"
}

# with the settings of the cloud, and without the token
with_clouds() {
    if [[ -n $clouds ]]; then
        local settings=$RUNNER_TEMP/imagesync-settings
        mkdir -p "$settings"
        printf '%s\n' "$clouds" >"$settings/clouds.yaml"
        export OS_CLIENT_CONFIG_FILE=$settings/clouds.yaml
    fi
    imagesync "$@"
}

need_file() {
    [[ -n $IMAGESYNC_FILE ]] || fail "the command $IMAGESYNC_COMMAND needs the input file"
}

# a job that failed before its run has an artifact without a report: the joined report must not hide it
find_jobs_without_report() {
    local artifact
    for artifact in "$IMAGESYNC_FILE"/*/; do
        if [[ ! -e $artifact/report.json ]]; then
            code=1
            echo "::error::$(basename "$artifact") has no report: its job failed before it changed anything"
            echo "**$(basename "$artifact") has no report:** look at its job." >>"$GITHUB_STEP_SUMMARY"
        fi
    done
}

options=()
while IFS= read -r line; do
    line=${line%$'\r'}
    if [[ -n $line ]]; then
        options+=("$line")
    fi
done <<<"$IMAGESYNC_OPTIONS"
results=(--also "markdown=$folder/$IMAGESYNC_COMMAND.md")
outputs=()

case $IMAGESYNC_COMMAND in
    validate)
        imagesync validate "${options[@]}" --format github -- "$IMAGESYNC_PATH"
        ;;
    plan)
        results+=(--also "junit=$folder/plan.xml" --out "$folder/plan.json" --detailed-exitcode)
        with_clouds plan "${options[@]}" "${results[@]}" -- "$IMAGESYNC_PATH"
        ;;
    drift)
        with_clouds drift "${options[@]}" "${results[@]}" -- "$IMAGESYNC_PATH"
        ;;
    apply)
        with_token report reviewed --artifact "$IMAGESYNC_ARTIFACT" --out "$folder/reviewed.json"
        if ((code == 0)); then
            results+=(--also "junit=$folder/apply.xml" --out "$folder/report.json" --reviewed "$folder/reviewed.json")
            with_clouds apply "${options[@]}" "${results[@]}" --yes -- "$IMAGESYNC_PATH"
        else
            echo "::error::nothing was applied, because there is no reviewed plan; the log of this step has the reason"
            echo "**Nothing was applied,** because there is no reviewed plan: see the log, and docs/github.md" >>"$GITHUB_STEP_SUMMARY"
        fi
        ;;
    apply-plan)
        need_file
        results+=(--also "junit=$folder/apply-plan.xml" --out "$folder/report.json")
        with_clouds apply "${options[@]}" "${results[@]}" --yes -- "$IMAGESYNC_FILE"
        ;;
    comment)
        need_file
        with_token report comment "${options[@]}" -- "$IMAGESYNC_FILE"
        ;;
    issue)
        need_file
        with_token report issue "${options[@]}" -- "$IMAGESYNC_FILE"
        ;;
    targets)
        imagesync targets "${options[@]}" --format json -- "$IMAGESYNC_PATH" >"$folder/targets.json"
        if ((code == 0)); then
            names='import json, sys; print(json.dumps([target["name"] for target in json.load(sys.stdin)["targets"]]))'
            outputs+=("targets=$("$venv/bin/python" -I -c "$names" <"$folder/targets.json")")
        fi
        ;;
    merge)
        need_file
        results+=(--also "junit=$folder/merge.xml" --out "$folder/report.json")
        reports=()
        for report in "$IMAGESYNC_FILE"/*/report.json; do
            [[ ! -e $report ]] || reports+=("$report")
        done
        ((${#reports[@]})) || fail "no job has written a report: look at the jobs that failed"
        imagesync report merge "${options[@]}" "${results[@]}" -- "${reports[@]}"
        find_jobs_without_report
        ;;
    *)
        fail "imagesync has no command $IMAGESYNC_COMMAND; see docs/github.md"
        ;;
esac

# 2 is not a failure of these two: there are changes, or there is drift
if [[ $IMAGESYNC_COMMAND =~ ^(plan|drift)$ ]] && ((code == 0 || code == 2)); then
    outputs+=("has-changes=$([[ $code == 2 ]] && echo true || echo false)")
    status=0
else
    status=$code
fi
markdown=$folder/$IMAGESYNC_COMMAND.md
if [[ -e $markdown ]]; then
    outputs+=("markdown=$markdown")
    if (($(stat --format=%s "$markdown") < MAX_SUMMARY)); then
        cat "$markdown" >>"$GITHUB_STEP_SUMMARY"
    else
        echo "The result is too large for this page: see ${markdown##*/} in the artifact." >>"$GITHUB_STEP_SUMMARY"
    fi
fi
if [[ -e $folder/plan.json ]]; then
    outputs+=("plan=$folder/plan.json")
fi
printf '%s\n' "exitcode=$code" "folder=$folder" "${outputs[@]}" >>"$GITHUB_OUTPUT"
exit "$status"
