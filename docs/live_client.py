"""Prints the smiles of a video: python live_client.py smile.mp4 [http://localhost:8000 [TOKEN]]."""

import json
import sys
import time
import urllib.request


def ask(url, token="", data=None):
    """Returns the answer to a request, JSON."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        return json.load(answer)


def analyse(path, server="http://localhost:8000", token=""):
    """Returns the smiles of a video, a dict each, however long it takes."""
    with open(path, "rb") as video:
        job = ask(f"{server}/v1/analyse?wait=0", token, video.read())
    while job["status"] in ("queued", "running"):
        print(f"{job['frames']} of {job['promised'] or '?'} frames", file=sys.stderr)
        time.sleep(1)
        job = ask(f"{server}/v1/jobs/{job['id']}", token)
    if job["status"] == "failed":
        raise SystemExit(job["reason"])
    return job["smiles"]


if __name__ == "__main__":
    for smile in analyse(*sys.argv[1:]):
        print(f"{smile['start_s']:.2f} to {smile['end_s']:.2f} s: probability {smile['probability']}")
