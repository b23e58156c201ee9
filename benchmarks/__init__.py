"""Measurements against peers, on the real services of the test suite."""
