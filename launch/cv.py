"""Cross-validates a recipe: the command `dfuse-cv`, from a checkout."""

from dfuse_jax.commands.cv import main

if __name__ == "__main__":
    main()
