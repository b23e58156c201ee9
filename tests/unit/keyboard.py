"""A terminal in the place of standard input, on which an answer was typed."""

import io


class Keyboard(io.StringIO):
    """Each line is an answer."""

    def isatty(self) -> bool:
        """True, so a command asks."""
        return True
