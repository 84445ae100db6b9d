"""What a run is worth: protocols, metrics, tests between systems, the dictionary of results.json. Numbers, no words."""
