"""Text from outside is shown without secrets, on one line that cannot move the cursor, and otherwise complete."""

import json
import os
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesync.text import (
    LineGuard,
    escape_commands,
    format_json,
    format_size,
    join_lines,
    make_printable,
    quote_word,
    redact,
    remove_secrets,
    shorten,
    shorten_list,
)
from tests.ci_logs import HOSTILE, find_commands
from tests.github import read_commands

TOKEN = "gAAAAABmabcdefghijklmnopqrstuvwxyz-_0123456789=="


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("GET https://m.example/a.img?sig=S3CRET: 403", "GET https://m.example/a.img: 403"),
        ("https://user:S3CRET@m.example/a.img is gone", "https://m.example/a.img is gone"),
        ("proxy http://S3CRET@p:3128/ fails", "proxy http://p:3128/ fails"),
        ("Max retries exceeded with url: /a.img?sig=S3CRET&e=1 (Caused by", "Max retries exceeded with url: /a.img (Caused by"),
        ("'https://m.example/a?sig=S3CRET', retry", "'https://m.example/a', retry"),
        (f"token {TOKEN} expired", "token (a token) expired"),
        ("who is it? nobody. Really?", "who is it? nobody. Really?"),
        ("images.a#b and C# stay", "images.a and C# stay"),
        ("written in C#. Also in F#; really/?", "written in C#. Also in F#; really/?"),
    ],
)  # fmt: skip
def test_secrets_in_messages_of_others_are_removed(text: str, display: str) -> None:
    """Log-ins, queries and tokens are removed; the rest of the message stays."""
    assert remove_secrets(text) == display


@pytest.mark.parametrize(
    "text",
    [
        "{'X-Auth-Token': 'S3CRET', 'Accept': '*/*'}",
        '{"auth": {"password": "S3CRET and more"}}',
        "Authorization: Basic S3CRET",
        "application_credential_secret=S3CRET, region=r",
        "client_secret: S3CRET",
        "https://m.example/a.img?X-Amz-Signature=S3CRET",
        "KeyError: 'of-the-environment'",
    ],
)
def test_secrets_in_tracebacks_are_removed(text: str) -> None:
    """Every value of a secret name, and every known secret."""
    assert "S3CRET" not in redact(text, ["of-the-environment", "a"])
    assert "of-the-environment" not in redact(text, ["of-the-environment", "a"])
    assert redact("Traceback: a plain line", ["a"]) == "Traceback: a plain line"


@pytest.mark.parametrize("known", [("abcd", "abcd-efgh"), ("abcd-efgh", "abcd"), ("efgh", "abcd-efgh", "cd-e")])
def test_a_secret_that_contains_another_one_is_removed_completely(known: tuple[str, ...]) -> None:
    """The longest is removed first."""
    assert redact("it is abcd-efgh here", known) == "it is … here"


@pytest.mark.parametrize(("secret", "display"), [("abcd", "is …"), ("abc", "is abc"), ("", "is abc")])
def test_a_very_short_secret_is_not_removed(secret: str, display: str) -> None:
    """It would match parts of harmless words."""
    assert redact(f"is {secret or 'abc'}", [secret]) == display


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("Ubuntu 24.04 (日本), naïve", "Ubuntu 24.04 (日本), naïve"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_characters_that_move_the_cursor_or_turn_text_become_visible_escapes(text: str, display: str) -> None:
    """Controls, bidirectional overrides, invisible characters, surrogates; letters of every script stay."""
    assert make_printable(text) == display
    assert make_printable(text).isprintable()
    assert make_printable(display) == display


def test_a_text_that_is_too_long_ends_with_an_ellipsis() -> None:
    """It never has more characters than allowed."""
    assert shorten("12345", 5) == "12345"
    assert shorten("123456", 5) == "1234…"


def test_a_page_becomes_one_line() -> None:
    """Line ends and runs of spaces become one space; remaining characters that cannot be printed are escaped."""
    assert join_lines(" General.\r\n  No\timage\x1b[31m x\u2028y ", 99) == "General. No image\\x1b[31m x y"
    assert join_lines("a b c d", 4) == "a b…"


def test_json_has_every_script_and_no_control_character() -> None:
    """It is valid JSON, and has lines if it is indented."""
    assert format_json({"b": "日本 \x1b\x7f\u202e", "a": 1}) == '{\n  "a": 1,\n  "b": "日本 \\u001b\\u007f\\u202e"\n}'
    assert format_json({"a": "\x7f"}, indent=None) == '{"a": "\\u007f"}'
    assert format_json({"b": 1, "a": "x"}, indent=None) == '{"b": 1, "a": "x"}'


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_commands_a_ci_system_or_a_terminal(hostile: str) -> None:
    """As a word in a line, as a value in JSON that is read back equal, and as a stream in pieces of any size."""
    text = HOSTILE[hostile]
    assert list(find_commands(f"x {make_printable(text)}")) == []
    for indent in (None, 2):
        document = {text: [text, {"a": text}]}
        output = format_json(document, indent=indent)
        assert list(find_commands(output)) == []
        assert json.loads(output) == document
    for size in range(1, len(text) + 2):
        guard = LineGuard()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        output = "".join(guard.escape(piece) for piece in [*pieces, "\n", *pieces, "\n"])
        assert list(find_commands(output)) == []
        assert output.count("\n") == 2 + 2 * text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "a # comment, C#, #1 and std::string a::b::c [::1]\n",
        "\x1b[32m+\x1b[0m key  \x1b[1mcreate\x1b[0m\n",
        "\r\x1b[K3 of 4 steps done",
        "日本, naïve\tx\n\n: one colon\n",
        '{"a": "\\u001b ##"}'.replace("##", "#"),
    ],
)
def test_text_without_commands_is_not_changed(text: str) -> None:
    """Nor are colors of imagesync and the sequence that rewrites a line."""
    assert escape_commands(text) == text


