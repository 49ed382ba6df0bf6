"""Marks the wheel as one for this platform: it carries the engine as a shared library."""

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel


class Binary(Distribution):
    """A distribution with compiled parts, although setuptools compiles none."""

    def has_ext_modules(self) -> bool:
        return True


class Wheel(bdist_wheel):
    """The library is loaded through ctypes, so that one wheel serves every Python of the platform."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(distclass=Binary, cmdclass={"bdist_wheel": Wheel})
