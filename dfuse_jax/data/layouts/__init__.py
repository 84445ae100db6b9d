"""The layouts in which a data set can lie on disk."""
