// Reads requests as JSON lines, asks iam-simulate about each, and writes what it says as JSON lines, in their order.
import { createInterface } from "node:readline";
import { isWildcardOnlyAction, runSimulation } from "@cloud-copilot/iam-simulate";

/** What of a policy's statement a request was allowed by. */
const grants = (analysis) =>
  (analysis.identityAnalysis?.allowStatements ?? []).map(({ policyId, explain }) => ({
    policy: policyId,
    statement: explain.identifier,
    actions: [explain.actions].flat().filter((one) => one?.matches),
    resources: [explain.resources].flat().filter((one) => one?.matches),
  }));

for await (const line of createInterface({ input: process.stdin })) {
  const { principal, account, action, resource, context, policies, trust } = JSON.parse(line);
  const [service, name] = action.split(":");
  const everywhere = await isWildcardOnlyAction(service, name);
  const said = await runSimulation(
    {
      request: {
        principal,
        action,
        resource: { resource: everywhere ? "*" : resource, accountId: account },
        contextVariables: context,
      },
      identityPolicies: policies,
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(trust ? { resourcePolicy: trust } : {}),
    },
    {},
  );
  const results = said.resultType === "single" ? [said.result] : (said.results ?? []);
  const answer = {
    result: said.resultType === "error" ? said.errors.message : said.overallResult,
    errors: said.errors ?? null,
    grants: results.flatMap((one) => grants(one.analysis)),
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
