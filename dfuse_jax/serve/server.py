"""Runs the application: the address, the signals that stop it, and what it says when it is ready."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dfuse_jax.extract.native import require
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.serve.services import Options, Services, started
from dfuse_jax.serve.tracker import MOST_BYTES
from dfuse_jax.serve.viewer import TIME

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 64
STOPPING = 3  # seconds that what is under way may take when the server is stopped


async def run(options: Options, host: str, port: int, on_ready: Callable[[Services, int], None]) -> None:
    """Serves until the process is interrupted or terminated.

    Args:
        options: what is served.
        host: address to listen at.
        port: to listen at; 0: any that is free.
        on_ready: is called with the services and the port when everything is compiled.

    Raises:
        UserError: the address cannot be used, the model cannot be loaded, or a package is missing.
    """
    require("uvicorn", "serve")
    require("websockets", "serve")
    require("starlette", "serve")
    import uvicorn

    from dfuse_jax.serve.app import build

    with contextlib.closing(listen(host, port)) as listening:
        async with started(options) as services:
            server = uvicorn.Server(configure(build(services)))
            server.capture_signals = _nothing  # it would raise them again at the end
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
            on_ready(services, listening.getsockname()[1])
            await server.serve(sockets=[listening])


def configure(app: "ASGIApp") -> "uvicorn.Config":
    """Returns how the application is served."""
    import uvicorn

    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=STOPPING,
        ws_max_size=MOST_BYTES + TIME.size,
        ws_max_queue=4,
        ws_per_message_deflate=False,
    )


@contextlib.contextmanager
def _nothing() -> Iterator[None]:
    yield


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that is bound to an address; raises UserError where that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        raise UserError(f"Nothing can listen at {host}, port {port} ({error.strerror}). Name another one.") from error
    return listening
