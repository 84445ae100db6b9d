"""Reports in words, tables and figures: of one run, and of a comparison of several."""
