"""How fast the training step is, beside a plain PyTorch one."""
