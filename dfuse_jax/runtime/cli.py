"""What all commands share: one-line errors, `--debug` for where they came from, exit codes, processes.

Beneath the commands, nowhere else in the library is there a word of flags, fields of a config or commands.
"""

import contextlib
import errno
import itertools
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from absl import app, flags, logging

from dfuse_jax.constants import VERSION
from dfuse_jax.runtime import compilation, recipes
from dfuse_jax.runtime.errors import UserError

__all__ = [
    "REMEDIES",
    "UserError",
    "define_chips",
    "define_config",
    "define_fps",
    "define_pixel_aspect",
    "define_tensorboard",
    "define_workers",
    "run",
]

REMEDIES = {
    "background": "--background FOLDER names other videos to compare with.",
    "benchmark": "dfuse-benchmark runs it.",
    "chips": "dfuse-extract, dfuse-dataset and dfuse-build make them of the videos with --chips.",
    "crossdb": "dfuse-crossdb runs it.",
    "cv": "dfuse-cv runs it.",
    "database": "dfuse-build NAME builds it; --config.data.dir=DIR names its folder.",
    "drop_known": "--drop_known leaves them out.",
    "finished_run": "A run's folder is the --workdir of a finished dfuse-cv.",
    "folder": "dfuse-dataset videos.csv --out DIR makes such a folder; --config.data.dir=DIR names it.",
    "folds": "Set --config.cv.folds.",
    "model_file": "dfuse-predict --export=model.npz RUN makes such files.",
    "new_run": "dfuse-cv does it, with another --workdir.",
    "ray": "`ray start --head` starts one; --ray is its address.",
    "replicas_per_pass": "Set --config.train.replicas_per_pass to less, with another --workdir.",
    "samples": "dfuse-extract VIDEO... --out DIR makes such files.",
    "shared_workdir": "The folder is --workdir.",
    "sweep": "dfuse-sweep runs it.",
    "train_again": "The same dfuse-cv command, with the same --workdir, does it.",
    "workdir": "Give another --workdir.",
}
"""What the command line adds to a UserError: its `remedy` -> a sentence that names the flag or command."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)  # wherever a file is written

_HELP = ("--help", "-help", "--helpshort", "-helpshort", "--helpfull", "-helpfull", "-?")
_VERSION = ("--version", "-version")

flags.disclaim_key_flags()
# Named as the command's own flags, so that --help lists them.
_DEBUG = flags.DEFINE_bool("debug", False, "Show where an error came from.", module_name=sys.argv[0])
flags.DEFINE_bool("version", False, "Print the version and exit.", module_name=sys.argv[0])


def run(main: Callable[[list[str]], None], *, processes: bool = False) -> None:
    """Runs `main(argv)` as an absl app, then exits: 0, or 2 with one `error: ...` line for a UserError or a bad flag.

    An interrupted command exits with 130 and says so in one line. `--debug` adds the traceback, `--help` prints the
    docstring of the module that defines `main`, and its flags. What XLA compiles is kept for the next start.

    Args:
        main: the command.
        processes: whether several processes may run it together; this defines the flags that say so.
    """
    _require_platform()
    compilation.keep()
    joined = _define_process_flags() if processes else contextlib.nullcontext
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__
    for flag in flags.FLAGS.get_key_flags_for_module(main.__module__):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    app.run(lambda argv: _guarded(main, argv, joined), flags_parser=_parse)


def define_pixel_aspect() -> flags.FlagHolder:
    """Defines --pixel_aspect."""
    return flags.DEFINE_string(
        "pixel_aspect",
        None,
        "Width / height of a pixel, such as 16:15 for PAL, where the videos do not say, or wrongly.",
    )


def define_fps() -> flags.FlagHolder:
    """Defines --fps."""
    return flags.DEFINE_float("fps", None, "Frames per second, where the videos do not say, or wrongly.", lower_bound=1)


def define_workers() -> flags.FlagHolder:
    """Defines --workers."""
    return flags.DEFINE_integer("workers", None, "Videos at a time; one per core unless given.", lower_bound=1)


def define_chips() -> flags.FlagHolder:
    """Defines --chips."""
    return flags.DEFINE_bool(
        "chips", False, "Store aligned 128x128 pictures of the face too, for systems that see pixels."
    )


def define_workdir() -> flags.FlagHolder:
    """Defines --workdir."""
    return flags.DEFINE_string(
        "workdir",
        None,
        "Folder of the results; the same command on the same folder goes on where it stopped. Default: one of its own "
        "for every config, under results/.",
    )


def define_tensorboard() -> flags.FlagHolder:
    """Defines --tensorboard: True, False, or None where nobody says."""
    return flags.DEFINE_bool(
        "tensorboard",
        None,
        "Write loss and accuracy of every epoch for TensorBoard. Default: where tensorboardX is installed.",
    )


def define_config(default: str) -> flags.FlagHolder:
    """Defines `--config` (ml_collections), which names a recipe; a bad field ends the command as in `run`."""
    _require_platform()
    from ml_collections import config_flags

    text = f"The recipe, by name or file; --config.a.b=value sets a field of it. By name: {', '.join(recipes.names())}."
    holder = config_flags.DEFINE_config_file("config", help_string=text)
    flags.FLAGS["config"].parser = _RecipeParser(flags.FLAGS["config"].parser)
    if _first(sys.argv, _HELP + _VERSION):  # to read a recipe takes seconds
        flags.FLAGS["config"].default_as_str = repr(default)
        return holder
    try:
        flags.FLAGS.set_default("config", default)
    except Exception as error:  # it reads the fields in sys.argv here already and raises errors of many kinds
        unknown = "no such field: " if isinstance(error, AttributeError) else ""
        known = _known_fields(sys.argv, default)
        _fail(f"--config: {unknown}{_one_line(error)}{known}", debug="--debug" in sys.argv)
    return holder


class _RecipeParser(flags.ArgumentParser):
    """Reads a recipe that is given by its name or file."""

    def __init__(self, parser: flags.ArgumentParser):
        self._parser = parser

    def parse(self, argument: str) -> Any:
        """Returns the config."""
        return self._parser.parse(recipes.resolve(argument))

    def flag_type(self) -> str:
        """Returns what --help calls the value."""
        return "a recipe"


def _require_platform() -> None:
    """Ends the command on Windows, which has neither the file locks nor the signals that are used here."""
    if sys.platform == "win32":
        _fail("dfuse_jax runs on Linux and macOS. On Windows, use the Windows Subsystem for Linux (WSL).", debug=False)


def _first(argv: list[str], names: tuple[str, ...]) -> str | None:
    """Returns the first of these flags on the command line; after "--" come none."""
    ours = itertools.takewhile(lambda argument: argument != "--", argv[1:])
    return next((argument for argument in ours if argument in names), None)


def _guarded(main: Callable, argv: list[str], joined: Callable):
    """Runs the command among the other processes, if there are any, and turns what it raises into an exit code."""
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
    if _first(argv, _VERSION):
        print(f"dfuse_jax {VERSION}")
        sys.exit(0)
    if help_flag := _first(argv, _HELP):  # whatever else is there
        argv = [argv[0], help_flag]
    try:
        rest = flags.FLAGS(argv)
        for name in flags.FLAGS:  # a config file that cannot be read raises only when its value is used
            getattr(flags.FLAGS[name].value, "use", None)
        return rest
    except SystemExit:  # --help and its kin, which absl ends with 1
        sys.exit(0)
    except KeyboardInterrupt:
        _interrupted(sys.exit)
    except UserError as error:  # no such recipe, or one that refuses its argument
        _fail(str(error), debug="--debug" in argv)
    except Exception as error:  # config flags raise errors of many kinds for a bad field, value or file
        known = _known_fields(argv, "")
        _fail(f"{_one_line(error).rstrip('.?')}.{known} --help lists the flags.", debug="--debug" in argv)


def _known_fields(argv: list[str], recipe: str) -> str:
    """Returns which fields there are where the first flag sets one that is not; nothing if all are there.

    Args:
        argv: the command line.
        recipe: that is meant where it names none.
    """
    names = [after for flag, after in itertools.pairwise(argv) if flag in ("--config", "-config")]
    names += [argument.partition("=")[2] for argument in argv if re.match("--?config=", argument)]
    try:
        config: Any = flags.FLAGS["config"].parser.parse(names[-1] if names else recipe)
        for argument in argv[1:]:
            section, known = config, "config"
            match = re.match(r"--?config\.([\w.]+)", argument)
            for name in match[1].split(".") if match else ():
                if name not in section:
                    return f" {known} has the fields {', '.join(section)}."
                section, known = section[name], f"{known}.{name}"
    except Exception:  # there is no such recipe, or a flag goes on behind a number: absl's own message says more
        return ""
    return ""


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
