// Serves the people of bench/memory.py by Mercurius with its JIT: serve.mjs PORT jit|loaders
import Fastify from "fastify";
import mercurius from "mercurius";

const [port, kind] = process.argv.slice(2);
const PEOPLE = 100;
const SEGMENTS = 5;

const schema = `
  type Segment { id: ID! name: String! }
  type Profile { id: ID! name: String! visits: Int! score: Float! segments: [Segment!]! }
  type Query { profile(id: ID!): Profile profiles: [Profile!]! }
`;
const held = (number) => ({ id: `s${number}`, name: `segment ${number}` });
const person = (number) => ({
  id: `p${number}`,
  name: `person ${number}`,
  visits: number,
  score: number / 4,
  segments: Array.from({ length: SEGMENTS }, (_, n) => held(n)),
});
const everyone = Array.from({ length: PEOPLE }, (_, number) => person(number));
const byId = new Map(everyone.map((each) => [each.id, each]));

const resolvers = { Query: { profile: (_, { id }) => byId.get(id) ?? null, profiles: () => everyone } };
const loaders = { Profile: { segments: async (queries) => queries.map(({ obj }) => byId.get(obj.id).segments) } };

const app = Fastify();
app.register(mercurius, { schema, resolvers, jit: 1, ...(kind === "loaders" ? { loaders } : {}) });
await app.listen({ host: "127.0.0.1", port: Number(port) });
