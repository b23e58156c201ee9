"""Turns plans, reports and listings into text and JSON. Pure."""
