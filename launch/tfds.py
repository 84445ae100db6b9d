"""tfds' own command line, where TensorFlow is not installed too, and with the builders of dfuse_jax.

python launch/tfds.py build uva_nemo --manual_dir DIR --data_dir DATA
"""

import dataclasses
import sys
import types

from dfuse_jax.data.records import require
from dfuse_jax.errors import UserError


def main():
    """Runs tfds; a UserError is one line, as in the other scripts."""
    try:
        require()
        from tensorflow_datasets.scripts.cli import cli_utils

        @dataclasses.dataclass(frozen=True, kw_only=True)
        class Args(cli_utils.Args):
            """Needs TensorFlow."""

            def execute(self):
                raise UserError("convert_format needs TensorFlow.")

        try:
            import tensorflow  # noqa: F401
        except ImportError:  # tfds' command line imports this command, which needs it, even when it runs another
            sys.modules["tensorflow_datasets.scripts.cli.convert_format"] = types.SimpleNamespace(Args=Args)
        from tensorflow_datasets.scripts.cli.main import launch_cli

        import dfuse_jax.data.builders  # noqa: F401

        launch_cli()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: what is finished is kept; the same command goes on from there.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