def test_the_stream_escapes_as_json_does() -> None:
    """So a JSON document that was made without ``format_json`` keeps its values."""
    document = {"a": "##vso[x]\u202e\U000e0041\x7f", "b": ["##", "::x::"]}
    output = escape_commands(json.dumps(document, ensure_ascii=False))
    assert json.loads(output) == document
    assert list(find_commands(output)) == []
    assert escape_commands("::a::\n\x1b[1m  ::b::\x1b[0m\n") == ":\\u003aa::\n\x1b[1m  :\\u003ab::\x1b[0m\n"


@pytest.mark.parametrize(
    "part",
    [
        "x",
        "x://",
        "a.?",
        "?",
        "a?",
        "#",
        "x:",
        "gAAAA",
        "token",
        "token ",
        "token=",
        "token:'",
        "x-",
        "a://b",
        '"',
        "password: ",
    ],
)
def test_secrets_of_a_long_text_are_removed_in_linear_time(part: str) -> None:
    """A hostile service chooses the text: at 20 KB the time must not grow with the square of the length."""
    text = part * (200_000 // len(part))
    for remove in (remove_secrets, redact):
        begin = time.process_time()
        remove(text)
        assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("a?b. c", "a. c"),
        ("a?b?", "a?"),
        ("a?.", "a?."),
        ("a#", "a#"),
        ("a##", "a"),
        ("a?#, b", "a, b"),
        ("(see a?b)", "(see a)"),
        ("a ?b", "a ?b"),
        ("/a?x=1&y=2#z", "/a"),
        ("xx-my-token = S3CRET", "xx-my-token = …"),
        ("https://me@h/x and svn+ssh://me:pw@h", "https://h/x and svn+ssh://h"),
    ],
)
def test_what_counts_as_a_query(text: str, display: str) -> None:
    """The punctuation after it ends the sentence."""
    assert redact(text) == display


def test_a_command_of_imagesync_is_the_only_one_of_its_line() -> None:
    """Its text is escaped as any other, also a second line of it, and the lines after it."""
    guard = LineGuard()
    output = guard.escape("unfinished") + guard.escape_command("::error file=a::x\n::add-mask::y ##[group]z\x1b[2J")
    output += guard.escape_command("::warning::b") + guard.escape("::debug::c\n")
    assert output == (
        "unfinished\n::error file=a::x\n:\\u003aadd-mask::y #\\u0023[group]z\\u001b[2J\n::warning::b\n:\\u003adebug::c\n"
    )
    assert [one.name for one in read_commands(output)] == ["error", "warning"]


def test_a_long_stream_is_guarded_in_linear_time() -> None:
    """Linear in the length, for any content."""
    for text in ("#" * 10**5, "é" * 10**5, "#é" * 10**5, " " * 10**5, ": " * 10**5, "é:" * 10**5, "\x1b[1m" * 10**4):
        begin = time.process_time()
        guard = LineGuard()
        guard.escape(text)
        guard.escape(text)
        assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    "word",
    [
        "images",
        "my images/ä b",
        "it's",
        "a##b",
        "a\tb##'\\",
        "\x1b[31m",
        "a\u00a0b",
        "\udcff\u202e",
        "##vso[x]",
        "",
        "$(id) `id`",
    ],
)
def test_a_shell_reads_a_quoted_word_unchanged(word: str) -> None:
    """Byte by byte; the quoted form commands neither a terminal nor a CI system."""
    output = quote_word(word)
    assert make_printable(output) == output
    assert list(find_commands(output)) == []
    done = subprocess.run(["bash", "-c", f"printf %s {output}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(word)


LETTERS = st.text('aZ é"\\\n\t', max_size=4)


@given(
    st.recursive(
        st.one_of(LETTERS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(LETTERS, inner, max_size=3)),
        max_leaves=12,
    )
)
def test_json_text_is_that_of_the_standard_library(document: object) -> None:
    """Sorted, indented, with letters of every script: the same bytes, in less time."""
    assert format_json(document) == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 25])
