"""One viewer's connection: pictures come in, what they show goes out, and a verdict when a smile has ended."""

import asyncio
import contextlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from dfuse_jax import dmarkers
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.serve.access import RateLimit
from dfuse_jax.serve.services import Services
from dfuse_jax.serve.session import Frame, Moment, Session, Smile
from dfuse_jax.serve.tracker import MOST_BYTES, PictureError, Seen, Tracker, TrackerError
from dfuse_jax.serve.verdicts import JudgeError, Verdict

TIME = struct.Struct("<d")  # seconds of the camera's clock, before every picture
PICTURES, BURST = 70.0, 140.0  # a second for long, and at once
IDLE = 60.0  # seconds without a picture, after which others get the place
SCALE = 10_000  # of coordinates, which go out as whole numbers
AGAIN, POLICY, CRASHED = 1013, 1008, 1011  # why connections are closed (RFC 6455)


class Viewer:
    """A connection that was let in.

    Args:
        websocket: accepted.
        services: what works for it.
        tracker: its own.
    """

    def __init__(self, websocket: WebSocket, services: Services, tracker: Tracker):
        self._websocket, self._services, self._tracker = websocket, services, tracker
        self._session: Session | None = None
        self._newest: bytes | None = None
        self._arrived = asyncio.Event()
        self._sending = asyncio.Lock()
        self._verdict: asyncio.Task[Verdict] | None = None
        self._tasks: set[asyncio.Task] = set()

    async def serve(self) -> None:
        """Answers pictures until the viewer goes or does what is not allowed."""
        receiving = asyncio.create_task(self._receive())
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait((receiving, answering), return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = [receiving, answering, *self._tasks, *([self._verdict] if self._verdict else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self) -> None:
        """Keeps the newest picture."""
        rate = RateLimit(PICTURES, BURST)
        while True:
            try:
                async with asyncio.timeout(IDLE):
                    message = await self._websocket.receive()
            except TimeoutError:
                return await self._close(AGAIN, "There was no picture for a while.")
            if message["type"] == "websocket.disconnect":
                return None
            data = message.get("bytes")
            if data is None or not TIME.size < len(data) <= TIME.size + MOST_BYTES:
                return await self._close(POLICY, "A message has to be a time and a JPEG.")
            if not rate.take():
                return await self._close(POLICY, "Too many pictures.")
            self._newest = data
            self._arrived.set()

    async def _answer(self) -> None:
        """Answers the newest picture, again and again."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            data, self._newest = self._newest, None
            if data is None:
                continue
            (time,) = TIME.unpack_from(data)
            try:
                if not math.isfinite(time):
                    raise PictureError("The time is no number.")
                seen = await self._tracker.find(data[TIME.size :])
                await self._tell(time, seen)
            except PictureError as error:
                await self._send("refused", time=time if math.isfinite(time) else None, detail=str(error))
            except TrackerError:
                return await self._close(CRASHED, "The process that finds the face died.")
            except WebSocketDisconnect:
                return None

    async def _tell(self, time: float, seen: Seen) -> None:
        """Sends what a picture shows."""
        if self._session is None or self._session.image_size != seen.image_size:
            self._session = Session(seen.image_size)
            self._drop_verdict()
        frame = Frame(time, seen.landmarks, seen.look, seen.change)
        try:
            moments = self._session.step(frame)
        except ValueError as error:
            raise PictureError("The time is not after that of the picture before.") from error
        points = None
        if seen.landmarks is not None:
            points = np.rint(seen.landmarks[:, :2] * SCALE).astype(int).ravel().tolist()
        shown = [_show(moment) for moment in moments]
        await self._send("frame", time=time, faces=seen.faces, points=points, moments=shown)
        for moment in moments:
            await self._judge(moment)

    async def _judge(self, moment: Moment) -> None:
        """Has a smile judged, ahead of its end being known, and tells the verdict when it is."""
        judge = self._services.judge
        if moment.withdrawn:
            self._drop_verdict()
        if moment.ahead is not None and judge is not None:
            self._verdict = asyncio.create_task(judge.verdict(moment.ahead))
        smile = moment.complete
        if smile is None:
            return
        await self._send("smile", **_describe(smile))
        if judge is not None:
            verdict = self._verdict or asyncio.create_task(judge.verdict(smile))
            self._verdict = None
            task = asyncio.create_task(self._tell_verdict(smile, verdict))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell_verdict(self, smile: Smile, asked: asyncio.Task[Verdict]) -> None:
        try:
            verdict = await asked
            await self._send("verdict", number=smile.number, **_word(verdict))
        except JudgeError:
            nothing = Verdict({}, [], {}, "the model failed", (), (), 0, 0.0)
            await self._send("verdict", number=smile.number, **_word(nothing))
        except asyncio.CancelledError:
            asked.cancel()
            raise

    def _drop_verdict(self) -> None:
        if self._verdict is not None:
            self._verdict.cancel()
            self._verdict = None

    async def _send(self, kind: str, **content: Any) -> None:
        async with self._sending:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it is closed, as receiving will tell
                await self._websocket.send_text(json.dumps({"type": kind, **content}, separators=(",", ":")))

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._websocket.close(code, reason)


async def watch(websocket: WebSocket, services: Services, triangles: list[int], subprotocol: str | None) -> None:
    """Lets a viewer in, if there is a place."""
    await websocket.accept(subprotocol)
    if services.viewers >= services.options.viewers:
        await websocket.send_json({"type": "wait", "viewers": services.viewers})
        await websocket.close(AGAIN, "All places are taken.")
        return
    services.viewers += 1
    try:
        tracker = await services.trackers.take()
        try:
            model = services.model
            about = None
            if model is not None:
                about = {"name": model.name, "note": model.note, "models": model.models, "synthetic": model.synthetic}
            await websocket.send_json({"type": "hello", "model": about, "triangles": triangles, "scale": SCALE})
            await Viewer(websocket, services, tracker).serve()
        finally:
            await services.trackers.give_back(tracker)
    except (TrackerError, UserError):
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(CRASHED, "No process that finds faces can be started.")
    except WebSocketDisconnect:
        pass
    finally:
        services.viewers -= 1


def _show(moment: Moment) -> dict[str, Any]:
    signals = [_number(value) for value in moment.signals.tolist()]
    return {
        "time": moment.time,
        "phase": moment.phase,
        "signals": dict(zip(dmarkers.REGIONS, signals, strict=True)),
        "baseline": _number(moment.baseline),
    }


def _describe(smile: Smile) -> dict[str, Any]:
    names = ("number", "begin", "apex", "end", "amplitude", "height")
    return {name: getattr(smile, name) for name in names}


def _word(verdict: Verdict) -> dict[str, Any]:
    """Returns what is sent of a verdict."""
    known = np.array(verdict.probabilities)
    judged = len(known) > 0
    return {
        "phases": verdict.phases,
        "judged": judged,
        "reason": verdict.reason,
        "probability": float(known.mean()) if judged else None,
        "lowest": float(known.min()) if judged else None,
        "highest": float(known.max()) if judged else None,
        "models": len(known),
        "effects": _list(verdict.effects),
        "cautions": list(verdict.cautions),
        "notes": list(verdict.notes),
        "frames": verdict.frames,
        "fps": verdict.fps,
    }


def _list(effects: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """Returns the effects, the strongest first."""
    rows = [{"region": r, "phase": p, "effect": effect} for (r, p), effect in effects.items()]
    return sorted(rows, key=lambda row: -abs(row["effect"]))


def _number(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
