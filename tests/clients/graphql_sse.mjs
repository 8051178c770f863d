// Runs a query, a subscription up to its first payload and a wrong query with the graphql-sse client.
import { createClient } from "graphql-sse";

const [url, token] = process.argv.slice(2);
const client = createClient({ url, headers: { authorization: `Bearer ${token}` }, retryAttempts: 0 });

async function first(query) {
  for await (const result of client.iterate({ query })) return result;
}
const query = await first("{ viewer { endUser } }");
const subscription = await first("subscription { segmentChanges { kind } }");
const wrong = await first("{ nothing }");
console.log(JSON.stringify({ query, subscription, wrong }));
client.dispose();
