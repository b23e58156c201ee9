"""Backends: where images live. ``base`` says what one is; ``open_backend`` opens one by name."""
