// Audits a GraphQL endpoint against the GraphQL-over-HTTP specification and prints what is not plainly right as JSON.
import { auditServer } from "graphql-http";

const [url, token] = process.argv.slice(2);
const results = await auditServer({
  url,
  fetchFn: (address, init = {}) =>
    fetch(address, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } }),
});
const wrong = results.filter((result) => result.status !== "ok");
console.log(
  JSON.stringify({
    audits: results.length,
    wrong: wrong.map(({ id, name, status, reason }) => `${id} ${name}: ${status}, ${reason}`),
  }),
);
