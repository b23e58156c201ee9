"""One module a command: its options, its few lines of work, its exit code."""
