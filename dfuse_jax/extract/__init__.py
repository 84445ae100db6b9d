"""Videos to landmarks: reading, finding the face, filling gaps, on all cores or a cluster."""
