"""Answers HTTP requests."""

import sys

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    Method_Get,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        target = request.path_with_query() or "/"
        match (request.method(), target.split("?")[0]):
            case (Method_Get(), "/"):
                answer(response_out, 200, "Hello from my-app!\n")
            case (Method_Get(), "/hello"):
                answer(response_out, 200, "Hello to you too!\n")
            case _:
                print("nothing at", target, file=sys.stderr)
                answer(response_out, 404, "There is nothing here.\n")


def answer(out: ResponseOutparam, status: int, text: str) -> None:
    """Sends an answer: its head, its body, its end."""
    headers = Fields.from_list([("content-type", b"text/plain; charset=utf-8")])
    response = OutgoingResponse(headers)
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    data = text.encode()
    with body.write() as stream:
        for start in range(0, len(data), 4096):
            stream.blocking_write_and_flush(data[start : start + 4096])
    OutgoingBody.finish(body, None)
