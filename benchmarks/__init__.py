"""Measurements of imagesync and similar tools on the real services of the test suite."""
