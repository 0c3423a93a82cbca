"""What the tests of the rules run."""

from ...promtool import promtool

__all__ = ["promtool"]
