"""What everything agrees on: the version and three sizes."""

VERSION = "0.2.0"
NUM_LANDMARKS = 478  # Attention Mesh: 468 points of the face mesh and 2 x 5 points of the irises
NUM_DMARKERS = 225  # the paper's handcrafted features: 3 regions x 3 phases x 25 values
CHIP_SIDE = 128  # of an aligned picture of the face, in pixels
