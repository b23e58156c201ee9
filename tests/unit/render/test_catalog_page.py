"""The page of a catalog for its users: whole, safe, readable."""

import re
from dataclasses import replace

import pytest

from imagesync.errors import ImagesyncError, Unavailable
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import Identity, LiveImage
from imagesync.model.listing import Entry, PlaceListing
from imagesync.render.catalog_page import USUAL, format_page, format_targets_page
from imagesync.render.columns import choose_columns
from tests.ci_logs import HOSTILE
from tests.page_reader import PageReader, read_safe_page
from tests.unit.factories import NOW
from tests.unit.render.test_page_parts import LATE, read_body

HERE = Identity("store", "/lab", "id", label="lab")
IMAGE = LiveImage(
    "0d9a3e58-1111-4f3c-9b0a-000000000001",
    name="Ubuntu 24.04",
    status=Status.ACTIVE,
    visibility=Visibility.PUBLIC,
    size=3 * 2**29,
    min_disk=10,
    min_ram=512,
    created_at="2026-11-20T23:30:00Z",
    properties={
        "os_distro": "ubuntu",
        "os_version": "24.04",
        "architecture": "x86_64",
        "description": "Long-term support",
        "os_admin_user": "ubuntu",
    },
)


def test_a_page_has_what_users_of_an_image_need() -> None:
    """Name, description, system, log-in, needs, size, visibility, day and id."""
    page = PageReader(format_page([Entry(IMAGE)], "Images of base", "cloud eu", NOW))
    assert page.cells == [
        *USUAL,
        "Ubuntu 24.04|Long-term support",
        "ubuntu 24.04, x86_64|user ubuntu",
        "10 GB disk, 512 MB RAM",
        "1.5 GiB",
        "public",
        "2026-11-20",
        IMAGE.id,
    ]


@pytest.mark.parametrize("status", list(Status))
def test_only_a_deactivated_image_is_called_so(status: Status) -> None:
    """One that has no data yet is not."""
    page = PageReader(format_page([Entry(replace(IMAGE, status=status))], "Images", "cloud eu", NOW))
    cell = "public|deactivated" if status is Status.DEACTIVATED else "public"
    assert page.cells[len(USUAL) + 4] == cell


@pytest.mark.parametrize(
    ("disk", "ram", "size", "needs", "cell"),
    [
        (0, 0, None, "", ""),
        (1, 0, 0, "1 GB disk", "0 B"),
        (0, 1, 2**10, "1 MB RAM", "1.0 KiB"),
    ],
)
def test_an_image_without_needs_has_an_empty_cell(disk: int, ram: int, size: int | None, needs: str, cell: str) -> None:
    """And one without data has no size."""
    image = replace(IMAGE, min_disk=disk, min_ram=ram, size=size, name=None, properties={})
    page = PageReader(format_page([Entry(image)], "Images", "cloud eu", NOW))
    cells = page.cells[len(USUAL) :]
    assert (cells[0], cells[2], cells[3]) == ("(no name)", needs, cell)


def test_a_page_has_everything_in_itself() -> None:
    """No link, picture or event; a policy forbids all but the one script and the one style."""
    page = format_page([Entry(IMAGE)], "Images", "cloud eu", NOW)
    read_safe_page(page)
    assert not re.search(r"https?:|url\(|@import|javascript", page)


def test_what_others_wrote_is_only_text() -> None:
    """In every part of the page: HTML, controls, commands of CI systems."""
    for text in ("</td><script>alert(1)</script>", '"><img src=x onerror=y>', "&lt;", *HOSTILE.values()):
        names = ("description", "os_distro", "os_version", "architecture", "os_admin_user", "os_type")
        image = LiveImage("x", name=text, created_at="", properties=dict.fromkeys(names, text))
        columns = choose_columns("name,properties.os_distro", ())
        for page in (
            format_page([Entry(image)], text, text, NOW),
            format_page([Entry(image)], text, text, NOW, columns),
            format_targets_page({text: PlaceListing((Entry(image),), HERE), "x": Unavailable(text)}, text, NOW),
            format_targets_page({text: PlaceListing((Entry(image),), HERE)}, text, NOW, columns),
        ):
            read_safe_page(page)


