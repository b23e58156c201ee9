"""A name -> the text of a new catalog, with comments and without images. Pure."""

from typing import Final

from imagesync.manifest.yaml_writer import write_scalar, yaml_text

SCHEMA_FILE: Final = "manifest.schema.json"
"""The schema beside a catalog, for editors."""
MODELINE: Final = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
STORE: Final = "lab-store"
"""The folder of the local store of a new catalog."""
GITIGNORE: Final = f"""\
# The local store of the target lab, and saved plans.
/{STORE}/
/plan.json
"""
_CATALOG: Final = f"""\
{MODELINE}\
# The images that must exist, and where. "imagesync plan" shows what would change; "imagesync apply" changes it.
version: 1

# imagesync writes this name on each image that it owns. Do not change it after the first apply.
catalog: %(name)s

# The places for the images. Without --target, commands use the default target.
default_target: lab
targets:
  lab: {{store: {STORE}}}  # a folder beside this file, to try things without a cloud
  # prod: {{cloud: mycloud}}  # a cloud of clouds.yaml; use it with --target prod

# Fields that all images have, unless an image has its own:
# defaults:
#   visibility: public
#   properties: {{hw_disk_bus: virtio}}

# The images by key. "imagesync add FILE" or "imagesync add URL" writes an entry.
images: {{}}
"""


def write_catalog(name: str) -> str:
    """The manifest of a catalog of this name, with a local store as its default target."""
    return _CATALOG % {"name": write_scalar(name)}


def write_places(target: str, cloud: str) -> str:
    """The lines of a manifest about its targets: a cloud as the default target, and a comment about a local store."""
    head = yaml_text({"default_target": target, "targets": {target: {"cloud": cloud}}})
    return f"{head}  # lab: {{store: {STORE}}}  # a local store, to try things; use it with --target lab\n"
