"""Serves the live page: the command `dfuse-serve`, from a checkout."""

from dfuse_jax.commands.serve import main

if __name__ == "__main__":
    main()
