"""What others wrote is shown without what must stay secret, on one line that cannot move a cursor, and with the rest."""

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
    join_lines,
    make_printable,
    quote_word,
    redact,
    remove_secrets,
    shorten,
)
from tests.ci_logs import HOSTILE, find_commands

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
    ],
)  # fmt: skip
def test_messages_of_others(text: str, display: str) -> None:
    """Log-ins, queries and tokens go; what a person needs stays."""
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
def test_tracebacks(text: str) -> None:
    """Whatever is called a secret, and whatever is known to be one."""
    assert "S3CRET" not in redact(text, ["of-the-environment", "a"])
    assert "of-the-environment" not in redact(text, ["of-the-environment", "a"])
    assert redact("Traceback: a plain line", ["a"]) == "Traceback: a plain line"


@pytest.mark.parametrize("known", [("abcd", "abcd-efgh"), ("abcd-efgh", "abcd"), ("efgh", "abcd-efgh", "cd-e")])
def test_nothing_is_left_of_a_secret_that_holds_another_one(known: tuple[str, ...]) -> None:
    """The longest is removed first."""
    assert redact("it is abcd-efgh here", known) == "it is … here"


@pytest.mark.parametrize(("secret", "display"), [("abcd", "is …"), ("abc", "is abc"), ("", "is abc")])
def test_a_secret_that_is_too_short_to_be_one_stays(secret: str, display: str) -> None:
    """It would match half of any text."""
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
def test_what_moves_a_cursor_or_turns_text_is_a_visible_escape(text: str, display: str) -> None:
    """Controls, bidirectional overrides, invisible characters, surrogates; letters of every script stay."""
    assert make_printable(text) == display
    assert make_printable(text).isprintable()
    assert make_printable(display) == display


def test_a_text_that_is_too_long_shows_that_it_goes_on() -> None:
    """It never has more characters than allowed."""
    assert shorten("12345", 5) == "12345"
    assert shorten("123456", 5) == "1234…"


def test_a_page_becomes_one_line() -> None:
    """Line ends and runs of spaces are one space; what is left and cannot be printed is escaped."""
    assert join_lines(" General.\r\n  No\timage\x1b[31m x\u2028y ", 99) == "General. No image\\x1b[31m x y"
    assert join_lines("a b c d", 4) == "a b…"


def test_json_has_every_script_and_no_control_character() -> None:
    """Valid JSON still, in lines when it is indented."""
    assert format_json({"b": "日本 \x1b\x7f\u202e", "a": 1}) == '{\n  "a": 1,\n  "b": "日本 \\u001b\\u007f\\u202e"\n}'
    assert format_json({"a": "\x7f"}, indent=None) == '{"a": "\\u007f"}'
    assert format_json({"b": 1, "a": "x"}, indent=None) == '{"b": 1, "a": "x"}'


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_commands_a_ci_system_or_a_terminal(hostile: str) -> None:
    """As a word in a line, as a value in JSON that is read back equal, and as a stream, in pieces of any size."""
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
def test_what_commands_nobody_stays_as_it_is(text: str) -> None:
    """Colors of imagesync, and the line of a terminal that is rewritten, too."""
    assert escape_commands(text) == text


def test_what_a_renderer_forgot_is_escaped_as_in_json() -> None:
    """So a JSON document that was made without ``format_json`` keeps its values."""
    document = {"a": "##vso[x]\u202e\U000e0041\x7f", "b": ["##", "::x::"]}
    output = escape_commands(json.dumps(document, ensure_ascii=False))
    assert json.loads(output) == document
    assert list(find_commands(output)) == []
    assert escape_commands("::a::\n\x1b[1m  ::b::\x1b[0m\n") == ":\\u003aa::\n\x1b[1m  :\\u003ab::\x1b[0m\n"


def test_a_long_stream_is_guarded_in_linear_time() -> None:
    """Linear in the length, whatever it holds."""
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
def test_a_word_to_paste_is_read_as_it_was(word: str) -> None:
    """By a shell, byte by byte; what is shown commands neither a terminal nor a CI system."""
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
    """Sorted, indented, letters of every script as they are: the same bytes, in less time."""
    assert format_json(document) == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
