"""Bundled synthetic data: labelled smile sequences that need no database, for demos, tests and controls."""

from dfuse_jax.data.synthetic.conversation import Conversation, converse
from dfuse_jax.data.synthetic.smiles import TRAITS, generate

__all__ = ["TRAITS", "Conversation", "converse", "generate"]
