/** Measures memory when nothing is left to collect. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Collects garbage: the memory measured afterwards is held. */
function collect(): void {
  setFlagsFromString("--expose-gc")
  const gc = runInNewContext("gc") as () => void
  // The second round frees what the first one finalised.
  for (let round = 0; round < 2; round++) gc()
}

export function heldBytes(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
