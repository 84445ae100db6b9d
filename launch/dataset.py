"""Makes a data set of one's own videos: the command `dfuse-dataset`, from a checkout."""

from dfuse_jax.commands.dataset import main

if __name__ == "__main__":
    main()
