"""The double of GitHub's REST API: the requests that imagesync sends, as https://docs.github.com/rest describes them. No I/O."""

from typing import Any

from tests.forge_calls import ForgeAnswer, ForgeCall, Refusal, Routes, State, number_next, paginate

ROUTES = Routes()
MAX_CHARS = 65_536
LEVELS = {"read": 1, "write": 2}


def make_state() -> State:
    """A repository with one token, that of GitHub Actions, which has every permission that imagesync needs."""
    permissions = {"contents": "read", "pull-requests": "write", "issues": "write", "actions": "read"}
    return {
        "repository": "acme/images",
        "repository_id": 1,
        "tokens": {"ghs_actions": {"login": "github-actions[bot]", "is_app": True, "permissions": permissions}},
        "branches": {},
        "pulls": [],
        "comments": [],
        "issues": [],
        "runs": [],
        "artifacts": [],
    }


def answer(call: ForgeCall, state: State) -> ForgeAnswer:
    """The response to a request below /github."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    user = state["tokens"].get(token) if scheme == "Bearer" else None
    if user is None:
        return ForgeAnswer(401, {"message": "Bad credentials", "status": "401"})
    if call.headers.get("x-github-api-version") != "2022-11-28":
        return ForgeAnswer(400, {"message": "no version of the API"})
    found = ROUTES.find(call)
    if found is None:
        return ForgeAnswer(404, {"message": "Not Found", "status": "404"})
    route, names = found
    if names.get("owner") and f"{names.pop('owner')}/{names.pop('repo')}" != state["repository"]:
        return ForgeAnswer(404, {"message": "Not Found", "status": "404"})
    ROUTES.check(route, call)
    if not any(_allows(user["permissions"], need) for need in route.need.split(" | ")):
        return ForgeAnswer(403, {"message": "Resource not accessible by integration", "status": "403"})
    return route.answer(call, state, user, **names)


def _allows(permissions: dict[str, str], need: str) -> bool:
    name, _, level = need.partition(": ")
    return not need or LEVELS.get(permissions.get(name, ""), 0) >= LEVELS[level]


def _repo(name: str | None, state: State) -> Any:
    """A repository as a part of another object; None: it was deleted."""
    if name is None:
        return None
    number = state["repository_id"] if name == state["repository"] else 99
    return {"id": number, "full_name": name, "owner": {"login": name.partition("/")[0]}}


def _pull(one: State, state: State) -> Any:
    return {
        "number": one["number"],
        "state": one["state"],
        "merged_at": one.get("merged_at"),
        "merge_commit_sha": one.get("merge_commit_sha"),
        "head": {"ref": one["branch"], "sha": one["sha"], "repo": _repo(one.get("repo", state["repository"]), state)},
        "base": {"ref": one.get("base", "main"), "repo": _repo(state["repository"], state)},
    }


def _comment(one: State) -> Any:
    return {"id": one["id"], "body": one["body"], "user": {"login": one["author"]} if one["author"] else None}


def _issue(one: State) -> Any:
    labels = [{"name": label} for label in one["labels"]]
    issue = {**{name: one[name] for name in ("number", "state", "title", "body")}, "labels": labels}
    return {**issue, "user": {"login": one["author"]}, **({"pull_request": {}} if one.get("is_pull") else {})}


@ROUTES.add("GET", "/user", need="")
def get_user(_call: ForgeCall, _state: State, user: State) -> ForgeAnswer:
    """The token of an app has no user."""
    if user["is_app"]:
        return ForgeAnswer(403, {"message": "Resource not accessible by integration", "status": "403"})
    return ForgeAnswer(200, {"login": user["login"]})


@ROUTES.add("GET", "/repos/{owner}/{repo}/pulls", need="pull-requests: read", query="head state per_page page")
def list_pulls(call: ForgeCall, state: State, _user: State) -> ForgeAnswer:
    """``head`` is OWNER:BRANCH: two repositories of one owner are not distinguished."""
    owner, _, branch = call.query.get("head", "").partition(":")
    wanted = call.query.get("state", "open")
    found = [
        _pull(one, state)
        for one in reversed(state["pulls"])
        if wanted in ("all", one["state"])
        and (not branch or one["branch"] == branch)
        and (not owner or (one.get("repo", state["repository"]) or "").partition("/")[0] == owner)
    ]
    return paginate(call, found)


@ROUTES.add("GET", "/repos/{owner}/{repo}/commits/{sha}/pulls", need="pull-requests: read", query="per_page page")
def list_pulls_of_commit(call: ForgeCall, state: State, _user: State, sha: str) -> ForgeAnswer:
    """Those that have the commit, or that were merged as it."""
    found = [one for one in state["pulls"] if sha in (one["sha"], one.get("merge_commit_sha"), *one.get("commits", ()))]
    return paginate(call, [_pull(one, state) for one in found])


@ROUTES.add("GET", "/repos/{owner}/{repo}/git/ref/heads/{branch}", need="contents: read")
def get_branch(_call: ForgeCall, state: State, _user: State, branch: str) -> ForgeAnswer:
    """The last commit of a branch."""
    if (sha := state["branches"].get(branch)) is None:
        return ForgeAnswer(404, {"message": "Not Found", "status": "404"})
    return ForgeAnswer(200, {"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": sha}})


COMMENTS = "/repos/{owner}/{repo}/issues/{number}/comments"


@ROUTES.add("GET", COMMENTS, need="pull-requests: read | issues: read", query="per_page page")
def list_comments(call: ForgeCall, state: State, _user: State, number: str) -> ForgeAnswer:
    """In the order of their ids."""
    _find(state, int(number))
    return paginate(call, [_comment(one) for one in state["comments"] if one["request"] == int(number)])


@ROUTES.add("POST", COMMENTS, need="pull-requests: write | issues: write", fields="body")
def add_comment(call: ForgeCall, state: State, user: State, number: str) -> ForgeAnswer:
    """To a pull request or an issue."""
    _find(state, int(number))
    comment = {"id": number_next(state["comments"]), "request": int(number), "author": user["login"]}
    state["comments"].append({**comment, "body": _check_body(call)})
    return ForgeAnswer(201, _comment(state["comments"][-1]))


@ROUTES.add(
    "PATCH",
    "/repos/{owner}/{repo}/issues/comments/{id}",
    need="pull-requests: write | issues: write",
    fields="body",
)
def edit_comment(call: ForgeCall, state: State, _user: State, id: str) -> ForgeAnswer:
    """A token that may write can edit the comments of others, too: imagesync must not do that."""
    for one in state["comments"]:
        if one["id"] == int(id):
            one["body"] = _check_body(call)
            return ForgeAnswer(200, _comment(one))
    return ForgeAnswer(404, {"message": "Not Found", "status": "404"})


@ROUTES.add("GET", "/repos/{owner}/{repo}/issues", need="issues: read", query="state labels per_page page")
def list_issues(call: ForgeCall, state: State, _user: State) -> ForgeAnswer:
    """Open ones with the label; the newest first. Pull requests are issues, too."""
    label, wanted = call.query.get("labels"), call.query.get("state", "open")
    found = [one for one in reversed(state["issues"]) if one["state"] == wanted and label in (None, *one["labels"])]
    return paginate(call, [_issue(one) for one in found])


@ROUTES.add("POST", "/repos/{owner}/{repo}/issues", need="issues: write", fields="title body labels")
def open_issue(call: ForgeCall, state: State, user: State) -> ForgeAnswer:
    """Labels of a user without the right to set them are dropped silently."""
    number = number_next([*state["issues"], *state["pulls"]], "number")
    labels = [] if user.get("drops_labels") else list(call.body["labels"])
    issue = {"number": number, "state": "open", "title": call.body["title"], "body": _check_body(call)}
    state["issues"].append({**issue, "author": user["login"], "labels": labels})
    return ForgeAnswer(201, _issue(state["issues"][-1]))


@ROUTES.add("PATCH", "/repos/{owner}/{repo}/issues/{number}", need="issues: write", fields="body state")
def edit_issue(call: ForgeCall, state: State, _user: State, number: str) -> ForgeAnswer:
    """Its description or its state."""
    for one in state["issues"]:
        if one["number"] == int(number):
            one.update(call.body)
            return ForgeAnswer(200, _issue(one))
    return ForgeAnswer(404, {"message": "Not Found", "status": "404"})


@ROUTES.add(
    "GET", "/repos/{owner}/{repo}/actions/runs", need="actions: read", query="head_sha event status per_page page"
)
def list_runs(call: ForgeCall, state: State, _user: State) -> ForgeAnswer:
    """The newest first. Runs of forks are among them."""
    found = [
        {
            **{name: one[name] for name in ("id", "head_sha", "event", "conclusion")},
            "head_repository": _repo(one.get("repo", state["repository"]), state),
        }
        for one in sorted(state["runs"], key=lambda one: -one["id"])
        if call.query.get("head_sha") in (None, one["head_sha"])
        and call.query.get("event") in (None, one["event"])
        and call.query.get("status") in (None, one["conclusion"])
    ]
    return paginate(call, found, lambda page: {"total_count": len(found), "workflow_runs": page})


@ROUTES.add(
    "GET", "/repos/{owner}/{repo}/actions/runs/{run}/artifacts", need="actions: read", query="name per_page page"
)
def list_artifacts(call: ForgeCall, state: State, _user: State, run: str) -> ForgeAnswer:
    """The artifacts of one run."""
    names = ("id", "name", "expired")
    found = [
        {name: one[name] for name in names}
        for one in state["artifacts"]
        if one["run"] == int(run) and call.query.get("name") in (None, one["name"])
    ]
    return paginate(call, found, lambda page: {"total_count": len(found), "artifacts": page})


@ROUTES.add("GET", "/repos/{owner}/{repo}/actions/artifacts/{id}/zip", need="actions: read")
def download_artifact(call: ForgeCall, state: State, _user: State, id: str) -> ForgeAnswer:
    """A redirect to another host; 410 after the artifact has expired."""
    for one in state["artifacts"]:
        if one["id"] == int(id):
            if one["expired"]:
                return ForgeAnswer(410, {"message": "Artifact has expired", "status": "410"})
            return ForgeAnswer(
                302, headers={"Location": one.get("location", f"{call.elsewhere}/github/{id}?sig=secret")}
            )
    return ForgeAnswer(404, {"message": "Not Found", "status": "404"})


def _find(state: State, number: int) -> None:
    if not any(one["number"] == number for one in (*state["pulls"], *state["issues"])):
        raise Refusal(404, {"message": "Not Found", "status": "404"})


def _check_body(call: ForgeCall) -> str:
    if len(call.body["body"]) > MAX_CHARS:
        error = {"message": f"body is too long (maximum is {MAX_CHARS} characters)"}
        raise Refusal(422, {"message": "Validation Failed", "errors": [error], "status": "422"})
    return str(call.body["body"])
