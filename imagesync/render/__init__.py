"""Renderings of plans and reports: they read values and give text."""
