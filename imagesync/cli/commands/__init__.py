"""One module for each command: its options, its call of the workflow, its exit code."""