def test_of_many_sentences_the_first_ten_are_shown(number: int) -> None:
    """And how many more there are; each one is printable."""
    sentences = [f"image {index} \x1b[2J" for index in range(number)]
    display = [f"image {index} \\x1b[2J" for index in range(min(number, 10))]
    more = [f"and {number - 10} more"] if number > 10 else []
    assert shorten_list(sentences) == [*display, *more]
    assert shorten_list(sentences, number) == [f"image {index} \\x1b[2J" for index in range(number)]


def test_every_known_secret_is_removed() -> None:
    """Not only the longest."""
    assert (
        redact("of pass-1, pass-22 and pass-333, and pass-22", ["pass-1", "pass-22", "pass-333"])
        == "of …, … and …, and …"
    )


@pytest.mark.parametrize("value", [None, True, False, 1, 1.5, "x", [], {}, [None, True], {"a": None}])
def test_a_json_value_alone_is_written_as_the_standard_library_does(value: object) -> None:
    """Of every kind."""
    assert format_json(value) == json.dumps(value, indent=2)
    assert json.loads(format_json(value)) == value


@pytest.mark.parametrize(
    ("count", "display"),
    [
        (None, "unknown size"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (2**20 - 1, "1024.0 KiB"),
        (2**20, "1.0 MiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**30, "1.0 GiB"),
        (2**40, "1.0 TiB"),
        (2500 * 2**40, "2500.0 TiB"),
    ],
)
def test_a_size_has_one_decimal_and_its_unit(count: int | None, display: str) -> None:
    """From exactly one of the unit."""
    assert format_size(count) == display


@pytest.mark.parametrize("name", ["token", "password", "passwd", "passcode", "secret", "authorization", "Password"])
def test_the_value_of_each_secret_name_is_removed(name: str) -> None:
    """In quotes with its spaces, after a scheme, or up to the next separator; the name stays."""
    for value in ('"a b, c"', "'a b, c'", "abc", "Basic abc", "bearer abc"):
        for sign in (":", "=", ": ", " = "):
            assert redact(f"x {name}{sign}{value}, y") == f"x {name}{sign}…, y"
    assert redact(f"{name}s: abc") == f"{name}s: abc"
    assert redact(f'{{"{name}": abc}}') == f'{{"{name}": …}}'


@pytest.mark.parametrize(("size", "is_token"), [(19, False), (20, True), (200, True)])
def test_a_token_of_keystone_has_a_length(size: int, *, is_token: bool) -> None:
    """A shorter word with that beginning is none."""
    text = f"gAAAA{'x' * size}"
    assert remove_secrets(f"a {text} b") == ("a (a token) b" if is_token else f"a {text} b")


def test_marks_with_other_characters_between_them_are_broken() -> None:
    """A comparison by locale may ignore these; ASCII between them makes two separate signs."""
    assert make_printable("#é#日#") == "#é\\x23日\\x23"
    assert make_printable("# # #a#") == "# # #a#"
    assert make_printable("####") == "#\\x23\\x23\\x23"


@pytest.mark.parametrize(
    ("pieces", "written"),
    [
        (("a#", "#b\n"), "a#\\u0023b\n"),
        (("a#", "é#b\n"), "a#é\\u0023b\n"),
        ((" ", ":", ":x\n"), " :\\u003ax\n"),
        ((":", "é", ":x\n"), ":é\\u003ax\n"),
        (("x", "::y\n"), "x::y\n"),
        (("a#\n", "#b\n"), "a#\n#b\n"),
        ((":\n", ":x\n"), ":\n:x\n"),
        (("é ", "::x"), "é :\\u003ax"),
    ],
)
def test_a_line_in_pieces_is_guarded_as_a_whole_one(pieces: tuple[str, ...], written: str) -> None:
    """The end of one piece counts for the next, until the line ends."""
    guard = LineGuard()
    assert "".join(map(guard.escape, pieces)) == written


def test_a_command_begins_on_a_new_line_only_where_one_is_unfinished() -> None:
    """No empty line comes before it."""
    guard = LineGuard()
    assert guard.escape_command("::error::a") == "::error::a\n"
    assert guard.escape("x\n") + guard.escape_command("::error::b") == "x\n::error::b\n"
    assert guard.escape("x") + guard.escape_command("::error::c") == "x\n::error::c\n"
