"""The double of GitLab's REST API: the requests that imagesync sends, as https://docs.gitlab.com/api describes them. No I/O."""

from typing import Any

from tests.forge_calls import ForgeAnswer, ForgeCall, Refusal, Routes, State, number_next, paginate

ROUTES = Routes()
MAX_CHARS = 1_000_000
REPORTER = 20
NOT_FOUND = {"message": "404 Not found"}


def make_state() -> State:
    """A project with one token, a project access token that has the scope and the role that imagesync needs."""
    return {
        "project": 7,
        "tokens": {"glpat-project": {"username": "project_7_bot", "scopes": ["api"], "role": REPORTER}},
        "merge_requests": [],
        "notes": [],
        "issues": [],
        "issue_notes": [],
        "pipelines": [],
        "jobs": [],
        "commits": [],
    }


def answer(call: ForgeCall, state: State) -> ForgeAnswer:
    """The response to a request below /gitlab."""
    user = state["tokens"].get(call.headers.get("private-token", ""))
    if user is None:
        return ForgeAnswer(401, {"message": "401 Unauthorized"})
    found = ROUTES.find(call)
    if found is None:
        return ForgeAnswer(404, {"error": "404 Not Found"})
    route, names = found
    if names.pop("project", str(state["project"])) != str(state["project"]):
        return ForgeAnswer(404, {"message": "404 Project Not Found"})
    ROUTES.check(route, call)
    if not {"api", *(["read_api"] if route.need == "read" else [])} & set(user["scopes"]):
        text = "The request requires higher privileges than provided by the access token."
        return ForgeAnswer(403, {"error": "insufficient_scope", "error_description": text, "scope": "api"})
    if user["role"] < REPORTER and call.path != "/user":
        return ForgeAnswer(403, {"message": "403 Forbidden"})
    return route.answer(call, state, user, **names)


def _note(one: State) -> Any:
    return {
        "id": one["id"],
        "body": one["body"],
        "author": {"username": one["author"]},
        "system": one.get("system", False),
    }


def _issue(one: State) -> Any:
    names = ("iid", "state", "title", "description", "labels")
    return {**{name: one[name] for name in names}, "author": {"username": one["author"]}}


def _merge_request(one: State, state: State) -> Any:
    names = ("merge_commit_sha", "squash_commit_sha")
    return {
        "iid": one["iid"],
        "state": one["state"],
        "sha": one["sha"],
        "target_branch": one.get("target_branch", "main"),
        "target_project_id": state["project"],
        "source_project_id": one.get("source_project_id", state["project"]),
        **{name: one.get(name) for name in names},
    }


@ROUTES.add("GET", "/user", need="read")
def get_user(_call: ForgeCall, _state: State, user: State) -> ForgeAnswer:
    """Also for the token of a project."""
    return ForgeAnswer(200, {"username": user["username"]})


NOTES = "/projects/{project}/merge_requests/{iid}/notes"


@ROUTES.add("GET", NOTES, need="read", query="sort order_by per_page page")
def list_notes(call: ForgeCall, state: State, _user: State, iid: str) -> ForgeAnswer:
    """Also the notes of GitLab itself."""
    _find(state, iid)
    return paginate(call, [_note(one) for one in state["notes"] if one["request"] == int(iid)])


@ROUTES.add("POST", NOTES, need="write", fields="body")
def add_note(call: ForgeCall, state: State, user: State, iid: str) -> ForgeAnswer:
    """To a merge request."""
    _find(state, iid)
    note = {"id": number_next(state["notes"]), "request": int(iid), "author": user["username"]}
    state["notes"].append({**note, "body": _check(call.body["body"])})
    return ForgeAnswer(201, _note(state["notes"][-1]))


@ROUTES.add("PUT", NOTES + "/{id}", need="write", fields="body")
def edit_note(call: ForgeCall, state: State, _user: State, iid: str, id: str) -> ForgeAnswer:
    """Only notes of this merge request."""
    for one in state["notes"]:
        if one["id"] == int(id) and one["request"] == int(iid):
            one["body"] = _check(call.body["body"])
            return ForgeAnswer(200, _note(one))
    return ForgeAnswer(404, NOT_FOUND)


@ROUTES.add("GET", "/projects/{project}/issues", need="read", query="state labels scope per_page page")
def list_issues(call: ForgeCall, state: State, _user: State) -> ForgeAnswer:
    """The newest first."""
    label, wanted = call.query.get("labels"), call.query.get("state")
    found = [
        one for one in reversed(state["issues"]) if wanted in (None, one["state"]) and label in (None, *one["labels"])
    ]
    return paginate(call, [_issue(one) for one in found])


