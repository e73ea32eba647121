"""What `main.py` and the command `prober` run: a command line, whatever happens on the way."""

import os
import sys

from prober.cli.overview import answer
from prober.cli.refused import Refused
from prober.common.console import forgive_code_pages
from prober.common.errors import InputError, on_one_line
from prober.common.quiet import quiet_lightning


def main() -> None:
    """Runs the command line; bad input ends with one message and exit code 2, Ctrl-C with 130."""
    forgive_code_pages()
    sys.path.insert(0, os.getcwd())  # a person's own CNN in a file of the working directory
    try:
        answer(sys.argv[1:])
        from prober.cli.prober_cli import ProberCLI  # loads PyTorch and Lightning: seconds

        with quiet_lightning(bool(sys.warnoptions)):
            cli = ProberCLI()
            code = cli.command.run(cli)
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
