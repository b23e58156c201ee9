"""The server of ``fork_server`` when its answers arrive together or in pieces."""

from pathlib import Path

import pytest

from tests.fault.fork_server import CommandServer


def start_server(folder: Path, code: str) -> CommandServer:
    """A server whose program is ``code``."""
    (folder / "answering.py").write_text(f"import os, sys, time\n{code}\n")
    return CommandServer("answering", {"PYTHONPATH": str(folder)})


def test_two_lines_that_arrive_together_are_two_answers(tmp_path: Path) -> None:
    """A run may end before its pid is read. Then the second answer is there already, and is not waited for."""
    server = start_server(tmp_path, r"for _ in sys.stdin: os.write(1, b'1\n2\n')")
    for _ in range(2):
        server.send({})
        assert [server.answer(), server.answer(seconds=20)] == [1, 2]
    server.stop()


def test_an_answer_in_pieces_is_one_answer(tmp_path: Path) -> None:
    """An answer that does not arrive in time is a TimeoutError."""
    code = r"for _ in sys.stdin: os.write(1, b'12'); time.sleep(0.05); os.write(1, b'3\n')"
    server = start_server(tmp_path, code)
    server.send({})
    assert server.answer(seconds=20) == 123
    with pytest.raises(TimeoutError):
        server.answer(seconds=0.05)
    server.stop()
