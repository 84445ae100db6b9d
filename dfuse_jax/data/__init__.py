"""Data sets: labelled smiles as landmarks, from files or synthetic, and the folds that they are split into."""
