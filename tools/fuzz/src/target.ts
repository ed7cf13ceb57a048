/** A target takes any bytes. An error it throws is a finding. */
import type { Random } from "@x/transport/simulated"

export interface Target {
  readonly name: string
  /** The number of inputs in a run without options. */
  readonly inputs: number
  make(random: Random): Uint8Array
  run(input: Uint8Array): void | Promise<void>
}

/** Throws, with a description, if an expectation of the code under test doesn't hold. */
export function must(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(what())
}
