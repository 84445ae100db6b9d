"""Tells what a bug report needs: the command `dfuse-info`, from a checkout."""

from dfuse_jax.commands.info import main

if __name__ == "__main__":
    main()
