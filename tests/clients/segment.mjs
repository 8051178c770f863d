// Sends one call of each type through Segment's Node SDK, and reports what became of the requests as JSON.
import { Analytics } from "@segment/analytics-node";

const [host, writeKey, retries = 1] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, flushAt: 3, maxRetries: Number(retries) });
const statuses = [];
const errors = [];
analytics.on("http_request", () => statuses.push("sent"));
analytics.on("error", (error) => errors.push(String(error.code)));

const context = { consent: { categoryPreferences: { functional: true, analytics: true, personalization: true } } };
const who = { userId: "node-user", anonymousId: "node-visitor", context };
analytics.identify({ ...who, traits: { plan: "gold" } });
analytics.track({ ...who, event: "product_view", properties: { product_id: "p1" } });
analytics.page({ ...who, name: "Home" });
analytics.screen({ ...who, name: "Start" });
analytics.group({ ...who, groupId: "team-1", traits: { plan: "gold" } });
analytics.alias({ userId: "node-user", previousId: "node-visitor", context });
await analytics.closeAndFlush();
console.log(JSON.stringify({ requests: statuses.length, errors }));
