"""Builds the four databases as TFDS data sets from the videos that their owners hand out."""
