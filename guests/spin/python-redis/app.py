"""A component for Spin's trigger for Redis, as its users write one in Python: it prints what it takes, and
fails at `fail`."""

from componentize_py_types import Err
from spin_sdk.wit import exports
from spin_sdk.wit.imports.spin_redis_redis_3_0_0 import Error_Other


class RedisHandler(exports.RedisHandler):
    async def handle_message(self, message: bytes) -> None:
        text = message.decode()
        print(f"took {text}")
        if text == "fail":
            raise Err(Error_Other("asked to"))
