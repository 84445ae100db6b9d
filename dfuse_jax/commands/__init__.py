"""What runs from a shell: `dfuse-cv` and its kin, which the scripts of launch/ call too.

A module a command. Its `main` defines the flags, so that importing it defines none, and `--help` prints its docstring.
What a command needs is imported when it runs: `--help` waits for nothing.
"""
