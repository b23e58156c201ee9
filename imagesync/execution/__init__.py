"""A plan -> a report: steps run in a pool, each through a backend and a source."""
