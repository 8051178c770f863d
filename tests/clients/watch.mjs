// Subscribes with the stock graphql-ws client and prints every message as a line of JSON with its time of arrival.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, token, query, variables = "{}"] = process.argv.slice(2);
const client = createClient({ url, webSocketImpl: WebSocket, connectionParams: { token }, retryAttempts: 0 });

client.subscribe(
  { query, variables: JSON.parse(variables) },
  {
    next: (result) => console.log(JSON.stringify({ received: Date.now() / 1000, ...result })),
    error: (error) => {
      console.error(JSON.stringify(error));
      process.exit(1);
    },
    complete: () => process.exit(0),
  },
);
