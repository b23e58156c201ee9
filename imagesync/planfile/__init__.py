"""A plan <-> its saved JSON document."""
