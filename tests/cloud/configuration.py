"""Addresses and folders of one run -> configuration files of Keystone, Glance and their clients. Writes files.

The services do not wait for the disk, because their databases are not needed after a power failure. They wait for locks of
a slow machine.
"""

from pathlib import Path

from tests.cloud.bootstrap import PASSWORD, USERS

DATABASE = "glance.db"
"""The SQLite file of the image service, in the folder of the cloud's state."""


def write_keystone(folder: Path, state: Path) -> None:
    """keystone.conf with SQLite and Fernet keys below ``state``. Password hashes are cheap, because each command authenticates."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keystone.conf").write_text(
        f"""[DEFAULT]
log_file = {state}/keystone.log
[database]
connection = sqlite:///{state}/keystone.db?timeout=60
sqlite_synchronous = false
[token]
provider = fernet
[fernet_tokens]
key_repository = {state}/fernet
[credential]
key_repository = {state}/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
"""
    )


def write_glance(folder: Path, state: Path, database: str, auth_url: str, etc: Path, endpoint_id: str | None) -> None:
    """glance-api.conf for the database at a URL; with ``endpoint_id``, the service enforces the limits of Keystone.

    The service with limits also has fewer import methods, and a plugin that unpacks imported data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("fast", "slow", "staging", "tasks"):
        (state / "stores" / name).mkdir(parents=True, exist_ok=True)
    (folder / "glance-api-paste.ini").write_text((etc / "glance-api-paste.ini").read_text())
    account = f"""auth_url = {auth_url}
auth_type = password
username = glance
password = {PASSWORD}
user_domain_id = default
"""
    methods = "glance-direct" if endpoint_id else "glance-direct,web-download,copy-image"
    plugins = "image_decompression" if endpoint_id else "no_op"
    limits = "" if endpoint_id is None else f"[oslo_limit]\n{account}system_scope = all\nendpoint_id = {endpoint_id}\n"
    (folder / "glance-api.conf").write_text(
        f"""[DEFAULT]
log_file = {state}/{folder.name}.log
enabled_backends = fast:file,slow:file
enabled_import_methods = [{methods}]
use_keystone_limits = {"true" if endpoint_id else "false"}
worker_self_reference_url = http://127.0.0.1
[database]
connection = {database}
sqlite_synchronous = false
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadir = {state}/stores/fast
[slow]
filesystem_store_datadir = {state}/stores/slow
[os_glance_staging_store]
filesystem_store_datadir = {state}/stores/staging
[os_glance_tasks_store]
filesystem_store_datadir = {state}/stores/tasks
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = []
[image_import_opts]
image_import_plugins = [{plugins}]
[paste_deploy]
flavor = keystone
[keystone_authtoken]
www_authenticate_uri = {auth_url}
{account}project_name = service
project_domain_id = default
[oslo_policy]
enforce_new_defaults = true
{limits}"""
    )


SETTLING_TIME = 0.2
"""Seconds between the two phases of a deletion. It is short, because the tests' database does not repeat writes."""


def write_clouds(path: Path, auth_url: str, limited_url: str) -> None:
    """clouds.yaml with an entry for each user, and ``limited``: alice on the endpoint that enforces limits."""
    lines = ["clouds:"]
    for name, user, project in [
        ("admin", "admin", "admin"),
        *((user, user, place[0]) for user, place in USERS.items()),
    ]:
        lines += _entry(name, user, project, auth_url)
    lines += [*_entry("limited", "alice", "images", auth_url), f"    image_endpoint_override: {limited_url}"]
    path.write_text("\n".join(lines) + "\n")


def _entry(name: str, user: str, project: str, auth_url: str) -> list[str]:
    return [
        f"  {name}:",
        "    region_name: RegionOne",
        f"    imagesync_settling_time: {SETTLING_TIME}",
        "    auth:",
        f"      auth_url: {auth_url}",
        f"      username: {user}",
        f"      password: {PASSWORD}",
        f"      project_name: {project}",
        "      user_domain_id: default",
        "      project_domain_id: default",
    ]
