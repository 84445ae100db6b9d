"""Reports in words, tables and pictures: of one run, and of a comparison."""
