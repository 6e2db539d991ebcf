"""What can be wrong with a course."""

from sandlot.learners.errors import ConfigError


class CourseError(ConfigError):
    """A course file, or the lap that a course was to be made of, cannot be used; says where and why."""
