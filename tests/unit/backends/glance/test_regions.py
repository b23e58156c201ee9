"""Settings, environment and service catalog -> the region of a cloud, or an error that lists the regions."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imagesync.backends.glance import open_glance
from imagesync.backends.glance.regions import settle_region
from imagesync.errors import UsageError

TWO = ["east", "west"]


def open_region(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], given: str = "") -> str:
    """The region of a cloud ``c`` with these settings, and with OS_REGION_NAME if ``given`` is not empty."""
    entry = {"auth_type": "none", "auth": {"endpoint": "http://images.example"}, **settings}
    (folder / "clouds.json").write_text(json.dumps({"clouds": {"c": entry}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(folder / "clouds.json"))
    if given:
        monkeypatch.setenv("OS_REGION_NAME", given)
    with open_glance("c") as backend:
        return backend.identity().region


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        ({}, "", ""),
        ({}, "west", "west"),
        ({"region_name": "east"}, "", "east"),
        ({"region_name": "east"}, "west", "east"),
        ({"regions": ["east"]}, "", "east"),
        ({"regions": ["east", "east"]}, "", "east"),
        ({"regions": TWO, "region_name": "west"}, "", "west"),
        ({"regions": TWO, "region_name": "west"}, "east", "west"),
        ({"regions": TWO}, "west", "west"),
        ({"regions": [{"name": "east"}, {"name": "west", "values": {"api_timeout": 7}}]}, "west", "west"),
    ],
)
def test_the_named_region_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], given: str, expected: str
) -> None:
    """The cloud's region_name or OS_REGION_NAME names it; with ``regions``, the library ignores both."""
    assert open_region(tmp_path, monkeypatch, settings, given) == expected


@pytest.mark.parametrize(
    ("settings", "given", "message"),
    [
        ({"regions": TWO}, "", "cloud c: it has several regions (east, west); select one: region_name: east in clouds"),
        ({"regions": TWO}, "north", "cloud c: region north is not one of its regions (east, west); select one"),
        ({"regions": TWO, "region_name": "north"}, "", "it has several regions (east, west)"),
        pytest.param(
            {"region_name": "east,west"},
            "",
            "it has several regions (east, west)",
            marks=pytest.mark.filterwarnings("ignore:Comma separated lists"),
        ),
        ({"regions": [{"name": "east"}, {"name": "west"}]}, "", "it has several regions (east, west)"),
        ({"regions": ["a b", "x"]}, "", "region_name: a b in clouds.yaml, or export OS_REGION_NAME='a b'"),
    ],
)
def test_the_first_of_several_regions_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], given: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        open_region(tmp_path, monkeypatch, settings, given)
    assert message in str(caught.value)


class Region(SimpleNamespace):
    """The part of a cloud's settings in one region that is used."""

    def get_region_name(self, _service: str) -> str | None:
        return getattr(self, "name", None)

    def get_interface(self, _service: str) -> str:
        return "public"

    def get_endpoint(self, _service: str) -> str | None:
        return getattr(self, "override", None)


@pytest.mark.parametrize(
    ("region", "regions", "expected"),
    [
        (Region(), [], ""),
        (Region(), ["east"], "east"),
        (Region(), [""], ""),
        (Region(name="west"), TWO, "west"),
        (Region(override="http://h"), TWO, ""),
        (Region(override="http://h"), ["east"], "east"),
    ],
)
def test_the_only_region_is_used_by_its_name(region: Any, regions: list[str], expected: str) -> None:
    """An endpoint of the settings needs no region of the service catalog."""
    assert settle_region("cloud c", region, "http://h", regions) == expected


@pytest.mark.parametrize(
    ("region", "url", "regions", "message"),
    [
        (Region(), "http://h", TWO, "cloud c: its image service is in several regions (east, west); select one: "),
        (
            Region(),
            "http://h",
            ["", "east"],
            "(one without a name, east); select one: region_name: east in clouds.yaml",
        ),
        (Region(name="north"), None, TWO, "(interface public, region north); it has one in east, west; select one"),
        (Region(), None, [], "(interface public, region any); check project, auth_type, region_name and interface"),
        (Region(), "http://h", ["a\x1b[2J", "$(x)"], "(a\\x1b[2J, $(x)); select one"),
        (Region(), "http://h", ["$(x)", "b"], "or export OS_REGION_NAME='$(x)'"),
        (Region(), "http://h", [f"r{number:02}" for number in range(30)], "r19, and 10 more)"),
    ],
)
def test_the_error_lists_the_regions(region: Any, url: str | None, regions: list[str], message: str) -> None:
    """It has a remedy. The names are those of a service, and control characters in them are escaped."""
    with pytest.raises(UsageError) as caught:
        settle_region("cloud c", region, url, regions)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
