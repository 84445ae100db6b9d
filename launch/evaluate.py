"""Evaluates a finished run on new videos: the command `dfuse-evaluate`, from a checkout."""

from dfuse_jax.commands.evaluate import main

if __name__ == "__main__":
    main()
