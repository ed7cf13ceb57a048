// `npm run explore -- [stream] [--scope test|small|large] [--json]`: explores each mode and says what was visited.
import { parseArgs } from "node:util"
import { load } from "./load.mjs"

/** So many states fit the memory of a usual process. */
const STATES_MAX = 1_000_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { scope: { type: "string", default: "small" }, json: { type: "boolean", default: false } },
})
const { explore, MODES, SCOPES, STREAM_PROPERTIES, StreamState, streamScope } = await load()
const isKnown = Object.hasOwn(SCOPES, values.scope) && positionals.every((name) => name === "stream")
if (!isKnown) {
  console.error(`usage: npm run explore -- [stream] [--scope ${Object.keys(SCOPES).join("|")}] [--json]`)
  process.exit(2)
}
for (const mode of MODES) {
  const startMs = performance.now()
  const { counterexample, ...counts } = explore(new StreamState(streamScope(mode, values.scope)), { statesMax: STATES_MAX })
  const seconds = Math.round((performance.now() - startMs) / 100) / 10
  const found = { model: "stream", mode, scope: values.scope, ...counts, properties: STREAM_PROPERTIES.length, seconds, counterexample }
  if (values.json) console.log(JSON.stringify(found))
  else {
    const { states, transitions, depth, isExhaustive } = counts
    console.log(
      `stream ${mode}: ${states} states, ${transitions} transitions, depth ${depth}, ${found.properties} properties, ${seconds} s` +
        (isExhaustive ? "" : ": not all states of the scope"),
    )
    if (counterexample !== undefined)
      console.log(
        `  broken: ${counterexample.property}: ${counterexample.seen}\n  ${counterexample.trace.join("\n  ")}${counterexample.isLater ? "\n  and goes on without faults" : ""}`,
      )
  }
  if (counterexample !== undefined) process.exitCode = 1
}
