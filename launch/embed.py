"""Draws the embeddings of finished runs: the command `dfuse-embed`, from a checkout."""

from dfuse_jax.commands.embed import main

if __name__ == "__main__":
    main()
