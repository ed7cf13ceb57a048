import type { Capabilities } from "./transport.ts"
import { runtimeOf } from "./runtime.ts"

let isTold = false

/**
 * Tells the program's user, once, that this runtime could do better than it does: what a bundler or an installer left
 * out is a tenth of the speed, and nothing else would say so. Not where nothing can be done about it, nor where it was
 * chosen, nor in tests.
 */
export function warnOfLess({ batch, dontFragment, notes }: Capabilities, runtime: typeof process = process): void {
  if (isTold || (batch && dontFragment) || !couldDoMore(runtime)) return
  isTold = true
  const missing = [
    ...(batch ? [] : ["datagrams go one by one, and slower"]),
    ...(dontFragment ? [] : ["long ones may be fragmented"]),
  ]
  runtime.emitWarning(
    `${missing.join(", and ")}: ${notes.filter((note) => !note.startsWith("SO_")).join("; ")}. X_TRANSPORT=dgram in the environment says that it is meant so`,
    { type: "TransportWarning", code: "X_TRANSPORT_LESS" },
  )
}

/** Node on Linux has all of it; other systems and runtimes are as they are, which `capabilities.notes` says. */
function couldDoMore({ platform, versions, env }: typeof process): boolean {
  const hasBatches = runtimeOf(versions).helper === "batches"
  return platform === "linux" && hasBatches && env["X_TRANSPORT"] !== "dgram" && env["NODE_ENV"] !== "test"
}
