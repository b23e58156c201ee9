"""What ``import imagesync`` offers."""

import importlib
import inspect
import subprocess
import sys

import imagesync


def test_every_exported_name_is_what_it_says_even_after_all_modules_are_loaded() -> None:
    """No module of the package hides a function of the same name."""
    for name in imagesync.__all__:
        importlib.import_module("imagesync.cli.commands")
        assert not inspect.ismodule(getattr(imagesync, name)), name


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Names load on first use."""
    heavy = "[name for name in ('requests', 'keystoneauth1', 'openstack', 'jsonschema', 'deepdiff', 'yaml') if name in sys.modules]"
    code = f"import sys, imagesync; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
