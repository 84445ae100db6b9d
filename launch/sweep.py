"""Tries many settings at once: the command `dfuse-sweep`, from a checkout."""

from dfuse_jax.commands.sweep import main

if __name__ == "__main__":
    main()
