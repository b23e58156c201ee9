"""``python -m tests.pipelines.github.guide_programs gh|openstack WORDS``: doubles of the commands that docs/github.md uses.

They know exactly the commands of the guide. ``gh`` notes what it got in the folder GUIDE_STATE; ``openstack`` creates real
application credentials. Network, writes files, runs git.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests


def create_credential(auth_url: str, token: str, name: str, role: str | None = None) -> dict[str, str]:
    """A new application credential for the user and the project of a token; ``role``: only this role."""
    headers = {"X-Auth-Token": token}
    answer = requests.get(f"{auth_url}/auth/tokens", headers={**headers, "X-Subject-Token": token}, timeout=60)
    place = f"{auth_url}/users/{answer.json()['token']['user']['id']}/application_credentials"
    for old in requests.get(place, headers=headers, timeout=60).json()["application_credentials"]:
        if old["name"] == name:
            requests.delete(f"{place}/{old['id']}", headers=headers, timeout=60).raise_for_status()
    wanted: dict[str, Any] = {"name": name, **({"roles": [{"name": role}]} if role else {})}
    answer = requests.post(place, headers=headers, json={"application_credential": wanted}, timeout=60)
    answer.raise_for_status()
    made = answer.json()["application_credential"]
    return {"application_credential_id": made["id"], "application_credential_secret": made["secret"]}


def run_openstack(words: list[str], state: Path) -> None:
    """``application credential create NAME --role ROLE``; the answer is kept in the file NAME.json."""
    name, option, role = words[3:]
    assert (words[:3], option) == (["application", "credential", "create"], "--role")
    made = create_credential(os.environ["OS_AUTH_URL"], os.environ["OS_TOKEN"], name, role)
    (state / f"{name}.json").write_text(json.dumps(made))


def run_gh(words: list[str], state: Path) -> None:
    """The commands of the guide: repo create, api, secret set, pr create."""
    match words:
        case ["repo", "create", name, "--private", "--clone"]:
            origin = state / "origin.git"
            subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", origin], check=True)
            subprocess.run(["git", "clone", "--quiet", origin, name.partition("/")[2]], check=True)
        case ["api", "user", "--jq", ".id"]:
            print(1)
        case ["api", "-X", "PUT", path, *rest]:
            text = sys.stdin.read() if rest == ["--input", "-"] else ""
            note(state, {"path": path, "fields": rest, "input": json.loads(text) if text else None})
        case ["secret", "set", name, "--env", environment]:
            folder = state / "secrets" / environment
            folder.mkdir(parents=True)
            (folder / name).write_text(sys.stdin.read())
        case ["pr", "create", "--fill"]:
            note(state, {"path": "pull request"})
        case _:
            raise AssertionError(f"the guide has no command gh {words}")


def note(state: Path, entry: object) -> None:
    """Append what the command got."""
    with (state / "gh.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    {"gh": run_gh, "openstack": run_openstack}[sys.argv[1]](sys.argv[2:], Path(os.environ["GUIDE_STATE"]))
