// SPDX-License-Identifier: Apache-2.0
//
// kubernetes.mjs <DOCUMENTS: the YAML documents of packaging/kubernetes, as one JSON array. Each has to be valid by the
// schema that Kubernetes publishes for its kind; then the admission policy's own expressions (CEL) decide about pods and
// namespaces, and have to decide as the policy's head says.

import { run } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { readFileSync } from "node:fs";

const documents = JSON.parse(readFileSync(0, "utf8"));

async function validate(document) {
  const { [document.kind]: Kind } = await import(`kubernetes-models/${document.apiVersion}/${document.kind}`);
  new Kind(document).validate();
}

async function isInvalid(document) {
  try {
    await validate(document);
  } catch {
    return true;
  }
  return false;
}

// CEL's maps and lists.
function cel(value) {
  if (Array.isArray(value)) return value.map(cel);
  if (value === null || typeof value !== "object") return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, cel(inner)]));
}

// Whether the policy lets a pod of this class into a namespace with these labels. An error is a denial, as it is with
// failurePolicy: Fail.
function admits(policy, runtimeClassName, labels) {
  const object = { metadata: { name: "p" }, spec: runtimeClassName === undefined ? {} : { runtimeClassName } };
  const namespaceObject = { metadata: { name: "n", labels: { "kubernetes.io/metadata.name": "n", ...labels } } };
  const bindings = { object: cel(object), namespaceObject: cel(namespaceObject), variables: new Map() };
  const evaluate = (expression) => {
    const result = run(expression, bindings, { funcs: strings });
    if (result instanceof Error) throw result;
    return result;
  };
  try {
    for (const { name, expression } of policy.spec.variables) bindings.variables.set(name, evaluate(expression));
    return policy.spec.validations.every(({ expression }) => evaluate(expression) === true);
  } catch (error) {
    if (process.env.DEBUG) console.error(error);
    return false;
  }
}

const agent = "sallyport-hermes-agent";
const gateway = "sallyport-hermes-gateway";
const mayAgent = { [`io.sallyport/${agent}`]: "allowed" };
const sealed = { "io.sallyport/sealed": "required" };
const cases = [
  // class, labels of the namespace, whether it is let in
  [undefined, {}, true],
  ["gvisor", {}, true],
  [agent, {}, false],
  [agent, mayAgent, true],
  [gateway, mayAgent, false],
  [agent, { [`io.sallyport/${agent}`]: "denied" }, false],
  [agent, { [`io.sallyport/${gateway}`]: "allowed" }, false],
  ["sallyport", mayAgent, false],
  ["sallyport-", mayAgent, false],
  [agent, { ...mayAgent, ...sealed }, true],
  [gateway, { ...mayAgent, ...sealed }, false],
  [undefined, { ...mayAgent, ...sealed }, false],
  ["gvisor", { ...mayAgent, ...sealed }, false],
  ["", { ...mayAgent, ...sealed }, false],
];

let failed = 0;
let passed = 0;
function expect(what, truth) {
  if (truth) passed++;
  else failed++;
  if (!truth) console.log(`failed: ${what}`);
}

for (const document of documents) {
  try {
    await validate(document);
    expect("", true);
  } catch (error) {
    expect(`${document.kind} ${document.metadata.name}: ${error.message}`, false);
  }
}
// The schemas notice a wrong type and what is missing; a field that they do not know they pass over (typescript.py).
const [daemonSet] = documents.filter(({ kind }) => kind === "DaemonSet");
expect("a selector of a wrong type is valid", await isInvalid({ ...daemonSet, spec: { ...daemonSet.spec, selector: "x" } }));
expect("a DaemonSet without a template is valid", await isInvalid({ ...daemonSet, spec: { selector: daemonSet.spec.selector } }));

const [policy] = documents.filter(({ kind }) => kind === "ValidatingAdmissionPolicy");
const [binding] = documents.filter(({ kind }) => kind === "ValidatingAdmissionPolicyBinding");
expect("the policy is not bound, or does not deny", binding.spec.policyName === policy.metadata.name &&
  binding.spec.validationActions.includes("Deny") && policy.spec.failurePolicy === "Fail");
for (const [runtimeClass, labels, wanted] of cases)
  expect(`class ${runtimeClass}, labels ${JSON.stringify(labels)}: wanted ${wanted}`, admits(policy, runtimeClass, labels) === wanted);
// Each validation decides something: without it, something is let in that must not be.
policy.spec.validations.forEach((_, index) => {
  const weaker = structuredClone(policy);
  weaker.spec.validations.splice(index, 1);
  expect(`validation ${index} decides nothing`, cases.some(([name, labels, wanted]) => admits(weaker, name, labels) && !wanted));
});
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
