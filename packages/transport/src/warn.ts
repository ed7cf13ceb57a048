import type { Capabilities } from "./transport.ts"
import { runtimeOf } from "./runtime.ts"

let isTold = false

/**
 * Tells the program's user, once, that this runtime could do better. Without the native helper, which a bundler or an
 * installer may leave out, datagrams cost four times the CPU (README, "Runtimes"), and nothing else would say so.
 * Doesn't warn where nothing can be done about it, where it was chosen, or in tests.
 */
export function warnOfLess({ batch, dontFragment, notes }: Capabilities, runtime: typeof process = process): void {
  if (isTold || (batch && dontFragment) || !couldDoMore(runtime)) return
  isTold = true
  const missing = [
    ...(batch ? [] : ["datagrams go one by one, and slower"]),
    ...(dontFragment ? [] : ["long ones may be fragmented"]),
  ]
  runtime.emitWarning(
    `${missing.join(", and ")}: ${notes.filter((note) => !note.startsWith("SO_")).join("; ")}. X_TRANSPORT=dgram in the environment chooses that and silences this warning`,
    { type: "TransportWarning", code: "X_TRANSPORT_LESS" },
  )
}

/** Only Node on Linux can have everything; on other systems and runtimes `capabilities.notes` tells what is missing. */
function couldDoMore({ platform, versions, env }: typeof process): boolean {
  const hasBatches = runtimeOf(versions).helper === "batches"
  return platform === "linux" && hasBatches && env["X_TRANSPORT"] !== "dgram" && env["NODE_ENV"] !== "test"
}
