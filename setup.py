"""What pyproject.toml cannot say: each folder with an `__init__.py` is a package of `litho`, which lies here."""

from setuptools import find_packages, setup

# setuptools keeps the script of this name out of the package in the same folder.
setup(script_name="setup.py", packages=["litho", *(f"litho.{name}" for name in find_packages())])
