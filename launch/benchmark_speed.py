"""Times the paper's recipe on this machine: the command `dfuse-benchmark-speed`, from a checkout."""

from dfuse_jax.commands.benchmark_speed import main

if __name__ == "__main__":
    main()
