"""Measures the live page: the command `dfuse-benchmark-live`, from a checkout."""

from dfuse_jax.commands.benchmark_live import main

if __name__ == "__main__":
    main()
