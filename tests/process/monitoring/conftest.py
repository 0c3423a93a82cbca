"""What the tests of the monitoring run."""

from ...promtool import alertmanager, promtool

__all__ = ["alertmanager", "promtool"]
