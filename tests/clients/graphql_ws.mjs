// Follows segmentChanges with the graphql-ws client and prints each payload as a line of JSON. Every `stay` payloads it
// drops the connection without a word and goes on after its cursor, until it has heard of `enough` segments.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, token, stay, enough] = process.argv.slice(2);
const query = `subscription ($after: String) { segmentChanges(profile: { externalId: "u-1" }, after: $after) {
  cursor kind segmentKey profileVersion } }`;
const heard = new Set();
let after = null;

while (heard.size < Number(enough)) {
  const client = createClient({ url, webSocketImpl: WebSocket, connectionParams: { token }, retryAttempts: 0 });
  let left = Number(stay);
  try {
    for await (const { data, errors } of client.iterate({ query, variables: { after } })) {
      if (errors) throw new Error(JSON.stringify(errors));
      const change = data.segmentChanges;
      console.log(JSON.stringify(change));
      after = change.cursor ?? after;
      if (change.segmentKey) heard.add(change.segmentKey);
      left -= 1;
      if (heard.size >= Number(enough) || (left <= 0 && after)) break;
    }
  } finally {
    client.terminate();
  }
}
