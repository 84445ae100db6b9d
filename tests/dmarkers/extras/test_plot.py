"""The figure of signals, phases and head pose."""

import matplotlib.image
import numpy as np
import pytest
from smiles import smile

from dfuse_jax import dmarkers, plotting


@pytest.mark.parametrize("lip", [[1, 1.1, 1.4, 1.4, 1.5, 1.4, 1.2], [1.0], [1] * 7])
def test_plot_draws_every_sequence(tmp_path, lip):
    path = tmp_path / "smile.png"
    dmarkers.plot(path, smile(lip), 25.0, title="a $mile")
    image = matplotlib.image.imread(path)
    assert min(image.shape[:2]) > 500
    assert image[..., :3].std() > 0.05
    with pytest.raises(ValueError, match="frame rate"):
        dmarkers.plot(path, smile(lip), 0.0)


def near(image: np.ndarray, colour: str) -> int:
    """Number of pixels of a colour at a quarter of its strength on white."""
    rgb = 1 - 0.25 * (1 - np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255)
    return int((np.abs(image[..., :3] - rgb).max(axis=-1) < 0.02).sum())


def test_plot_shades_the_phases_that_there_are(tmp_path):
    rise, hold, fall = np.linspace(1, 1.4, 40), np.full(20, 1.4), np.linspace(1.4, 1, 40)
    pixels = {}
    for name, lip in {
        "all": [*rise, *hold, *fall],
        "none": np.ones(100),
        "no apex": [*rise, *fall[1:], *np.ones(21)],
    }.items():
        dmarkers.plot(tmp_path / f"{name}.png", smile(lip), 25.0, definition="paper")
        image = matplotlib.image.imread(tmp_path / f"{name}.png")
        pixels[name] = [near(image, colour) for colour in plotting.PHASES.values()]
    onset, apex, offset = pixels["all"]
    assert onset > 1000
    assert onset == pytest.approx(2 * apex, rel=0.15)  # 40 frames to 20
    assert onset == pytest.approx(offset, rel=0.15)
    assert pixels["none"] == [0, 0, 0]
    assert pixels["no apex"][1] == 0


def test_plot_shades_the_robust_phases_unless_told_otherwise(tmp_path):
    rise, hold = np.linspace(1, 1.4, 41), np.full(19, 1.4)
    dmarkers.plot(tmp_path / "robust.png", smile([*rise, *hold, *rise[::-1]]), 25.0)
    image = matplotlib.image.imread(tmp_path / "robust.png")
    onset, apex, offset = (near(image, colour) for colour in plotting.PHASES.values())
    assert onset == pytest.approx(offset, rel=0.15)
    assert apex == pytest.approx(onset * 36 / 24, rel=0.15)  # 20 to 80% of 40 frames; 20 frames and 8 on either side


def test_the_published_definition_has_no_head_pose_to_draw(tmp_path, monkeypatch):
    panels = {}

    def record(path, figure, title):
        panels[path] = [axis.get_ylabel() for axis in figure.axes]

    monkeypatch.setattr(plotting, "save", record)
    for definition in ("paper", "authors"):
        dmarkers.plot(definition, smile([1, 1.1, 1.4, 1.4, 1.5, 1.4, 1.2]), 25.0, definition=definition)
    regions = [f"{region}\n(ratio of distances)" for region in dmarkers.REGIONS]
    assert panels == {"paper": [*regions, "head pose [degrees]"], "authors": regions}
