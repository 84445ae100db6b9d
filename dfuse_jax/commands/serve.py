"""Serves a page that watches a smile: webcam, mesh, signals, phases, and a verdict when a smile has ended.

dfuse-serve [--checkpoint RUN] [--models=N] [--port=8000]

Open the address that it prints. RUN is the --workdir of a finished dfuse-cv, or an exported model; without it smiles
are found and none is judged. --models asks so many of the run's models instead of all, so that a verdict comes sooner.
The page's pictures go to this machine alone, and nothing of a face is stored.

The same is an API: POST /v1/analyse takes a video and returns a row a smile; /openapi.json describes it.

It answers this machine alone unless told otherwise: --host=0.0.0.0 listens to others too, who then need the token that
is printed, and --public=NAME is the name by which they call it, through a reverse proxy with TLS for one.
"""

import asyncio
import pathlib
import secrets

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

LEAST_TOKEN = 16  # characters


def main() -> None:
    """Runs the command."""
    checkpoint = flags.DEFINE_string(
        "checkpoint", None, "Folder of a finished dfuse-cv run (its --workdir), or an exported model, which judges."
    )
    models = flags.DEFINE_integer(
        "models", None, "How many of the run's models to ask, spread over its folds; all unless given.", lower_bound=1
    )
    host = flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0: all of this machine's.")
    port = flags.DEFINE_integer("port", 8000, "Port to listen at; 0: any.", lower_bound=0, upper_bound=65535)
    public = flags.DEFINE_list("public", [], "Names by which others call the server, such as smile.example.org.")
    token_file = flags.DEFINE_string(
        "token_file", None, "File that holds the token; unless given, one is made at every start where it is needed."
    )
    viewers = flags.DEFINE_integer("viewers", 8, "How many may watch at once; others wait.", lower_bound=1)
    megabytes = flags.DEFINE_integer("megabytes", 200, "Of a video that is sent, at most.", lower_bound=1)
    minutes = flags.DEFINE_float("minutes", 10, "Of a video that is sent, at most.", lower_bound=0.1)
    cli.run(
        lambda argv: serve(
            argv[1:],
            checkpoint=checkpoint.value,
            models=models.value,
            host=host.value,
            port=port.value,
            public=public.value,
            token_file=token_file.value,
            viewers=viewers.value,
            megabytes=megabytes.value,
            minutes=minutes.value,
        )
    )


def serve(
    arguments: list[str],
    *,
    checkpoint: str | None,
    models: int | None,
    host: str,
    port: int,
    public: list[str],
    token_file: str | None,
    viewers: int,
    megabytes: int,
    minutes: float,
) -> None:
    """Serves until it is interrupted."""
    if arguments:
        raise UserError(f"dfuse-serve takes no argument {arguments[0]!r}. Usage: dfuse-serve [--checkpoint RUN]")

    from dfuse_jax.extract.native import require

    require("starlette", "serve")
    from dfuse_jax.serve.access import is_local
    from dfuse_jax.serve.jobs import Limits
    from dfuse_jax.serve.server import run
    from dfuse_jax.serve.services import Options, Services

    local = is_local(host) and not public
    token = _read_token(token_file) if token_file else None if local else secrets.token_urlsafe(24)
    options = Options(
        checkpoint=checkpoint,
        models=models,
        hosts=(*public, *([] if host in ("0.0.0.0", "::") else [host]), *([] if local else _names())),
        token=token,
        viewers=viewers,
        limits=Limits(bytes=megabytes << 20, seconds=60 * minutes),
    )

    def on_ready(services: Services, at: int) -> None:
        model = services.model
        if model is None:
            print("No model was given (--checkpoint RUN): smiles are found, and none is judged.")
        else:
            asked = "1 model" if model.models == 1 else f"{model.models} models"
            print(f"{model.name}: {model.note}\nA verdict of {asked} took {model.seconds:.2f} seconds here.")
            if model.seconds > 1 and model.models > 1:
                print("For quicker ones, ask fewer with --models=N.")
        shown = f"[{host}]" if ":" in host else "localhost" if is_local(host) or host in ("0.0.0.0", "::") else host
        suffix = f"#token={token}" if token else ""
        print(f"Open http://{shown}:{at}/{suffix}  (Ctrl-C stops it)", flush=True)
        for name in public:
            print(f"Others open https://{name}/{suffix}", flush=True)

    print("Loading and compiling...", flush=True)
    asyncio.run(run(options, host, port, on_ready))
    print("Stopped.")


def _names() -> list[str]:
    """Returns this machine's names and addresses."""
    import socket

    name = socket.gethostname()
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
    except OSError:
        addresses = set()
    return [name, socket.getfqdn(), *sorted(addresses)]


def _read_token(path: str) -> str:
    try:
        token = pathlib.Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        raise UserError(f"--token_file {path}: cannot be read ({error}).") from error
    if len(token) < LEAST_TOKEN or not all(c.isascii() and (c.isalnum() or c in "-_") for c in token):
        raise UserError(
            f"--token_file {path}: expected {LEAST_TOKEN} or more letters, digits, hyphens and underscores."
        )
    return token
