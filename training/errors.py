"""The errors of napari-colorize: one family, each also a builtin, each a sentence for the person who made the mistake.

::

    ColorizeError
    ├── InputFileError     OSError          a file that cannot be read
    ├── PlaneError         ValueError       an array that is no gray plane
    ├── ModelFileError     ValueError       a model that cannot be loaded
    ├── MapFileError       ValueError       a file that is no colour map of ours
    ├── SettingsError      ValueError       options or settings that make no sense
    ├── TrainingError      RuntimeError     a training that cannot go on
    ├── OutputExistsError  FileExistsError  a result that would overwrite something
    └── OutputError        OSError          a result that cannot be written
"""


class ColorizeError(Exception):
    """Base of all errors that this project raises on purpose."""


class InputFileError(ColorizeError, OSError):
    """A file is missing, empty, truncated, of an unknown format or not to be trusted."""


class PlaneError(ColorizeError, ValueError):
    """An array is not one gray plane (Y, X)."""


class ModelFileError(ColorizeError, ValueError):
    """A model is unknown, damaged or of another architecture."""


class MapFileError(ColorizeError, ValueError):
    """A file or a store does not hold a colour map."""


class SettingsError(ColorizeError, ValueError):
    """Options or settings contradict each other or lie outside their range."""


class TrainingError(ColorizeError, RuntimeError):
    """A training cannot start or cannot go on."""


class OutputExistsError(ColorizeError, FileExistsError):
    """A result exists already and overwriting was not asked for."""


class OutputError(ColorizeError, OSError):
    """A result cannot be written: no space, no permission, a file where a folder should be."""
