"""Settings, environment and service catalog -> the region of a cloud, or an error that lists the regions."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from keystoneauth1.access import AccessInfoV3

from imagesync.backends.glance import open_glance
from imagesync.backends.glance.regions import find_regions, settle_region
from imagesync.errors import UsageError
from tests.fault.scripted_cloud import make_token, write_clouds

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
        ({"regions": TWO, "region-name": "west"}, "", "west"),
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

    def get_region_name(self, service: str) -> str | None:
        assert service == "image"
        return getattr(self, "name", None)

    def get_interface(self, service: str) -> str:
        assert service == "image"
        return str(getattr(self, "interface", "public"))

    def get_service_type(self, service: str) -> str:
        return service

    def get_service_name(self, service: str) -> str | None:
        assert service == "image"
        return getattr(self, "service_name", None)

    def get_endpoint(self, service: str) -> str | None:
        assert service == "image"
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
        (Region(), "http://h", [f"r{number:02}" for number in range(20)], "r18, r19); select one"),
        (Region(), "http://h", ["", ""], "select one: region_name: NAME in clouds.yaml"),
        (Region(), "http://h", ["x" * 64, "y" * 65], f"({'x' * 64}, {'y' * 63}…); select one"),
    ],
)
def test_the_error_lists_the_regions(region: Any, url: str | None, regions: list[str], message: str) -> None:
    """It has a remedy. The names are those of a service, and control characters in them are escaped."""
    with pytest.raises(UsageError) as caught:
        settle_region("cloud c", region, url, regions)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def make_access(*endpoints: tuple[str, str, str | None]) -> AccessInfoV3:
    """A token; each endpoint of an image service has the service's name, an interface and a region."""
    catalog = [
        {
            "type": kind,
            "name": name,
            "id": name,
            "endpoints": [{"id": "e", "interface": interface, "region": place, "region_id": place, "url": "http://h"}],
        }
        for name, interface, region in endpoints
        for kind, place in (("image", region), ("compute", "of the compute service"))
    ]
    return AccessInfoV3(make_token("http://h", catalog=catalog), "t")


ENDPOINTS = (("a", "public", "west"), ("a", "public", "east"), ("b", "public", "north"), ("b", "internal", "south"))


@pytest.mark.parametrize(
    ("region", "access", "expected"),
    [
        (Region(), make_access(*ENDPOINTS), ["east", "north", "west"]),
        (Region(service_name="b"), make_access(*ENDPOINTS), ["north"]),
        (Region(interface="internal"), make_access(*ENDPOINTS), ["south"]),
        (Region(), make_access(("a", "public", None), ("b", "public", "r"), ("c", "public", "r")), ["", "r"]),
        (Region(), AccessInfoV3(make_token("http://h", catalog=None), "t"), []),
        (Region(), None, []),
    ],
)
def test_the_regions_are_those_with_a_suitable_image_endpoint(region: Any, access: Any, expected: list[str]) -> None:
    """Of this service, name and interface; each one once, sorted."""
    assert find_regions(region, access) == expected


def test_the_regions_of_the_default_cloud_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OS_CLOUD names it; a cloud that is named has precedence."""
    entry = {"auth_type": "none", "auth": {"endpoint": "http://images.example"}}
    path = write_clouds(tmp_path / "clouds.json", c={**entry, "regions": TWO}, d={**entry, "region_name": "north"})
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    for chosen, default, region in (("d", "c", "north"), (None, "d", "north")):
        monkeypatch.setenv("OS_CLOUD", default)
        with open_glance(chosen) as backend:
            assert backend.identity().region == region
    for chosen, default in (("c", "d"), (None, "c")):
        monkeypatch.setenv("OS_CLOUD", default)
        with pytest.raises(UsageError, match=r"cloud c: it has several regions \(east, west\)"):
            open_glance(chosen)


NO_ENDPOINT = "cloud c: no image endpoint found (interface internal, region any)"


@pytest.mark.parametrize(
    ("region", "url", "regions", "text"),
    [
        (
            Region(interface="internal"),
            None,
            [],
            f"{NO_ENDPOINT}; check project, auth_type, region_name and interface of this cloud in clouds.yaml or OS_*",
        ),
        (
            Region(interface="internal"),
            "",
            ["", "b c"],
            f"{NO_ENDPOINT}; it has one in one without a name, b c; select one: region_name: b c in clouds.yaml, or export "
            "OS_REGION_NAME='b c'",
        ),
        (
            Region(),
            "http://h",
            TWO,
            "cloud c: its image service is in several regions (east, west); select one: region_name: east in clouds.yaml, or "
            "export OS_REGION_NAME=east",
        ),
    ],
)
def test_the_whole_message_about_regions(region: Any, url: str | None, regions: list[str], text: str) -> None:
    """What was searched for, where it is, and how to select it."""
    with pytest.raises(UsageError) as caught:
        settle_region("cloud c", region, url, regions)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("settings", "given", "text"),
    [
        ({"regions": TWO}, "", "it has several regions (east, west)"),
        ({"regions": TWO}, "a\x1b" + "n" * 99, f"region a\\x1b{'n' * 58}… is not one of its regions (east, west)"),
        ({"regions": TWO, "region_name": "south"}, "north", "region north is not one of its regions (east, west)"),
    ],
)
def test_the_whole_message_about_a_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], given: str, text: str
) -> None:
    """Of the regions in clouds.yaml."""
    with pytest.raises(UsageError) as caught:
        open_region(tmp_path, monkeypatch, settings, given)
    assert str(caught.value) == (
        f"cloud c: {text}; select one: region_name: east in clouds.yaml, or export OS_REGION_NAME=east"
    )
