"""Finds the smiles in recordings: the command `dfuse-analyse`, from a checkout."""

from dfuse_jax.commands.analyse import main

if __name__ == "__main__":
    main()
