// Runs every audit of graphql-http against a server: node audit.mjs http://127.0.0.1:8000/graphql
// Fails when one audit fails, whether the specification says MUST, SHOULD or MAY.
import { serverAudits } from "graphql-http";

const url = process.argv[2];
if (!url) {
  console.error("usage: node audit.mjs URL");
  process.exit(2);
}

const audits = serverAudits({ url });
let passed = 0;
for (const audit of audits) {
  const result = await audit.fn();
  if (result.status === "ok") {
    passed += 1;
  } else {
    console.log(`${result.status} ${result.id} ${result.name}: ${result.reason}`);
  }
}
console.log(`${passed} of ${audits.length} audits pass`);
process.exitCode = passed === audits.length ? 0 : 1;
