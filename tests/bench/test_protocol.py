"""How much a protocol computes, by hand; test_speed.py has the paper's."""

from dfuse_jax.bench.protocol import Protocol


def test_hours_of_a_protocol():
    """32 videos in 2 folds: 16 train, in 1 step of 16; 14 of them make 0, so 1 step too."""
    protocol = Protocol(videos=32, folds=2, runs=3, epochs=10, eval_windows=1, validation_share=0.125)
    assert protocol.fold_steps == 3 * 2 * 10
    assert protocol.hours_published(3.6e6) == 60
    evaluated = 2 * 16 + 2  # both models' test videos, and those that choose the epoch
    assert protocol.hours_all(3.6e6, 1.8e6) == 60 + 60 + 60 * evaluated / 16 / 2
