// A component as Spin's users wrote one in JavaScript with the SDK of 2024, `@fermyon/spin-sdk`: one
// route for each interface, with the answers of guests/spin/rust.
import { Kv, Llm, Mqtt, Mysql, Postgres, Redis, Sqlite, Variables } from "@fermyon/spin-sdk";

const text = (bytes) => new TextDecoder().decode(bytes ?? new Uint8Array());
const bytes = (said) => new TextEncoder().encode(said);
const address = (of) => Variables.get(of) ?? "";

// What a call throws has the error of the interface as its payload.
const orSaid = (call) => {
  try {
    return call();
  } catch (error) {
    const tag = error?.payload?.tag ?? error?.payload;
    if (typeof tag !== "string") throw error;
    return tag.replace(/(^|-)([a-z])/g, (_, __, letter) => letter.toUpperCase());
  }
};

const routes = {
  kv: (name) =>
    orSaid(() => {
      const store = Kv.open(name);
      store.set("greeting", "hello");
      const value = text(store.get("greeting"));
      const keys = store.getKeys().join(",");
      store.delete("greeting");
      return `${value} ${keys} ${store.exists("greeting")}`;
    }),
  variable: (name) => Variables.get(name) ?? "Undefined",
  sqlite: () => {
    const db = Sqlite.openDefault();
    db.execute("CREATE TABLE IF NOT EXISTS t(a INTEGER, b TEXT, c REAL, d)", []);
    const values = [{ tag: "integer", val: 7n }, "seven", 1.5, { tag: "null" }];
    db.execute("INSERT INTO t VALUES (?1, ?2, ?3, ?4)", values);
    const found = db.execute("SELECT a, b, c, d FROM t ORDER BY rowid DESC LIMIT 1", []);
    const { a, b, c } = found.rows[0];
    return `${a} ${b} ${c} ${found.columns.join(",")}`;
  },
  redis: () => {
    const server = Redis.open(address("redis"));
    const [key, count, set] = ["sdk-js", "sdk-js-count", "sdk-js-set"];
    server.del([key, count, set]);
    server.set(key, bytes("hello"));
    const value = text(server.get(key));
    server.incr(count);
    const counted = server.incr(count);
    const added = server.sadd(set, ["a", "b"]);
    const ping = server.execute("PING", [])[0].val;
    return `${value} ${counted} ${added} ${ping}`;
  },
  mqtt: (topic) => {
    const broker = Mqtt.open(address("mqtt"), "", "", 30n);
    broker.publish(topic, bytes("hello"), Mqtt.QoS.AtLeastOnce);
    return "published";
  },
  postgres: () => {
    const db = Postgres.open(address("postgres"));
    const sql = "SELECT $1::text AS a, $2::int4 AS b, true AS c, NULL::text AS d";
    const { a, b, c, d } = db.query(sql, ["hello", 42]).rows[0];
    return d === null ? `${a} ${b} ${c}` : `${d}`;
  },
  mysql: () => {
    const db = Mysql.open(address("mysql"));
    db.execute("CREATE TABLE IF NOT EXISTS sdk_js(a TEXT, b INT)", []);
    db.execute("DELETE FROM sdk_js", []);
    db.execute("INSERT INTO sdk_js VALUES (?, ?)", ["hello", 42]);
    const { a, b } = db.query("SELECT a, b FROM sdk_js", []).rows[0];
    return `${a} ${b}`;
  },
  llm: () => orSaid(() => Llm.infer(Llm.InferencingModels.Llama2Chat, "hello").text),
  fetch: async (url) => {
    const answer = await fetch(url);
    return `${answer.status} ${await answer.text()}`;
  },
};

const answer = async (request) => {
  const url = new URL(request.url);
  const name = url.pathname.slice("/sdk/".length);
  try {
    const said = await routes[name](url.search.slice(1));
    return new Response(said, { headers: { "content-type": "text/plain" } });
  } catch (error) {
    const detail = error?.payload ? JSON.stringify(error.payload) : "";
    return new Response(`${error} ${detail}`, { status: 500 });
  }
};

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
