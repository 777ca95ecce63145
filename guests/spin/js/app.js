// A component as Spin's users write one in JavaScript, with `@spinframework/*` and its build tool: the
// packages that a registry has. The rest of the interfaces is in guests/spin/js-2.
import * as Llm from "@spinframework/spin-llm";
import * as Mysql from "@spinframework/spin-mysql";

const routes = {
  hello: () => "hello",
  mysql: (address) => {
    const db = Mysql.open(address);
    db.execute("CREATE TABLE IF NOT EXISTS sdk_js_now(a TEXT, b INT)", []);
    db.execute("DELETE FROM sdk_js_now", []);
    db.execute("INSERT INTO sdk_js_now VALUES (?, ?)", ["hello", 42]);
    const { a, b } = db.query("SELECT a, b FROM sdk_js_now", []).rows[0];
    return `${a} ${b}`;
  },
  llm: () => {
    try {
      return Llm.infer(Llm.InferencingModels.Llama2Chat, "hello").text;
    } catch (error) {
      return error.payload.tag;
    }
  },
  fetch: async (url) => {
    const answer = await fetch(url);
    return `${answer.status} ${await answer.text()}`;
  },
};

const answer = async (request) => {
  const url = new URL(request.url);
  const name = url.pathname.slice("/sdk/".length);
  try {
    const said = await routes[name](decodeURIComponent(url.search.slice(1)));
    return new Response(said, { headers: { "content-type": "text/plain" } });
  } catch (error) {
    return new Response(`${error} ${JSON.stringify(error?.payload)}`, { status: 500 });
  }
};

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
