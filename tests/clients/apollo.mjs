// Queries, changes and subscribes with Apollo Client, its automatic persisted queries switched on; prints what came as JSON.
import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, socketUrl, token] = process.argv.slice(2);
const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: { token }, retryAttempts: 0 });
const persisted = new PersistedQueryLink({ sha256: (text) => createHash("sha256").update(text).digest("hex") });
const http = new HttpLink({ uri: url, headers: { authorization: `Bearer ${token}` } });
const client = new ApolloClient({
  cache: new InMemoryCache({ possibleTypes: { Problem: ["InvalidInput", "NotFound"] } }),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    ApolloLink.from([persisted, http]),
  ),
});
const PERSON = gql`
  query {
    profile(by: { externalId: "u-1" }) {
      id
      version
      traits
    }
  }
`;
const DELETE = gql`
  mutation {
    deleteSegment(input: { key: "nothing" }) {
      ... on Problem {
        code
      }
    }
  }
`;
const WATCH = gql`
  subscription {
    profileChanges(profile: { externalId: "u-1" }) {
      kind
      profile {
        id
        traits
      }
    }
  }
`;
const first = await client.query({ query: PERSON });
const again = await client.query({ query: PERSON, fetchPolicy: "network-only" });
const deleted = await client.mutate({ mutation: DELETE });
const change = await new Promise((resolve, reject) =>
  client.subscribe({ query: WATCH }).subscribe({ next: (result) => resolve(result.data), error: reject }),
);
console.log(
  JSON.stringify({
    profile: first.data.profile,
    again: again.data.profile,
    code: deleted.data.deleteSegment.code,
    change: change.profileChanges,
  }),
);
socket.terminate();
process.exit(0);
