"""The live page, which shows a webcam's face, signals and phases, and a verdict when a smile has ended; and its API."""