@ROUTES.add("POST", "/projects/{project}/issues", need="write", fields="title description labels")
def open_issue(call: ForgeCall, state: State, user: State) -> ForgeAnswer:
    """``labels`` is a text with commas."""
    labels = [] if user.get("drops_labels") else call.body["labels"].split(",")
    issue = {"iid": number_next(state["issues"], "iid"), "state": "opened", "title": call.body["title"]}
    state["issues"].append(
        {**issue, "description": _check(call.body["description"]), "labels": labels, "author": user["username"]}
    )
    return ForgeAnswer(201, _issue(state["issues"][-1]))


@ROUTES.add("PUT", "/projects/{project}/issues/{iid}", need="write", fields="description state_event")
def edit_issue(call: ForgeCall, state: State, _user: State, iid: str) -> ForgeAnswer:
    """Its description, or close it."""
    for one in state["issues"]:
        if one["iid"] == int(iid):
            one["description"] = call.body.get("description", one["description"])
            one["state"] = "closed" if call.body.get("state_event") == "close" else one["state"]
            return ForgeAnswer(200, _issue(one))
    return ForgeAnswer(404, NOT_FOUND)


@ROUTES.add("POST", "/projects/{project}/issues/{iid}/notes", need="write", fields="body")
def add_issue_note(call: ForgeCall, state: State, user: State, iid: str) -> ForgeAnswer:
    """To an issue."""
    note = {"id": number_next(state["issue_notes"]), "issue": int(iid), "author": user["username"]}
    state["issue_notes"].append({**note, "body": _check(call.body["body"])})
    return ForgeAnswer(201, _note(state["issue_notes"][-1]))


@ROUTES.add("GET", "/projects/{project}/repository/commits/{sha}", need="read")
def get_commit(_call: ForgeCall, state: State, _user: State, sha: str) -> ForgeAnswer:
    """A commit and its parents."""
    found = next((one for one in state["commits"] if one["id"] == sha), None)
    return ForgeAnswer(200, found) if found else ForgeAnswer(404, {"message": "404 Commit Not Found"})


@ROUTES.add("GET", "/projects/{project}/repository/commits/{sha}/merge_requests", need="read", query="per_page page")
def list_merge_requests_of_commit(call: ForgeCall, state: State, _user: State, sha: str) -> ForgeAnswer:
    """Those that have the commit, or that were merged as it."""
    names = ("sha", "merge_commit_sha", "squash_commit_sha")
    found = [one for one in state["merge_requests"] if sha in [one.get(name) for name in names]]
    return paginate(call, [_merge_request(one, state) for one in found])


@ROUTES.add("GET", "/projects/{project}/merge_requests/{iid}/pipelines", need="read", query="per_page page")
def list_pipelines(call: ForgeCall, state: State, _user: State, iid: str) -> ForgeAnswer:
    """The newest first; also those of a fork, in their own project."""
    _find(state, iid)
    names = ("id", "project_id", "sha", "ref", "status")
    defaults = {"project_id": state["project"], "ref": f"refs/merge-requests/{iid}/head", "status": "success"}
    found = [one for one in state["pipelines"] if one["request"] == int(iid)]
    entries = [{name: {**defaults, **one}[name] for name in names} for one in sorted(found, key=lambda one: -one["id"])]
    return paginate(call, entries)


@ROUTES.add("GET", "/projects/{project}/pipelines/{id}/jobs", need="read", query="per_page page")
def list_jobs(call: ForgeCall, state: State, _user: State, id: str) -> ForgeAnswer:
    """Without jobs that were started again."""
    names = ("id", "name", "status")
    return paginate(call, [{name: one[name] for name in names} for one in state["jobs"] if one["pipeline"] == int(id)])


@ROUTES.add("GET", "/projects/{project}/jobs/{id}/artifacts/{file}", need="read")
def download_file(call: ForgeCall, state: State, _user: State, id: str, file: str) -> ForgeAnswer:
    """One file of an artifact; a redirect, if it is stored elsewhere."""
    for one in state["jobs"]:
        if one["id"] == int(id) and file in one.get("files", {}):
            if location := one.get("location"):
                return ForgeAnswer(302, headers={"Location": location})
            if one.get("is_elsewhere"):
                return ForgeAnswer(302, headers={"Location": f"{call.elsewhere}/gitlab/{id}/{file}?sig=secret"})
            return ForgeAnswer(200, one["files"][file].encode())
    return ForgeAnswer(404, NOT_FOUND)


def _find(state: State, iid: str) -> None:
    if not any(one["iid"] == int(iid) for one in state["merge_requests"]):
        raise Refusal(404, NOT_FOUND)


def _check(text: str) -> str:
    if len(text) > MAX_CHARS:
        raise Refusal(400, {"message": {"note": ["is too long (maximum is 1000000 characters)"]}})
    return text
