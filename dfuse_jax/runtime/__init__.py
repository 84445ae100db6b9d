"""What everything else stands on: errors, files, the command line, compilation, processes that work together."""
