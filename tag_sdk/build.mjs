// Builds what is committed: `node build.mjs [folder]`, by default beside the sources.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = process.argv[2] ?? dirname(here);
const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8"));

async function bundle(source, target, options) {
  const outfile = join(root, target);
  await mkdir(dirname(outfile), { recursive: true });
  await build({
    absWorkingDir: here,
    entryPoints: [join(here, "src", source)],
    outfile,
    bundle: true,
    minify: true,
    target: "es2020",
    charset: "utf8",
    legalComments: "none",
    define: { VERSION: JSON.stringify(version) },
    ...options,
  });
  return readFile(outfile, "utf8");
}

// The compiler keeps modules strict by itself; the directive would only cost bytes.
const plain = { tsconfigRaw: { compilerOptions: { alwaysStrict: false } } };

const digest = (text) => `sha384-${createHash("sha384").update(text).digest("base64")}`;

// Names that pass only between the core's own modules: neither pages, settings, events, parts nor storage know them.
const inner =
  /^(become|before|bytes|carried|collect|empty|forget|gate|home|ids|keep|kept|know|look|names|note|post|preferences|put|read|refusal|refuse|release|remove|renew|restrict|schedule|seek|seen|sendAll|sending|session|settle|source|take|tell|text|toldGrant|touch|waiting|watch|who|write)$/;
const tag = await bundle("tag.ts", "tag_sdk/dist/tag.js", { format: "iife", mangleProps: inner, ...plain });
await writeFile(join(root, "tag_sdk/dist/tag.js.sha384"), `${digest(tag)}\n`);

// A part is each source that begins by itself when it is fetched.
const hashes = {};
for (const folder of ["consent", "extras"]) {
  for (const file of (await readdir(join(here, "src", folder))).sort()) {
    if (!/^extend[<(]/m.test(await readFile(join(here, "src", folder, file), "utf8"))) continue;
    const name = `${folder}/${file.replace(/\.ts$/, "")}`;
    hashes[name] = digest(await bundle(`${name}.ts`, `tag_sdk/dist/${name}.js`, { format: "iife" }));
  }
}
await writeFile(join(root, "tag_sdk/dist/parts.json"), `${JSON.stringify(hashes, null, 2)}\n`);

// The snippet is the same function as the demo's module, called in place.
const loader = await bundle("loader.ts", "console/demo/static/loader.js", { format: "esm", ...plain });
const [, named, body] = /^(?:var \w+=)?function (\w+)(.*)export\{\1 as load\};\s*$/s.exec(loader) ?? [];
if (!named) throw new Error("the built loader has an unknown shape");
// An arrow is shorter; the first `){` ends its parameters.
await writeFile(join(root, "tag_sdk/dist/loader.js"), `(${body.replace("){", ")=>{")})("__NAME__","__SRC__");\n`);
