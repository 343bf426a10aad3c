"""Exceptions that drpl raises on purpose.

A message names the file or argument, what was found, what was expected and what to do.
"""

from __future__ import annotations


class DrplError(Exception):
    """Base class of all; ``exit_code`` is the exit code of the command line."""

    exit_code = 1


class ReadError(DrplError):
    """A file cannot be read."""

    exit_code = 3


class StackError(DrplError):
    """The frames do not make a stack."""

    exit_code = 4


class AlignmentError(DrplError):
    """Frames cannot be aligned."""

    exit_code = 5


class ModelError(DrplError):
    """A method is unknown, or a model is unknown or damaged."""

    exit_code = 6


class BackendUnavailable(DrplError):
    """An optional library is missing."""

    exit_code = 7


class WriteError(DrplError):
    """A file cannot be written."""

    exit_code = 8


class ConfigError(DrplError):
    """An option has a wrong value."""

    exit_code = 9


class BatchError(DrplError):
    """Some stacks of a batch failed; the others were completed."""

    exit_code = 10


class MetricError(DrplError, ValueError):
    """Images cannot be compared by a metric."""

    exit_code = 11
