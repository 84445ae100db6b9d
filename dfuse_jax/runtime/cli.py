"""What the scripts in launch/ share: one-line errors, `--debug` for where they came from, exit codes, processes."""

import contextlib
import os
import signal
import sys
import traceback

from absl import app, flags, logging

from dfuse_jax.runtime import compilation
from dfuse_jax.runtime.errors import UserError

flags.disclaim_key_flags()
# Named as the script's own flag, so that --help lists it.
_DEBUG = flags.DEFINE_bool("debug", False, "Show where an error came from.", module_name=sys.argv[0])


def run(main, *, processes: bool = False) -> None:
    """Runs `main(argv)` as an absl app, then exits: 0, or 2 with one `error: ...` line for a UserError or a bad flag.

    An interrupted script exits with 130 and says so in one line. `--debug` adds the traceback. What XLA compiles is
    kept for the next start.

    Args:
        main: the script.
        processes: whether several processes may run it together; this defines the flags that say so.
    """
    compilation.keep()
    together = _define_processes() if processes else contextlib.nullcontext

    def guarded(argv):
        if not _DEBUG.value:
            logging.set_verbosity(logging.WARNING)  # Orbax and JAX tell of every step
        # JAX drops a KeyboardInterrupt that is raised within a callback of its own. Ending at once loses nothing: files
        # are written whole or not at all, and training handles the signal itself.
        signal.signal(signal.SIGINT, lambda *_: _interrupted(os._exit))
        try:
            with together():
                return main(argv)
        except UserError as error:
            _fail(error, debug=_DEBUG.value)
        except KeyboardInterrupt:
            _interrupted()

    app.run(guarded, flags_parser=_parse)


def say(line: str) -> None:
    """Prints a line; of several processes the first does."""
    from dfuse_jax.runtime import messages

    messages.say(line)


def _define_processes():
    """Defines the flags of many processes; returns what joins them."""
    script = sys.argv[0]
    where = flags.DEFINE_string(
        "coordinator",
        None,
        "HOST:PORT of process 0, where several processes train together. Start the same command once for each, with "
        "its --process_id. Not needed under SLURM, nor for the devices of one machine, which one process uses all.",
        module_name=script,
    )
    number = flags.DEFINE_integer("process_id", None, "The number of this process, from 0.", module_name=script)
    total = flags.DEFINE_integer("num_processes", None, "How many processes there are.", module_name=script)

    def together():
        from dfuse_jax.runtime import connect

        return connect.joined(where.value, number.value, total.value)

    return together


def define_config(default: str, help_string: str = "The configuration; --config.a.b=value sets a field of it."):
    """Defines `--config` (ml_collections), the file `default` unless given; a bad field ends the script like run's."""
    from ml_collections import config_flags

    try:
        return config_flags.DEFINE_config_file("config", default, help_string)
    except Exception as error:  # it reads sys.argv here already and raises errors of many kinds
        unknown = "no such field: " if isinstance(error, AttributeError) else ""
        _fail(f"--config: {unknown}{_line(error)}", debug="--debug" in sys.argv)


def _parse(argv):
    try:
        rest = flags.FLAGS(argv)
        for name in flags.FLAGS:  # a config file that cannot be read raises only when its value is used
            getattr(flags.FLAGS[name].value, "use", None)
        return rest
    except SystemExit:  # --help and its kin, which absl ends with 1
        sys.exit(0)
    except KeyboardInterrupt:
        _interrupted()
    except Exception as error:  # config flags raise errors of many kinds for a bad field, value or file
        _fail(f"{_line(error).rstrip('.?')}. --help lists the flags.", debug="--debug" in argv)


def _line(error):
    while error.args and isinstance(error.args[0], Exception):  # ml_collections: AttributeError(KeyError(message))
        error = error.args[0]
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join(str(text).split())


def _fail(message, debug):
    if debug:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def _interrupted(leave=sys.exit):
    print("interrupted: what is finished is kept; the same command goes on from there.", file=sys.stderr)
    sys.stderr.flush()
    if leave is os._exit and (messages := sys.modules.get("dfuse_jax.runtime.messages")):
        messages.fail("it was interrupted")
    leave(130)
