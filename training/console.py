"""What the command lines share: sentences instead of tracebacks, and exit codes."""

import io
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from rich.console import Console

from training.errors import ColorizeError

DONE = 0
SOME_FAILED = 1
WRONG_USE = 2  # nothing was done
INTERRUPTED = 130

# log and progress; results alone go to stdout
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def run(app: App, tokens: Sequence[str] | None = None) -> int:
    """Run a command line and give its exit code.

    Errors of ours are printed as their sentence and give 2; with ``--debug`` anywhere, the traceback follows.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # file names are bytes, and come out as they went in
    tokens = list(sys.argv[1:] if tokens is None else tokens)
    debug = "--debug" in tokens
    try:
        return (
            app(
                [token for token in tokens if token != "--debug"],
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            )
            or DONE
        )
    except ColorizeError as error:
        complain(error)
        if debug:
            raise
        return WRONG_USE
    except CycloptsError as error:
        stderr.print(f"{error} (--help shows how it is used)", markup=False, style="red")
        return WRONG_USE
    except ModuleNotFoundError as error:
        if debug:
            raise
        package = f"the package {error.name}, which is not installed"
        stderr.print(f"this needs {package}: pip install 'napari-colorize[all]' brings all that there is", markup=False)
        return WRONG_USE
    except KeyboardInterrupt:
        stderr.print("interrupted")
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        stderr.print(f"unexpected {type(error).__name__}: {error} (--debug shows where)", markup=False, style="red")
        return WRONG_USE


def complain(error: Exception, before: str = "") -> None:
    """Print the sentence of an error."""
    stderr.print(f"{before}{error}", markup=False, style="red")


def usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
