"""Systems: what `config.system` names."""
