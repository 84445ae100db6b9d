"""Turns videos into landmarks: the command `dfuse-extract`, from a checkout."""

from dfuse_jax.commands.extract import main

if __name__ == "__main__":
    main()
