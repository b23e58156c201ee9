"""Catalog and inventory -> plan. Pure: no clock, no network, no backend."""
