"""What all scripts share: one-line errors, `--debug` for where they came from, exit codes, processes.

Nowhere else in the library is there a word of flags, fields of a config or scripts.
"""

import contextlib
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags, logging

from dfuse_jax.runtime import compilation
from dfuse_jax.runtime.errors import UserError

__all__ = ["REMEDIES", "UserError", "define_config", "run"]

REMEDIES = {
    "benchmark": "launch/benchmark.py runs it.",
    "database": "python launch/build.py NAME builds it; --config.data.dir=DIR names its folder.",
    "finished_run": "Give --checkpoint the --workdir of a finished launch/cv.py.",
    "folder": "python launch/dataset.py videos.csv --out DIR makes such a folder; --config.data.dir=DIR names it.",
    "folds": "Set --config.cv.folds.",
    "new_run": "launch/cv.py does it, with another --workdir.",
    "ray": "`ray start --head` starts one; --ray is its address.",
    "replicas_per_pass": "Set --config.train.replicas_per_pass to less, with another --workdir.",
    "samples": "python launch/extract.py VIDEO... --out DIR makes such files.",
    "shared_workdir": "The folder is --workdir.",
    "train_again": "The same launch/cv.py command, with the same --workdir, does it.",
    "workdir": "Give another --workdir.",
}
"""What the command line adds to a UserError: its `remedy` -> a sentence that names the flag or script."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)  # wherever a file is written

flags.disclaim_key_flags()
# Named as the script's own flag, so that --help lists it.
_DEBUG = flags.DEFINE_bool("debug", False, "Show where an error came from.", module_name=sys.argv[0])


def run(main: Callable, *, processes: bool = False) -> None:
    """Runs `main(argv)` as an absl app, then exits: 0, or 2 with one `error: ...` line for a UserError or a bad flag.

    An interrupted script exits with 130 and says so in one line. `--debug` adds the traceback. What XLA compiles is
    kept for the next start.

    Args:
        main: the script.
        processes: whether several processes may run it together; this defines the flags that say so.
    """
    compilation.keep()
    joined = _define_process_flags() if processes else contextlib.nullcontext
    app.run(lambda argv: _guarded(main, argv, joined), flags_parser=_parse)


def define_config(default: str, help_string: str = "The configuration; --config.a.b=value sets a field of it."):
    """Defines `--config` (ml_collections), the file `default` unless given; a bad field ends the script like run's."""
    from ml_collections import config_flags

    try:
        return config_flags.DEFINE_config_file("config", default, help_string)
    except Exception as error:  # it reads sys.argv here already and raises errors of many kinds
        unknown = "no such field: " if isinstance(error, AttributeError) else ""
        _fail(f"--config: {unknown}{_one_line(error)}", debug="--debug" in sys.argv)


def _guarded(main: Callable, argv: list[str], joined: Callable):
    """Runs the script among the other processes, if there are any, and turns what it raises into an exit code."""
    if not _DEBUG.value:
        logging.set_verbosity(logging.WARNING)  # Orbax and JAX tell of every step
    # JAX drops a KeyboardInterrupt that is raised within a callback of its own. Ending at once loses nothing: files are
    # written whole or not at all, and training handles the signal itself.
    signal.signal(signal.SIGINT, lambda *_: _interrupted(os._exit))
    try:
        with joined():
            return main(argv)
    except UserError as error:
        remedy = f" {REMEDIES[error.remedy]}" if error.remedy else ""
        _fail(f"{error}{remedy}", debug=_DEBUG.value)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        where = error.filename or "a file"
        rest = "What is finished is kept; the same command goes on from there."
        _fail(f"{where}: cannot be written ({error.strerror}). {rest}", debug=_DEBUG.value)
    except KeyboardInterrupt:
        _interrupted(sys.exit)


def _define_process_flags() -> Callable:
    """Defines the flags of several processes; returns what joins them."""
    script = sys.argv[0]
    coordinator = flags.DEFINE_string(
        "coordinator",
        None,
        "HOST:PORT of process 0, where several processes train together. Start the same command once for each, with "
        "its --process_id. Not needed under SLURM, nor for the devices of one machine, which one process uses all.",
        module_name=script,
    )
    process_id = flags.DEFINE_integer("process_id", None, "The number of this process, from 0.", module_name=script)
    num_processes = flags.DEFINE_integer("num_processes", None, "How many processes there are.", module_name=script)

    def joined():
        from dfuse_jax.runtime import connect  # only now: --help need not wait for JAX

        return connect.joined(coordinator.value, process_id.value, num_processes.value)

    return joined


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
        for name in flags.FLAGS:  # a config file that cannot be read raises only when its value is used
            getattr(flags.FLAGS[name].value, "use", None)
        return rest
    except SystemExit:  # --help and its kin, which absl ends with 1
        sys.exit(0)
    except KeyboardInterrupt:
        _interrupted(sys.exit)
    except Exception as error:  # config flags raise errors of many kinds for a bad field, value or file
        _fail(f"{_one_line(error).rstrip('.?')}. --help lists the flags.", debug="--debug" in argv)


def _one_line(error: BaseException) -> str:
    while error.args and isinstance(error.args[0], Exception):  # ml_collections: AttributeError(KeyError(message))
        error = error.args[0]
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return " ".join(str(text).split())


def _fail(message: str, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def _interrupted(leave: Callable[[int], NoReturn]) -> NoReturn:
    print("interrupted: what is finished is kept; the same command goes on from there.", file=sys.stderr)
    sys.stderr.flush()
    if leave is os._exit and (messages := sys.modules.get("dfuse_jax.runtime.messages")):
        messages.fail("it was interrupted")
    leave(130)
