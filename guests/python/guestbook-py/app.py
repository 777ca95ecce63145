"""The guestbook of examples/guestbook once more, in Python."""

import json
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import atomics, batch, store
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields,
    IncomingBody,
    IncomingRequest,
    Method_Get,
    Method_Post,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

LISTED = 100
LONGEST_NAME = 80
LONGEST_MESSAGE = 1000
LONGEST_BODY = 256 * 1024


class Refusal(Exception):
    """Why a request is not answered as hoped: a status and a sentence."""


@dataclass
class Answer:
    status: int
    body: str = ""
    headers: dict = field(default_factory=lambda: {"content-type": "application/json"})


def answer(request: IncomingRequest) -> Answer:
    try:
        path = (request.path_with_query() or "").split("?")[0]
        if path != "/api/entries":
            raise Refusal(404, "no such page")
        match request.method():
            case Method_Get():
                return listing()
            case Method_Post():
                return add(content_type(request), read(request.consume()))
        refused = refuse(405, "use GET or POST")
        refused.headers["allow"] = "GET, POST"
        return refused
    except Refusal as refusal:
        return refuse(*refusal.args)
    except Err as error:
        print("guestbook: the store failed:", error.value, file=sys.stderr)
        return refuse(500, "the store failed")


def refuse(status: int, text: str) -> Answer:
    return Answer(status, dumps({"error": text}))


def dumps(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def listing() -> Answer:
    with store.open("default") as bucket:
        keys = sorted(entry_keys(bucket), reverse=True)[:LISTED]
        pairs = batch.get_many(bucket, keys)
    # Each value is JSON as it stands: no need to take it apart.
    return Answer(200, "[" + ",".join(pair[1].decode() for pair in pairs if pair) + "]")


def entry_keys(bucket: store.Bucket) -> list[str]:
    keys = []
    cursor = None
    while True:
        page = bucket.list_keys(cursor)
        keys += [key for key in page.keys if key.startswith("entry/")]
        cursor = page.cursor
        if cursor is None:
            return keys


def add(kind: str, body: bytes) -> Answer:
    form = kind == "application/x-www-form-urlencoded"
    name, message = from_form(body) if form else from_json(body)
    entry = dumps(
        {
            "name": checked("name", name, LONGEST_NAME),
            "message": checked("message", message, LONGEST_MESSAGE),
            "at": int(time.time()),
        }
    )
    with store.open("default") as bucket:
        number = atomics.increment(bucket, "seq", 1)
        bucket.set(f"entry/{number:010}", entry.encode())
    return Answer(303, headers={"location": "/"}) if form else Answer(201, entry)


def checked(name: str, text: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise Refusal(400, f"{name} is empty")
    if len(text) > longest:
        raise Refusal(400, f"{name} is longer than {longest} characters")
    return text


def from_json(body: bytes) -> tuple[str, str]:
    try:
        value = json.loads(body.decode())
        name, message = value["name"], value["message"]
        if isinstance(name, str) and isinstance(message, str):
            (name + message).encode()  # no lone surrogates
            return name, message
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Refusal(400, "expected a JSON object with name and message")


def from_form(body: bytes) -> tuple[str, str]:
    try:
        pairs = (pair.partition("=") for pair in body.decode().split("&"))
        fields = {name: form_decode(value) for name, _, value in pairs}
        return fields["name"], fields["message"]
    except (ValueError, KeyError):
        raise Refusal(400, "expected a form with name and message") from None


def form_decode(text: str) -> str:
    """Undoes the encoding of forms; unlike urllib's it does not let malformed text pass."""
    for part in text.split("%")[1:]:
        bytes.fromhex(part[:2].ljust(2, "?"))
    return unquote_to_bytes(text.replace("+", " ")).decode()


def content_type(request: IncomingRequest) -> str:
    values = request.headers().get("content-type")
    return values[0].decode("latin-1").split(";")[0].strip().lower() if values else ""


def read(body: IncomingBody) -> bytes:
    pieces = []
    left = LONGEST_BODY
    with body.stream() as stream:
        while left >= 0:
            try:
                pieces.append(stream.blocking_read(64 * 1024))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return b"".join(pieces)
                raise
            left -= len(pieces[-1])
    raise Refusal(413, "the request is too long")


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        result = answer(request)
        headers = Fields.from_list([(k, v.encode()) for k, v in result.headers.items()])
        response = OutgoingResponse(headers)
        response.set_status_code(result.status)
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        data = result.body.encode()
        with body.write() as stream:
            for start in range(0, len(data), 4096):
                stream.blocking_write_and_flush(data[start : start + 4096])
        OutgoingBody.finish(body, None)
