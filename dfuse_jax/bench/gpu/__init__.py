"""The recipe compiled for a GPU that is only described: its memory, its traffic and its launches, but no times."""
