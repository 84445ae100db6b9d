"""What all figures share."""

import matplotlib.image
import pytest

from dfuse_jax import plotting


def test_stacked_axes_share_the_horizontal_axis_and_have_their_heights():
    figure, axes = plotting.stacked_axes(2, 4.0, (3, 1))
    axes[0].set_xlim(2, 5)
    assert axes[1].get_xlim() == (2, 5)
    assert tuple(figure.get_size_inches()) == (plotting.WIDTH, 4.0)
    figure.draw_without_rendering()
    assert axes[0].get_position().height / axes[1].get_position().height == pytest.approx(3, rel=0.05)


def test_a_figure_is_whole_or_not_there(tmp_path, monkeypatch):
    figure = plotting.new_figure(2.0)
    plotting.save(tmp_path / "a.png", figure, "costs $5 or $6")
    assert matplotlib.image.imread(tmp_path / "a.png").shape[:2] == (2 * plotting.DPI, 8 * plotting.DPI)

    def fail(file, **options):
        file.write(b"half")
        raise OSError("full disk")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="full disk"):
        plotting.save(tmp_path / "b.png", figure, "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
