"""Trains on one database and tests on the others: the command `dfuse-crossdb`, from a checkout."""

from dfuse_jax.commands.crossdb import main

if __name__ == "__main__":
    main()
