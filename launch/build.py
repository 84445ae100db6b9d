"""Builds a database from its videos by TFDS: the command `dfuse-build`, from a checkout."""

from dfuse_jax.commands.build import main

if __name__ == "__main__":
    main()
