"""The full-size model in plain PyTorch: the optional baseline of the speed benchmark."""
