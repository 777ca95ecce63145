// A route for each thing that a handler may use.
const encoder = new TextEncoder();

interface Env {
  GREETING: string;
  default: {
    get(key: string, type?: string): Promise<unknown>;
    put(key: string, value: string | Uint8Array | ReadableStream, options?: object): Promise<void>;
    delete(key: string): Promise<void>;
    list(options?: object): Promise<unknown>;
  };
}

type Context = { waitUntil(promise: Promise<unknown>): void };

const hex = (bytes: ArrayBuffer) =>
  [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

// Runs once, when it is built.
const started = { at: "build", table: Array.from({ length: 4 }, (_, i) => i * i) };

const routes: Record<string, (request: Request, env: Env, ctx: Context) => Promise<Response>> = {
  "/started": async () => Response.json(started),
  "/request": async (request) => {
    const url = new URL(request.url);
    return Response.json({
      method: request.method,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      header: request.headers.get("x-test"),
      body: await request.text(),
    });
  },
  "/headers": async () => {
    const headers = new Headers({ "x-one": "1" });
    headers.append("x-two", "a");
    headers.append("x-two", "b");
    return new Response(null, { status: 204, headers });
  },
  "/stream": async () => {
    const stream = new ReadableStream({
      async start(controller) {
        for (const word of ["one", "two", "three"]) {
          await wait(5);
          controller.enqueue(encoder.encode(`${word}\n`));
        }
        controller.close();
      },
    });
    return new Response(stream);
  },
  "/upper": async (request) => {
    const upper = new TransformStream({
      transform(chunk, controller) {
        const text = new TextDecoder().decode(chunk);
        controller.enqueue(encoder.encode(text.toUpperCase()));
      },
    });
    return new Response(request.body!.pipeThrough(upper));
  },
  "/lines": async (request) => {
    const words = request.body!.pipeThrough(new TextDecoderStream());
    const shouted = new TransformStream({
      transform: (text, controller) => controller.enqueue(`<${text}>`),
    });
    return new Response(words.pipeThrough(shouted).pipeThrough(new TextEncoderStream()));
  },
  "/crypto": async () => {
    const key = await crypto.subtle.importKey(
      "raw",
      encoder.encode("key"),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign", "verify"],
    );
    const message = encoder.encode("message");
    const signature = await crypto.subtle.sign("HMAC", key, message);
    return Response.json({
      digest: hex(await crypto.subtle.digest("SHA-256", encoder.encode("abc"))),
      signature: hex(signature),
      verified: await crypto.subtle.verify("HMAC", key, signature, message),
      uuids: crypto.randomUUID() !== crypto.randomUUID(),
      random: crypto.getRandomValues(new Uint8Array(16)).some((byte) => byte > 0),
    });
  },
  "/timers": async () => {
    const order: string[] = [];
    const cancelled = setTimeout(() => order.push("cancelled"), 1);
    clearTimeout(cancelled);
    setTimeout(() => order.push("first"), 5);
    queueMicrotask(() => order.push("microtask"));
    await wait(20);
    return Response.json(order);
  },
  "/text": async () =>
    Response.json({
      bytes: [...encoder.encode("é€")],
      text: new TextDecoder().decode(Uint8Array.of(0xe2, 0x82, 0xac)),
      url: new URL("../b?x=1#y", "https://a.example/c/d/").href,
      base64: atob(btoa("holm")),
      clone: structuredClone({ a: [1, { b: 2 }] }),
    }),
  "/env": async (_, env) => Response.json({ greeting: env.GREETING, names: Object.keys(env) }),
  "/kv": async (_, env) => {
    const store = env.default;
    await store.put("text", "hello");
    await store.put("bytes", Uint8Array.of(1, 2, 3));
    await store.put("json", JSON.stringify({ a: 1 }));
    await store.put("stream", new Response("streamed").body!);
    await store.put("gone", "soon");
    await store.delete("gone");
    return Response.json({
      text: await store.get("text"),
      bytes: [...new Uint8Array((await store.get("bytes", "arrayBuffer")) as ArrayBuffer)],
      json: await store.get("json", "json"),
      stream: await new Response((await store.get("stream", "stream")) as ReadableStream).text(),
      none: await store.get("gone"),
      all: await store.list(),
      some: await store.list({ prefix: "s", limit: 1 }),
      refused: await store.put("a", "b", { expirationTtl: 60 }).catch((error) => error.message),
    });
  },
  "/later": async (_, env, ctx) => {
    ctx.waitUntil(wait(30).then(() => env.default.put("later", "done")));
    return new Response("now\n");
  },
  "/later/done": async (_, env) => new Response(String(await env.default.get("later"))),
  "/fetch": async (request) => {
    const to = new URL(request.url).searchParams.get("to")!;
    try {
      const answer = await fetch(to, { headers: { "x-from": "worker" } });
      return new Response(answer.body, { status: answer.status });
    } catch (error) {
      return new Response(`no: ${error}`, { status: 502 });
    }
  },
  "/throw": async () => {
    throw new TypeError("on purpose");
  },
  "/nothing": async () => undefined as unknown as Response,
  "/log": async () => {
    console.log("a line of the log", { n: 1 });
    return new Response("logged\n");
  },
};

export default {
  async fetch(request: Request, env: Env, ctx: Context): Promise<Response> {
    const route = routes[new URL(request.url).pathname];
    return route ? route(request, env, ctx) : new Response("no such route\n", { status: 404 });
  },
};
