"""Build entry for colcon, which cannot read `requires-python` from pyproject.toml as a specifier."""

from setuptools import setup

dist = setup()
dist.python_requires = dist.metadata.python_requires = str(dist.python_requires)
