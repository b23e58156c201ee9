"""Turns a catalog and an inventory into a plan. Pure: it reads no clock, no network and no backend."""
