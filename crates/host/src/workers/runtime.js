// What stands between a script's `fetch` handler and the component. Written here by Holm.

/** Both directions between text and bytes, for streams: the engine has them for whole texts alone. */
function textStream(transform, flush, properties) {
  return class {
    constructor(...given) {
      const state = properties(...given);
      const stream = new TransformStream({
        transform: (chunk, controller) => transform(state, chunk, controller),
        flush: (controller) => flush(state, controller),
      });
      this.readable = stream.readable;
      this.writable = stream.writable;
      this.encoding = state.encoding;
    }
  };
}

function enqueue(controller, chunk) {
  if (chunk.length > 0) controller.enqueue(chunk);
}

globalThis.TextEncoderStream ??= textStream(
  (encoder, chunk, controller) => enqueue(controller, encoder.encode(String(chunk))),
  () => {},
  () => new TextEncoder(),
);
globalThis.TextDecoderStream ??= textStream(
  (decoder, chunk, controller) => enqueue(controller, decoder.decode(chunk, { stream: true })),
  (decoder, controller) => enqueue(controller, decoder.decode()),
  (label, options) => new TextDecoder(label ?? "utf-8", options),
);
globalThis.navigator ??= Object.freeze({ userAgent: "Holm" });

/** Calls the handler for each request; one without a default export listens by itself. */
export function serve(handler, bindings) {
  if (handler === undefined) return;
  if (typeof handler?.fetch !== "function") {
    throw new Error("the default export has no function `fetch`");
  }
  addEventListener("fetch", (event) => event.respondWith(answer(handler, event, bindings)));
}

async function answer(handler, event, bindings) {
  const ctx = {
    waitUntil: (promise) => event.waitUntil(Promise.resolve(promise)),
    passThroughOnException() {},
    props: {},
  };
  try {
    const response = await handler.fetch(event.request, bindings(), ctx);
    if (response instanceof Response) return response;
    throw new TypeError("fetch() gave no Response");
  } catch (error) {
    console.error(error instanceof Error ? `${error}\n${error.stack}` : `threw ${String(error)}`);
    return new Response("Internal Server Error\n", { status: 500 });
  }
}

/** A key-value store as a binding. `open` is the function of wasi:keyvalue. */
export class Store {
  #name;
  #open;

  constructor(name, open) {
    this.#name = name;
    this.#open = open;
  }

  #do(what) {
    try {
      return what(this.#open(this.#name));
    } catch (error) {
      const payload = error?.payload;
      if (payload === undefined) throw error;
      const reason = payload.val === undefined ? payload.tag : `${payload.tag}: ${payload.val}`;
      throw new Error(`key-value store ${this.#name}: ${reason}`);
    }
  }

  async get(key, options) {
    const type = (typeof options === "string" ? options : options?.type) ?? "text";
    if (Array.isArray(key)) {
      const pairs = key.map(async (one) => [one, await this.get(one, type)]);
      return new Map(await Promise.all(pairs));
    }
    const bytes = this.#do((bucket) => bucket.get(String(key)));
    return bytes === undefined ? null : as(type, bytes);
  }

  async getWithMetadata(key, options) {
    return { value: await this.get(key, options), metadata: null, cacheStatus: null };
  }

  async put(key, value, options) {
    for (const name of ["expiration", "expirationTtl", "metadata"]) {
      if (options?.[name] !== undefined) throw new TypeError(`put() has no option ${name} here`);
    }
    const bytes = await bytesOf(value);
    this.#do((bucket) => bucket.set(String(key), bytes));
  }

  async delete(key) {
    this.#do((bucket) => bucket.delete(String(key)));
  }

  async list({ prefix = "", limit = 1000, cursor } = {}) {
    let names = this.#do((bucket) => {
      const all = [];
      let page;
      do {
        page = bucket.listKeys(page?.cursor);
        all.push(...page.keys);
      } while (page.cursor !== undefined);
      return all;
    });
    names = names.filter((name) => name.startsWith(prefix ?? "") && !(cursor && name <= cursor));
    names.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const keys = names.slice(0, limit).map((name) => ({ name }));
    const complete = names.length <= limit;
    const list = { keys, list_complete: complete, cacheStatus: null };
    return complete ? list : { ...list, cursor: keys.at(-1)?.name };
  }
}

function as(type, bytes) {
  switch (type) {
    case "text":
      return new TextDecoder().decode(bytes);
    case "json":
      return JSON.parse(new TextDecoder().decode(bytes));
    case "arrayBuffer":
      return bytes.slice().buffer;
    case "stream":
      return new Response(bytes).body;
    default:
      throw new TypeError(`get() has no type ${type}`);
  }
}

async function bytesOf(value) {
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (value instanceof ReadableStream) {
    return new Uint8Array(await new Response(value).arrayBuffer());
  }
  throw new TypeError("put() takes text, bytes or a stream");
}
