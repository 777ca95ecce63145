// The guestbook of examples/guestbook once more, in JavaScript.
import { open } from "wasi:keyvalue/store@0.2.0-draft2";
import { increment } from "wasi:keyvalue/atomics@0.2.0-draft2";
import { getMany } from "wasi:keyvalue/batch@0.2.0-draft2";

const LISTED = 100;
const LONGEST_NAME = 80;
const LONGEST_MESSAGE = 1000;
const LONGEST_BODY = 256 * 1024;

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

/** Why a request is not answered as hoped: a status and a sentence. */
class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function answer(request) {
  try {
    if (new URL(request.url).pathname !== "/api/entries") throw new Refusal(404, "no such page");
    if (request.method === "GET") return json(200, list());
    if (request.method === "POST") return await add(request);
    return json(405, '{"error":"use GET or POST"}', { allow: "GET, POST" });
  } catch (error) {
    if (error instanceof Refusal) return json(error.status, JSON.stringify({ error: error.message }));
    console.error("guestbook: the store failed:", JSON.stringify(error.payload ?? String(error)));
    return json(500, '{"error":"the store failed"}');
  }
}

function json(status, body, headers = {}) {
  return new Response(body, { status, headers: { "content-type": "application/json", ...headers } });
}

function list() {
  const bucket = open("default");
  const keys = entryKeys(bucket).sort().reverse().slice(0, LISTED);
  // Each value is JSON as it stands: no need to take it apart.
  const entries = getMany(bucket, keys)
    .filter(([, value]) => value)
    .map(([, value]) => new TextDecoder().decode(value));
  return `[${entries.join(",")}]`;
}

function entryKeys(bucket) {
  const keys = [];
  let cursor;
  do {
    const page = bucket.listKeys(cursor);
    keys.push(...page.keys.filter((key) => key.startsWith("entry/")));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return keys;
}

async function add(request) {
  const body = new Uint8Array(await request.arrayBuffer());
  if (body.length > LONGEST_BODY) throw new Refusal(413, "the request is too long");
  const type = (request.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  const isForm = type === "application/x-www-form-urlencoded";
  const submission = isForm ? fromForm(body) : fromJson(body);
  const name = checked("name", submission.name, LONGEST_NAME);
  const message = checked("message", submission.message, LONGEST_MESSAGE);
  const entry = JSON.stringify({ name, message, at: Math.floor(Date.now() / 1000) });

  const bucket = open("default");
  const number = increment(bucket, "seq", 1n);
  bucket.set(`entry/${String(number).padStart(10, "0")}`, new TextEncoder().encode(entry));
  return isForm ? new Response(null, { status: 303, headers: { location: "/" } }) : json(201, entry);
}

function checked(field, text, longest) {
  text = text.trim();
  const length = [...text].length;
  if (length === 0) throw new Refusal(400, `${field} is empty`);
  if (length > longest) throw new Refusal(400, `${field} is longer than ${longest} characters`);
  return text;
}

const isText = (value) => typeof value === "string" && !/[\ud800-\udfff]/u.test(value);

function fromJson(body) {
  try {
    const { name, message } = JSON.parse(utf8(body));
    if (isText(name) && isText(message)) return { name, message };
  } catch {}
  throw new Refusal(400, "expected a JSON object with name and message");
}

function fromForm(body) {
  try {
    const fields = {};
    for (const pair of utf8(body).split("&")) {
      const [field, ...value] = pair.split("=");
      // unlike URLSearchParams, this throws on what is malformed
      fields[field] = decodeURIComponent(value.join("=").replaceAll("+", " "));
    }
    if (isText(fields.name) && isText(fields.message)) return fields;
  } catch {}
  throw new Refusal(400, "expected a form with name and message");
}

const utf8 = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
