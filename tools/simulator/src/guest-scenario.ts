/** What a seed draws of members that keep no promise. */

import type { Draw } from "@x/testkit"

/**
 * `silent`: suspended for a long time, again and again. `mute`: takes part in everything and acknowledges nothing of
 * streams. `hoarder`: doesn't read, leaves streams open, and ends others while their messages wait. `hostile-member`:
 * sends what no endpoint would.
 */
export const GUEST_KINDS = ["silent", "mute", "hoarder", "hostile-member"] as const
export type GuestKind = (typeof GUEST_KINDS)[number]

export interface GuestScenario {
  /** Members beside the nodes, joined with all of them. */
  readonly guests: readonly GuestKind[]
}

/** One world in four has one to three of them. */
export function drawGuests(draw: Draw): GuestScenario {
  if (!draw.chance(1 / 4)) return { guests: [] }
  return { guests: Array.from({ length: draw.whole(1, 3) }, () => draw.pick(GUEST_KINDS)) }
}