def test_the_visibilities_are_a_filter_if_there_are_several() -> None:
    """With their numbers; one alone distinguishes nothing."""
    images = [
        replace(IMAGE, id=str(number), visibility=kind) for number, kind in enumerate([*Visibility, Visibility.PUBLIC])
    ]
    page = format_page(list(map(Entry, images)), "Images", "cloud eu", NOW)
    assert 'data-show="public" aria-pressed="false">public <b>2</b>' in page
    assert [page.count(f'<tr data-kinds="{kind}">') for kind in ("public", "private")] == [2, 1]
    assert "data-show=" not in format_page(
        [Entry(image) for image in images if image.visibility == "public"], "", "", NOW
    )


def test_an_escaped_text_is_shown_as_it_was_written() -> None:
    """Escaped once."""
    page = PageReader(format_page([Entry(LiveImage("x", name="a <b> & 'c' #1"))], "Images", "here", NOW))
    assert page.cells[len(USUAL)] == "a <b> & 'c' #1"


def test_a_page_without_images_says_so() -> None:
    """And has no table."""
    page = format_page([], "Images of base", "cloud eu", NOW)
    assert "table" not in PageReader(page).tags
    assert "<p>There are no images.</p>" in page
    assert "0 images on cloud eu, as of 2026-11-23 12:00 UTC." in page


def test_a_page_of_targets_has_a_section_for_each() -> None:
    """A filter of the whole page can hide those with images; the reason of a failure is not for users."""
    images = [Entry(replace(IMAGE, id=str(kind), visibility=kind)) for kind in (Visibility.PUBLIC, Visibility.PRIVATE)]
    found: dict[str, PlaceListing | ImagesyncError] = {
        "eu": PlaceListing(tuple(images), HERE),
        "lab": PlaceListing((), HERE),
        "us": PlaceListing((images[0],), HERE),
        "lost": Unavailable("the secret reason"),
    }
    page = format_targets_page(found, "Images of base", NOW)
    read_safe_page(page)
    text = PageReader(page).text
    assert "3 images on 3 targets, as of " in text
    headings = re.findall(
        r'<section( data-part)? aria-labelledby="([a-z0-9-]+)">\n<h2 id="([a-z0-9-]+)">([^<]*)</h2>', page
    )
    assert headings == [
        (" data-part", "target-1", "target-1", "Target eu (store lab)"),
        ("", "target-2", "target-2", "Target lab (store lab)"),
        (" data-part", "target-3", "target-3", "Target us (store lab)"),
        ("", "target-4", "target-4", "Target lost"),
    ]
    assert (page.count("<table"), page.count("There are no images."), page.count("could not be listed")) == (2, 1, 1)
    assert 'data-show="public" aria-pressed="false">public <b>2</b>' in page
    assert "secret" not in page


def test_a_page_of_targets_takes_columns() -> None:
    """The same for all."""
    found = {name: PlaceListing((Entry(IMAGE),), HERE) for name in ("eu", "us")}
    page = PageReader(format_targets_page(found, "Images", NOW, choose_columns("name,min_disk", ())))
    assert page.cells == ["Name", "Min_disk", "Ubuntu 24.04", "10"] * 2


OTHER = LiveImage(
    "x" * 41,
    name="b<",
    status=Status.DEACTIVATED,
    visibility=Visibility.PRIVATE,
    size=7,
    min_ram=5,
    properties={
        "image_description": " d<",
        "os_type": "linux",
        "image_original_user": "u<",
        "default_user": "no",
        "os_distro": "",
    },
)
THIRD = LiveImage(
    "y" * 40,
    visibility=Visibility.PUBLIC,
    created_at="2026-11-20T23:30:00-02:00",
    properties={
        "os_version": "7",
        "architecture": "arm",
        "default_user": "me",
        "description": "  ",
        "image_description": "late",
    },
)
ENTRIES = [Entry(IMAGE), Entry(OTHER), Entry(THIRD)]


