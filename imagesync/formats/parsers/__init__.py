"""Formats of disks -> the bytes that their headers and tables name. Pure; one module for each format."""
