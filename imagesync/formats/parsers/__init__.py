"""Formats of disks -> the bytes to which their headers and tables refer. Pure; one module for each format."""
