"""Predicts from videos whether a smile is spontaneous: the command `dfuse-predict`, from a checkout."""

from dfuse_jax.commands.predict import main

if __name__ == "__main__":
    main()
