"""What needs more than JAX: tables (pandas), figures (matplotlib), a transformer (scikit-learn), and the glossary."""
