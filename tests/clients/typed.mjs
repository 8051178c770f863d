// Generates TypeScript from an SDL and the operations beside this file, with the stock code generator, into a folder.
import { readFileSync, writeFileSync } from "node:fs";
import { codegen } from "@graphql-codegen/core";
import * as operations from "@graphql-codegen/typescript-operations";
import * as typescript from "@graphql-codegen/typescript";
import { parse } from "graphql";

const [sdl, folder] = process.argv.slice(2);
const source = readFileSync(new URL("typed/operations.graphql", import.meta.url), "utf8");
const output = await codegen({
  filename: `${folder}/generated.ts`,
  schema: parse(readFileSync(sdl, "utf8")),
  documents: [{ location: "operations.graphql", document: parse(source) }],
  config: {
    scalars: { JSON: "unknown", Date: "string", DateTime: "string" },
    strictScalars: true,
    enumsAsTypes: true,
    nonOptionalTypename: true,
    skipTypeNameForRoot: true,
  },
  plugins: [{ typescript: {} }, { operations: {} }],
  pluginMap: { typescript, operations },
});
writeFileSync(`${folder}/generated.ts`, output);
writeFileSync(`${folder}/frontend.ts`, readFileSync(new URL("typed/frontend.ts", import.meta.url)));
