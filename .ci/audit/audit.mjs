// Holds the gateway at GATEWAY_URL against the audits of GraphQL over HTTP
// (github.com/graphql/graphql-http). What must or should be has to be.
import { serverAudits } from "graphql-http";

const url = new URL("/graphql", process.env.GATEWAY_URL).href;
const seen = { ok: 0, notice: 0, warn: 0, error: 0 };
for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const result = await audit.fn();
  seen[result.status]++;
  if (result.status !== "ok") {
    console.log(`${result.status}: ${result.name}: ${result.reason ?? ""}`);
  }
}
console.log(seen);
process.exitCode = seen.error + seen.warn > 0 || seen.ok === 0 ? 1 : 0;
