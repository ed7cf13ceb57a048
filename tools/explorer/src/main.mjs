// `npm run explore -- [stream] [join] [--scope test|small|large] [--json]`: explores each mode of a stream and each
// scene of a join, and prints what was visited.
import { parseArgs } from "node:util"
import { load } from "./load.mjs"

/** This many states fit into the memory of an ordinary process. */
const STATES_MAX = 1_000_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { scope: { type: "string", default: "small" }, json: { type: "boolean", default: false } },
})
const { explore, JOIN_PROPERTIES, JOIN_SCOPES, JoinState, MODES, SCOPES, STREAM_PROPERTIES, StreamState, streamScope } =
  await load()
const MODELS = {
  stream: () =>
    MODES.map((mode) => ({
      name: mode,
      properties: STREAM_PROPERTIES,
      start: () => new StreamState(streamScope(mode, values.scope)),
    })),
  join: () =>
    Object.entries(JOIN_SCOPES).map(([name, scopes]) => ({
      ...{ name, properties: JOIN_PROPERTIES, start: () => new JoinState(scopes[values.scope]) },
    })),
}
const isKnown = Object.hasOwn(SCOPES, values.scope) && positionals.every((name) => Object.hasOwn(MODELS, name))
if (!isKnown) {
  console.error(
    `usage: npm run explore -- [${Object.keys(MODELS).join("] [")}] [--scope ${Object.keys(SCOPES).join("|")}] [--json]`,
  )
  process.exit(2)
}
for (const model of positionals.length > 0 ? positionals : Object.keys(MODELS))
  for (const part of MODELS[model]()) run(model, part)

function run(model, { name, properties, start }) {
  const startMs = performance.now()
  const { counterexample, ...counts } = explore(start(), { statesMax: STATES_MAX })
  const seconds = Math.round((performance.now() - startMs) / 100) / 10
  const found = {
    model,
    mode: name,
    scope: values.scope,
    ...counts,
    properties: properties.length,
    seconds,
    counterexample,
  }
  if (values.json) console.log(JSON.stringify(found))
  else {
    const { states, transitions, depth, isExhaustive } = counts
    console.log(
      `${model} ${name}: ${states} states, ${transitions} transitions, depth ${depth}, ${found.properties} properties, ${seconds} s` +
        (isExhaustive ? "" : ": not all states of the scope"),
    )
    if (counterexample !== undefined)
      console.log(
        `  broken: ${counterexample.property}: ${counterexample.seen}\n  ${counterexample.trace.join("\n  ")}${counterexample.isLater ? "\n  and goes on without faults" : ""}`,
      )
  }
  if (counterexample !== undefined) process.exitCode = 1
}
