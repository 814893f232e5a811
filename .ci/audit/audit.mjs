// Audits the gateway at GATEWAY_URL with the audit suite of GraphQL over HTTP
// (github.com/graphql/graphql-http). Fails if a requirement (MUST) or a
// recommendation (SHOULD) of the specification is not met.
import { serverAudits } from "graphql-http";

const url = new URL("/graphql", process.env.GATEWAY_URL).href;
const counts = { ok: 0, notice: 0, warn: 0, error: 0 };
for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const { name, status, reason } = await audit.fn();
  counts[status]++;
  if (status !== "ok") {
    console.log(`${status}: ${name}: ${reason ?? ""}`);
  }
}
console.log(counts);
process.exitCode = counts.error + counts.warn > 0 || counts.ok === 0 ? 1 : 0;
