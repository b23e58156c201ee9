"""The server that the other tests run the command through, where its answers come in an unusual way."""

from pathlib import Path

import pytest

from tests.fault.fork_server import CommandServer


def start_server(folder: Path, code: str) -> CommandServer:
    """A server whose program is ``code``."""
    (folder / "answering.py").write_text(f"import os, sys, time\n{code}\n")
    return CommandServer("answering", {"PYTHONPATH": str(folder)})


def test_two_lines_that_come_at_once_are_two_answers(tmp_path: Path) -> None:
    """A run that ends before its pid was read: the second answer is there, and need not be waited for."""
    server = start_server(tmp_path, r"for _ in sys.stdin: os.write(1, b'1\n2\n')")
    for _ in range(2):
        server.send({})
        assert [server.answer(), server.answer(seconds=20)] == [1, 2]
    server.stop()


def test_an_answer_in_pieces_is_one(tmp_path: Path) -> None:
    """And one that does not come in time is a TimeoutError."""
    code = r"for _ in sys.stdin: os.write(1, b'12'); time.sleep(0.05); os.write(1, b'3\n')"
    server = start_server(tmp_path, code)
    server.send({})
    assert server.answer(seconds=20) == 123
    with pytest.raises(TimeoutError):
        server.answer(seconds=0.05)
    server.stop()
