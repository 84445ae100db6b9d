"""The systems of the paper's Table 5 that can be run, and what a reader must know of each."""

from typing import NamedTuple


class Row(NamedTuple):
    """A system of the comparison, whose recipe has the same name.

    Attributes:
        title: what readers know it by.
        input: what it needs of each video: "landmarks" or "pixels".
        provenance: "code" if it is equal to the published code, "text" if it is built from the paper's text, "ours" if
            that leaves most open.
    """

    title: str
    input: str
    provenance: str


ROWS = {
    "cohn04": Row("Cohn and Schmidt 2004", "landmarks", "ours"),
    "dibeklioglu10": Row("Dibeklioglu et al. 2010", "landmarks", "ours"),
    "pfister11": Row("Pfister et al. 2011", "pixels", "ours"),
    "wu14": Row("Wu et al. 2014", "pixels", "ours"),
    "dibeklioglu15": Row("Dibeklioglu et al. 2015", "landmarks", "text"),
    "wu17": Row("Wu et al. 2017", "pixels", "ours"),
    "mandal17": Row("Mandal and Ouarti 2017", "pixels", "ours"),
    "mandal16": Row("Mandal et al. 2016", "pixels", "ours"),
    "realsmilenet": Row("RealSmileNet (Yang et al. 2020)", "pixels", "code"),
    "pstnet": Row("PSTNet (Fan et al. 2021)", "landmarks", "code"),
    "p4transformer": Row("P4Transformer (Fan et al. 2021)", "landmarks", "code"),
    "landmark_vit": Row("Vision transformer on landmarks", "landmarks", "ours"),
    "frame_vit": Row("Vision transformer on pictures", "pixels", "ours"),
    "meshsmilenet": Row("MeshSmileNet, the encoder alone", "landmarks", "code"),
    "deepmarkernet": Row("DeepMarkerNet", "landmarks", "code"),
    "hadamard": Row("D-FuseSmileNet, Hadamard fusion", "landmarks", "text"),
}
"""By the recipe's name, in the order of the paper's table. A system is added by a row here and a recipe."""
