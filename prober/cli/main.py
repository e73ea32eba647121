"""What `main.py` and the command `prober` run: a command line, whatever happens on the way."""

import gc
import os
import sys
from argparse import ArgumentParser
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from prober.cli.overview import answer
from prober.cli.refused import Refused
from prober.common.console import settle_console
from prober.common.errors import InputError, on_one_line
from prober.common.interrupts import no_interrupt_lost
from prober.common.other_threads import their_failures_raised
from prober.common.quiet import quiet_lightning
from prober.common.replaced import replaced

if TYPE_CHECKING:
    from prober.cli.prober_cli import ProberCLI


def main() -> None:
    """Runs the command line; bad input ends with one message and exit code 2, Ctrl-C with 130."""
    settle_console()
    # PyTorch then counts NVIDIA's GPUs without starting them, so that they can still be hidden.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    sys.path.insert(0, os.getcwd())  # a person's own CNN in a file of the working directory
    try:
        answer(sys.argv[1:])
        prober_cli = loaded()
        quiet = quiet_lightning(bool(sys.warnoptions))
        others = replaced(ArgumentParser, "error", _refuse_command_line)
        with quiet, no_interrupt_lost(), their_failures_raised(), others:
            cli = prober_cli()
            code = cli.command.run(cli)
            sys.stdout.flush()  # here it can still be said that it fails
    except KeyboardInterrupt:
        sys.exit(130)
    except InputError as error:
        message = str(error)
    except UnicodeEncodeError as error:
        message = (
            f"Names of files are in {error.encoding} here, which lacks a character of "
            f"{error.object!a}: set the environment's PYTHONUTF8 to 1."
        )
    except Refused as error:
        message = error.message
    except OSError as error:
        message = f"{error.strerror or error}" + (f": '{error.filename}'" if error.filename else "")
    else:
        sys.exit(code)
    sys.stderr.write(f"Error: {on_one_line(message)}\n")
    sys.exit(2)


def _refuse_command_line(parser: ArgumentParser, message: str) -> NoReturn:
    """Raises what can be told of a person's own file, in place of ending the program."""
    raise RuntimeError(
        f"it reads the command line, which is not its own ({message}): let it do that below "
        "if __name__ == '__main__' alone"
    )


@cache
def loaded() -> "type[ProberCLI]":
    """Loads ProberCLI, and with it PyTorch and Lightning, which takes seconds.

    Of these, and of those in which Python ends, a quarter went into looking for garbage among
    things that all stay until the end.
    """
    gc.disable()
    try:
        from prober.cli.prober_cli import ProberCLI
    finally:
        gc.enable()
    gc.freeze()
    return ProberCLI
