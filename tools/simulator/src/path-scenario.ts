/**
 * What a seed draws of paths and addresses that change while datagrams are under way.
 *
 * @module
 */

import type { NatOptions } from "@x/transport/simulated"
import type { Draw } from "@x/testkit"

/** What happens to paths and addresses, without a word to the endpoints. */
export const PATH_FAULTS = ["mtu", "nat", "move", "rebind", "rate", "aqm", "policer", "attacker"] as const
export type PathFault = (typeof PATH_FAULTS)[number]

/**
 * UDP payloads of paths of 1,280 B and 700 B, the smallest that there is, and those of 1,500 B and 9,000 B, all in IPv6
 * but the smallest.
 */
export const MTU_BYTES = [548, 652, 1_232, 1_452, 8_952] as const

export interface PathScenario {
  /** Mean milliseconds between two faults of a kind. */
  readonly pathFaults: Partial<Record<PathFault, number>>
  /** Bounds of how long they last. */
  readonly pathFaultMs: readonly [number, number]
  /**
   * The node whose address changes, by its number. There is one: two that move at once would lose each other for good,
   * each writing to where the other was.
   */
  readonly mobile: number
  /** The NAT that it is behind: then it joins all others, and nobody joins it. */
  readonly nat: NatOptions | undefined
  /** The longest UDP payload that paths carry after the faults, longer ones are lost in silence; default: no limit. */
  readonly lastMtuBytes: number | undefined
}

/** Half of the seeds have none of it. */
export function drawPaths(draw: Draw, nodes: number): PathScenario {
  const viciousness = draw.pick([0, 0, 0.25, 0.5])
  const pathFaults: Partial<Record<PathFault, number>> = {}
  for (const fault of PATH_FAULTS) if (draw.chance(viciousness)) pathFaults[fault] = draw.scale(3_000, 40_000)
  return {
    pathFaults,
    pathFaultMs: draw.pick([
      [10, 500],
      [100, 5_000],
      [1_000, 20_000],
    ]),
    mobile: draw.whole(0, nodes - 1),
    nat: drawNat(draw, pathFaults.nat !== undefined),
    lastMtuBytes:
      draw.chance(0.5) && pathFaults.mtu !== undefined ? draw.pick(MTU_BYTES.filter((b) => b < 2_000)) : undefined,
  }
}

function drawNat(draw: Draw, isThere: boolean): NatOptions | undefined {
  const kinds = ["endpoint-independent", "address-dependent", "address-and-port-dependent"] as const
  const nat = { mapping: draw.pick(kinds), filtering: draw.pick(kinds) }
  return isThere ? nat : undefined
}
