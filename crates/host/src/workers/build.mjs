// Bundles a script with what it imports, and makes a component of it. Written here by Holm, so that
// packages are found in the project's own node_modules.
import { rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

function fail(text) {
  console.error(text);
  process.exit(1);
}

async function tool(name) {
  try {
    return await import(name);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND" || !error.message.includes(name)) throw error;
    fail(`${name} is not installed: npm install --save-dev esbuild @bytecodealliance/componentize-js`);
  }
}

const esbuild = await tool("esbuild");
const { componentize } = await tool("@bytecodealliance/componentize-js");

const bundle = join(here, "bundle.js");
try {
  await esbuild.build({
    entryPoints: [join(here, "main.js")],
    outfile: bundle,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    mainFields: ["module", "main"],
    conditions: ["worker"],
    define: { "process.env.NODE_ENV": '"production"' },
    external: ["wasi:*"],
    keepNames: true,
    logLevel: "warning",
  });
} catch {
  process.exit(1); // it has said why
}

try {
  const { component } = await componentize({
    sourcePath: bundle,
    witPath: join(here, "wit"),
    worldName: "worker",
  });
  const made = join(here, "component.wasm");
  await writeFile(`${made}.new`, component);
  await rename(`${made}.new`, made);
} catch (error) {
  fail(error.message);
}
