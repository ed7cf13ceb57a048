/** What is held when nothing is left to collect. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Collects garbage: what is measured afterwards is what is held. */
function collect(): void {
  setFlagsFromString("--expose-gc")
  const gc = runInNewContext("gc") as () => void
  // What the first round finishes the second one frees.
  for (let round = 0; round < 2; round++) gc()
}

export function heldBytes(): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
