"""D-FuseSmileNet in JAX: spontaneous and posed smiles told apart, all folds at once."""

__version__ = "0.1.0"
