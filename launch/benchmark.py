"""Compares fusions: the command `dfuse-benchmark`, from a checkout."""

from dfuse_jax.commands.benchmark import main

if __name__ == "__main__":
    main()