def test_the_whole_page_of_three_images() -> None:
    """A short id stays on one line; days and times are those of Greenwich."""
    page = format_page(ENTRIES, "Images <of>", "cloud <eu>", LATE)
    assert read_body(page) == PAGE_OF_THREE.splitlines()


def test_the_whole_page_with_chosen_columns() -> None:
    """Ids and digests are code."""
    columns = choose_columns("name,min_disk,id,checksum,os_hash_value,properties.os_type", ())
    assert read_body(format_page(ENTRIES[1:], "T", "P", LATE, columns)) == PAGE_OF_COLUMNS.splitlines()


def test_the_whole_page_of_four_targets() -> None:
    """Each section is of its own target; filters and counts are over all."""
    found: dict[str, PlaceListing | ImagesyncError] = {
        "eu<": PlaceListing(tuple(ENTRIES[:2]), HERE),
        "us": PlaceListing((), HERE),
        "lost": Unavailable("why"),
        "lab": PlaceListing((ENTRIES[2],), HERE),
    }
    assert read_body(format_targets_page(found, "T<", LATE)) == PAGE_OF_TARGETS.splitlines()


PAGE_OF_THREE = """\
<body>
<header>
<h1>Images &lt;of&gt;</h1>
<p class="lead">3 images on cloud &lt;eu&gt;, as of 2026-11-24 01:30 UTC.</p>
</header>
<main>
<div class="controls" role="search"
 aria-label="Filter the images"
 data-nouns="images" hidden>
<input type="search"
 data-do="search"
 aria-label="Search the images" placeholder="Search ( / )" autocomplete="off" spellcheck="false"
 aria-keyshortcuts="/">
<div role="group"
 aria-label="Show only">
<button type="button" class="chip"
 data-group="visibility"
 data-show="private"
 aria-pressed="false">private <b>1</b>
</button>
<button type="button" class="chip"
 data-group="visibility"
 data-show="public"
 aria-pressed="false">public <b>2</b>
</button>
</div>
<div class="tools">
<button type="button"
 data-do="print">Print</button>
<button type="button"
 data-do="theme"
 aria-pressed="false">Dark</button>
</div>
<div class="result">
<p role="status"
 data-do="status">
</p>
<button type="button"
 data-do="clear" hidden>Show all</button>
</div>
</div>
<table class="images" border="1" cellpadding="6">
<caption>
<span>Images &lt;of&gt;</span>
</caption>
<thead>
<tr>
<th scope="col">Name</th>
<th scope="col">System</th>
<th scope="col">Needs</th>
<th scope="col">Size</th>
<th scope="col">Visibility</th>
<th scope="col">Created</th>
<th scope="col">ID</th>
</tr>
</thead>
<tbody>
<tr
 data-kinds="public">
<th scope="row">Ubuntu 24.04<br>
<small>Long-term support</small>
</th>
 <td
 data-title="System">ubuntu 24.04, x86_64<br>
<small>user ubuntu</small>
</td>
 <td
 data-title="Needs">
<span class="keep">10 GB disk</span>, <span class="keep">512 MB RAM</span>
</td>
 <td
 data-title="Size">
<span class="keep">1.5 GiB</span>
</td>
 <td
 data-title="Visibility">
<span class="keep">public</span>
</td>
 <td
 data-title="Created">
<time class="keep" datetime="2026-11-20T23:30:00+00:00">2026-11-20</time>
</td>
 <td
 data-title="ID">
<code>
<span class="keep">0d9a3e58-1111-4f3c-9b0a-000000000001</span>
</code>
</td>
</tr>
<tr
 data-kinds="private">
<th scope="row">b&lt;<br>
<small>d&lt;</small>
</th>
 <td
 data-title="System">linux<br>
<small>user u&lt;</small>
</td>
 <td
 data-title="Needs">
<span class="keep">5 MB RAM</span>
</td>
 <td
 data-title="Size">
<span class="keep">7 B</span>
</td>
 <td
 data-title="Visibility">
<span class="keep">private</span>
<br>
<small>deactivated</small>
</td>
 <td
 data-title="Created">
</td>
 <td
 data-title="ID">
<code>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx</code>
</td>
</tr>
<tr
 data-kinds="public">
<th scope="row">(no name)<br>
<small>late</small>
</th>
 <td
 data-title="System">7, arm<br>
<small>user me</small>
</td>
 <td
 data-title="Needs">
</td>
 <td
 data-title="Size">
</td>
 <td
 data-title="Visibility">
<span class="keep">public</span>
</td>
 <td
 data-title="Created">
<time class="keep" datetime="2026-11-20T23:30:00-02:00">2026-11-21</time>
</td>
 <td
 data-title="ID">
<code>
<span class="keep">yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy</span>
</code>
</td>
</tr>
</tbody>
</table>
<p
 data-none hidden>No image has these words. Esc shows all images.</p>
</main>
"""
PAGE_OF_COLUMNS = """\
<body>
<header>
<h1>T</h1>
<p class="lead">2 images on P, as of 2026-11-24 01:30 UTC.</p>
</header>
<main>
<div class="controls" role="search"
 aria-label="Filter the images"
 data-nouns="images" hidden>
<input type="search"
 data-do="search"
 aria-label="Search the images" placeholder="Search ( / )" autocomplete="off" spellcheck="false"
 aria-keyshortcuts="/">
<div role="group"
 aria-label="Show only">
<button type="button" class="chip"
 data-group="visibility"
 data-show="private"
 aria-pressed="false">private <b>1</b>
</button>
<button type="button" class="chip"
 data-group="visibility"
 data-show="public"
 aria-pressed="false">public <b>1</b>
</button>
</div>
<div class="tools">
<button type="button"
 data-do="print">Print</button>
<button type="button"
 data-do="theme"
 aria-pressed="false">Dark</button>
</div>
<div class="result">
<p role="status"
 data-do="status">
</p>
<button type="button"
 data-do="clear" hidden>Show all</button>
</div>
</div>
<table class="images" border="1" cellpadding="6">
<caption>
<span>T</span>
</caption>
<thead>
<tr>
<th scope="col">Name</th>
<th scope="col">Min_disk</th>
<th scope="col">Id</th>
<th scope="col">Checksum</th>
<th scope="col">Os_hash_value</th>
<th scope="col">Properties.os_type</th>
</tr>
</thead>
<tbody>
<tr
 data-kinds="private">
<th scope="row">b&lt;</th>
 <td
 data-title="Min_disk">0</td>
 <td
 data-title="Id">
<code>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx</code>
</td>
 <td
 data-title="Checksum">
<code>
</code>
</td>
 <td
 data-title="Os_hash_value">
<code>
</code>
</td>
 <td
 data-title="Properties.os_type">linux</td>
</tr>
<tr
 data-kinds="public">
<th scope="row">
</th>
 <td
 data-title="Min_disk">0</td>
 <td
 data-title="Id">
<code>yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy</code>
</td>
 <td
 data-title="Checksum">
<code>
</code>
</td>
 <td
 data-title="Os_hash_value">
<code>
</code>
</td>
 <td
 data-title="Properties.os_type">
</td>
</tr>
</tbody>
</table>
<p
 data-none hidden>No image has these words. Esc shows all images.</p>
</main>
"""
PAGE_OF_TARGETS = """\
<body>
<header>
<h1>T&lt;</h1>
<p class="lead">3 images on 3 targets, as of 2026-11-24 01:30 UTC.</p>
</header>
<main>
<div class="controls" role="search"
 aria-label="Filter the images"
 data-nouns="images" hidden>
<input type="search"
 data-do="search"
 aria-label="Search the images" placeholder="Search ( / )" autocomplete="off" spellcheck="false"
 aria-keyshortcuts="/">
<div role="group"
 aria-label="Show only">
<button type="button" class="chip"
 data-group="visibility"
 data-show="private"
 aria-pressed="false">private <b>1</b>
</button>
<button type="button" class="chip"
 data-group="visibility"
 data-show="public"
 aria-pressed="false">public <b>2</b>
</button>
</div>
<div class="tools">
<button type="button"
 data-do="print">Print</button>
<button type="button"
 data-do="theme"
 aria-pressed="false">Dark</button>
</div>
<div class="result">
<p role="status"
 data-do="status">
</p>
<button type="button"
 data-do="clear" hidden>Show all</button>
</div>
</div>
<section
 data-part
 aria-labelledby="target-1">
<h2 id="target-1">Target eu&lt; (store lab)</h2>
<table class="images" border="1" cellpadding="6">
<caption>
<span>target eu&lt; (store lab)</span>
</caption>
<thead>
<tr>
<th scope="col">Name</th>
<th scope="col">System</th>
<th scope="col">Needs</th>
<th scope="col">Size</th>
<th scope="col">Visibility</th>
<th scope="col">Created</th>
<th scope="col">ID</th>
</tr>
</thead>
<tbody>
<tr
 data-kinds="public">
<th scope="row">Ubuntu 24.04<br>
<small>Long-term support</small>
</th>
 <td
 data-title="System">ubuntu 24.04, x86_64<br>
<small>user ubuntu</small>
</td>
 <td
 data-title="Needs">
<span class="keep">10 GB disk</span>, <span class="keep">512 MB RAM</span>
</td>
 <td
 data-title="Size">
<span class="keep">1.5 GiB</span>
</td>
 <td
 data-title="Visibility">
<span class="keep">public</span>
</td>
 <td
 data-title="Created">
<time class="keep" datetime="2026-11-20T23:30:00+00:00">2026-11-20</time>
</td>
 <td
 data-title="ID">
<code>
<span class="keep">0d9a3e58-1111-4f3c-9b0a-000000000001</span>
</code>
</td>
</tr>
<tr
 data-kinds="private">
<th scope="row">b&lt;<br>
<small>d&lt;</small>
</th>
 <td
 data-title="System">linux<br>
<small>user u&lt;</small>
</td>
 <td
 data-title="Needs">
<span class="keep">5 MB RAM</span>
</td>
 <td
 data-title="Size">
<span class="keep">7 B</span>
</td>
 <td
 data-title="Visibility">
<span class="keep">private</span>
<br>
<small>deactivated</small>
</td>
 <td
 data-title="Created">
</td>
 <td
 data-title="ID">
<code>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx</code>
</td>
</tr>
</tbody>
</table>
</section>
<section
 aria-labelledby="target-2">
<h2 id="target-2">Target us (store lab)</h2>
<p>There are no images.</p>
</section>
<section
 aria-labelledby="target-3">
<h2 id="target-3">Target lost</h2>
<p>The images of this target could not be listed.</p>
</section>
<section
 data-part
 aria-labelledby="target-4">
<h2 id="target-4">Target lab (store lab)</h2>
<table class="images" border="1" cellpadding="6">
<caption>
<span>target lab (store lab)</span>
</caption>
<thead>
<tr>
<th scope="col">Name</th>
<th scope="col">System</th>
<th scope="col">Needs</th>
<th scope="col">Size</th>
<th scope="col">Visibility</th>
<th scope="col">Created</th>
<th scope="col">ID</th>
</tr>
</thead>
<tbody>
<tr
 data-kinds="public">
<th scope="row">(no name)<br>
<small>late</small>
</th>
 <td
 data-title="System">7, arm<br>
<small>user me</small>
</td>
 <td
 data-title="Needs">
</td>
 <td
 data-title="Size">
</td>
 <td
 data-title="Visibility">
<span class="keep">public</span>
</td>
 <td
 data-title="Created">
<time class="keep" datetime="2026-11-20T23:30:00-02:00">2026-11-21</time>
</td>
 <td
 data-title="ID">
<code>
<span class="keep">yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy</span>
</code>
</td>
</tr>
</tbody>
</table>
</section>
<p
 data-none hidden>No image has these words. Esc shows all images.</p>
</main>
"""
