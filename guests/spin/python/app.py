"""A component as Spin's users write one in Python: one route for each interface, with the answers of
guests/spin/rust. All of it is async, over WASI 0.3 and Spin's interfaces of version 3."""

from componentize_py_types import Err, Ok
from spin_sdk import http, key_value, llm, mqtt, mysql, postgres, redis, sqlite, variables
from spin_sdk.http import Request, Response
from spin_sdk.util import collect
from spin_sdk.wit.imports import spin_mysql_mysql_3_0_0 as my
from spin_sdk.wit.imports import spin_postgres_postgres_4_2_0 as pg
from spin_sdk.wit.imports.spin_sqlite_sqlite_3_1_0 import Value_Null


async def address(of: str) -> str:
    return await variables.get(of)


async def kv(name: str) -> str:
    with await key_value.open(name) as store:
        await store.set("greeting", b"hello")
        value = (await store.get("greeting") or b"").decode()
        keys = ",".join(await collect(await store.get_keys()))
        await store.delete("greeting")
        left = "true" if await store.exists("greeting") else "false"
        return f"{value} {keys} {left}"


async def sqlite_row(_: str) -> str:
    with await sqlite.Connection.open_default() as db:
        await db.execute("CREATE TABLE IF NOT EXISTS t(a INTEGER, b TEXT, c REAL, d)", [])
        values = [sqlite.Value_Integer(7), sqlite.Value_Text("seven"), sqlite.Value_Real(1.5), Value_Null()]
        await db.execute("INSERT INTO t VALUES (?1, ?2, ?3, ?4)", values)
        found = await db.execute("SELECT a, b, c, d FROM t ORDER BY rowid DESC LIMIT 1", [])
        columns, rows, ended = found
        a, b, c, _ = (await collect((rows, ended)))[0].values
        return f"{a.value} {b.value} {c.value} {','.join(columns)}"


async def redis_values(_: str) -> str:
    with await redis.open(await address("redis")) as server:
        key, count, of = "sdk-python", "sdk-python-count", "sdk-python-set"
        await server.del_([key, count, of])
        await server.set(key, b"hello")
        value = (await server.get(key)).decode()
        await server.incr(count)
        counted = await server.incr(count)
        added = await server.sadd(of, ["a", "b"])
        ping = (await server.execute("PING", []))[0].value
        return f"{value} {counted} {added} {ping}"


async def publish(topic: str) -> str:
    with await mqtt.open(await address("mqtt"), "", "", 30) as broker:
        await broker.publish(topic, b"hello", mqtt.Qos.AT_LEAST_ONCE)
    return "published"


async def postgres_row(_: str) -> str:
    with await postgres.Connection.open(await address("postgres")) as db:
        sql = "SELECT $1::text AS a, $2::int4 AS b, true AS c"
        values = [pg.ParameterValue_Str("hello"), pg.ParameterValue_Int32(42)]
        _, rows, ended = await db.query(sql, values)
        a, b, c = (await collect((rows, ended)))[0]
        return f"{a.value} {b.value} {'true' if c.value else 'false'}"


async def mysql_row(_: str) -> str:
    with await mysql.open(await address("mysql")) as db:
        await db.execute("CREATE TABLE IF NOT EXISTS sdk_python(a TEXT, b INT)", [])
        await db.execute("DELETE FROM sdk_python", [])
        values = [my.ParameterValue_Str("hello"), my.ParameterValue_Int32(42)]
        await db.execute("INSERT INTO sdk_python VALUES (?, ?)", values)
        _, rows, ended = await db.query("SELECT a, b FROM sdk_python", [])
        a, b = (await collect((rows, ended)))[0]
        return f"{a.value} {b.value}"


async def infer(_: str) -> str:
    return llm.infer("llama2-chat", "hello").text


async def fetch(url: str) -> str:
    answer = await http.send(Request("GET", url, {}, None))
    return f"{answer.status} {answer.body.decode()}"


ROUTES = {
    "kv": kv,
    "variable": variables.get,
    "sqlite": sqlite_row,
    "redis": redis_values,
    "mqtt": publish,
    "postgres": postgres_row,
    "mysql": mysql_row,
    "llm": infer,
    "fetch": fetch,
}


class HttpHandler(http.Handler):
    async def handle_request(self, request: Request) -> Response:
        path, _, query = request.uri.partition("?")
        try:
            said = await ROUTES[path.removeprefix("/sdk/")](query)
        except Err as error:
            said = type(error.value).__name__.removeprefix("Error_")
        return Response(200, {"content-type": "text/plain"}, said.encode())
