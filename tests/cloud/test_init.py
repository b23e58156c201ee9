"""``init --from-cloud`` on the real services: the new catalog is valid, and its first plan adopts."""

from pathlib import Path

import yaml

from imagesync.backends import open_backend
from tests import forked
from tests.cloud.service import Cloud
from tests.command import cloud_environment
from tests.varied_images import create_varied_images


def test_a_catalog_of_the_images_of_a_cloud(cloud: Cloud, tmp_path: Path) -> None:
    """Every command that init proposes is typed: plan adopts each image and moves nothing, adopt does it, plan is empty."""
    env = cloud_environment(cloud.clouds_yaml)
    with open_backend(cloud="operator", clouds_file=str(cloud.clouds_yaml)) as backend:
        made = {image.id for image in create_varied_images(backend)}

    def run(*words: str, code: int = 0) -> str:
        return forked.run(*words, folder=tmp_path, env=env, code=code).stdout

    output = run("init", "images", "--from-cloud", "operator")
    assert f"The catalog has {len(made)} images of cloud operator. imagesync does not manage them yet.\n" in output
    assert "  imagesync plan images   # show what adopting them would change\n  imagesync adopt images  #" in output
    found = yaml.safe_load((tmp_path / "images/catalog.yaml").read_text())
    assert (found["catalog"], found["default_target"]) == ("images", "operator")
    assert found["targets"] == {"operator": {"cloud": "operator"}}
    assert {image["adopt"] for image in found["images"].values()} == made
    assert "no problems" in run("validate", "images", "--strict")
    plan = run("plan", "images")
    assert f"{len(made)} to update" in plan
    assert "to create" not in plan
    assert "to upload" not in plan
    assert f"{len(made)} updated" in run("adopt", "images", "--yes")
    assert "No changes." in run("plan", "images")
    assert run("init", "again", "--from-cloud", "operator").count("imagesync add FILE again") == 1


def test_a_catalog_of_an_empty_project(cloud: Cloud, tmp_path: Path) -> None:
    """It is valid and applies."""
    env = cloud_environment(cloud.clouds_yaml)
    done = forked.run("init", "--from-cloud", "bob", folder=tmp_path, env=env)
    assert "The catalog has 0 images of cloud bob." in done.stdout
    assert "No changes." in forked.run("apply", "--yes", folder=tmp_path, env=env).stdout
