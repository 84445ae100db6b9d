"""The public face of the D-Markers: what it loads, what it names, what it refuses."""

import subprocess
import sys

import pytest
from smiles import smile

import dfuse_jax
from dfuse_jax import dmarkers


def test_importing_loads_nothing_heavier_than_jax():
    program = (
        "import sys, dfuse_jax.dmarkers\n"
        "heavy = {'matplotlib', 'pandas', 'sklearn', 'flax', 'optax', 'cv2', 'mediapipe', 'jaxtyping'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'jax' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("plot", "matplotlib", "matplotlib"), ("to_frame", "pandas", "pandas"), ("DMarkers", "sklearn", "scikit-learn")],
)
def test_a_missing_package_is_named(name, module, package, monkeypatch):
    for loaded in [m for m in sys.modules if m.split(".")[0] == module or m == "dfuse_jax.plotting"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.delattr(dfuse_jax, "plotting", raising=False)
    for own in ("plot", "frame", "transformer"):
        monkeypatch.delitem(sys.modules, f"dfuse_jax.dmarkers.extras.{own}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install {package}"):
        getattr(dmarkers, name)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        dmarkers.nothing_like_it  # noqa: B018
    calls = [
        lambda **options: dmarkers.compute(smile([1, 2]), 25.0, **options),
        lambda **options: dmarkers.signals(smile([1, 2]), **options),
        lambda **options: dmarkers.compute_batch([smile([1, 2])], 25.0, **options),
        lambda **options: dmarkers.plot("smile.png", smile([1, 2]), 25.0, **options),
        lambda **options: dmarkers.DMarkers(**options).fit_transform([smile([1, 2])]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="unknown definition 'book'; known: paper, robust, authors"):
            call(definition="book")
        with pytest.raises(ValueError, match="unknown smoothing '3R'"):
            call(smoothing="3R")
    with pytest.raises(ValueError, match="unknown definition 'book'"):
        dmarkers.phases([1.0, 2.0], definition="book")


def test_every_public_name_is_listed_and_can_be_used():
    assert set(dmarkers.__all__) <= set(dir(dmarkers))
    for name in dmarkers.__all__:
        assert getattr(dmarkers, name) is not None


def test_no_module_hides_behind_a_public_name():
    assert not {f"dfuse_jax.dmarkers.{name}" for name in dmarkers.__all__} & set(sys.modules)
