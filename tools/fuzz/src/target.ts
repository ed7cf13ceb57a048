/** Something that takes any bytes. What it throws is a finding. */
import type { Random } from "@x/transport/simulated"

export interface Target {
  readonly name: string
  /** Inputs of a bare run. */
  readonly inputs: number
  make(random: Random): Uint8Array
  run(input: Uint8Array): void | Promise<void>
}

/** Says what was expected of the code under test and is not so. */
export function must(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(what())
}
