/** Checks that the counters agree with what happened. */

import type { LinkOptions, Network } from "@x/transport/simulated"
import type { DropReason } from "@x/wire"
import type { GuestKind } from "./guest-scenario.ts"
import type { Judge } from "./judge.ts"
import type { Node } from "./node.ts"
import type { PathFault } from "./path-scenario.ts"
import type { Disaster, Scenario } from "./scenario.ts"

type Cause = keyof LinkOptions | Disaster | PathFault | GuestKind | "always"

/** The possible causes of drops, by reason. */
const CAUSES: Partial<Record<DropReason, readonly Cause[]>> = {
  // Bits of the prefix are checked before the checksum.
  ...group(["too-short", "too-long", "version", "profile", "reserved", "tag"], ["corruptRate"]),
  // A datagram of an association that is over: the other side learns of that only later.
  ...group(["unknown-slot", "stale", "duplicate", "tag", "token", "unexpected", "not-welcome"], ["always"]),
  ...group(["stream-closed", "mode-changed", "duplicate-packet", "not-open", "late", "no-room", "rate"], ["always"]),
  ...group(["streams-full", "peers-full", "beyond-spread"], ["always"]),
  ...group(["not-sent", "piece-conflict", "message-too-large"], ["hostile-member"]),
}

function group(
  reasons: readonly DropReason[],
  causes: readonly Cause[],
): Partial<Record<DropReason, readonly Cause[]>> {
  return Object.fromEntries(reasons.map((reason) => [reason, causes]))
}

export function checkCounters(
  judge: Judge,
  network: Network,
  nodes: readonly Node[],
  { faults, disasters, pathFaults, guests }: Scenario,
): void {
  const causes = new Set<Cause>([
    "always",
    ...guests,
    ...[faults, disasters, pathFaults].flatMap((kinds) => Object.keys(kinds) as Cause[]),
  ])
  for (const { name, process } of nodes) {
    const { drops, transport } = process.endpoint.stats()
    for (const [reason, count] of Object.entries(drops) as [DropReason, number][]) {
      const explained = CAUSES[reason]?.some((cause) => causes.has(cause)) === true
      judge.check(
        count === 0 || explained,
        "counters",
        () => `${name}: ${count} drops of "${reason}", which nothing here explains`,
      )
    }
    judge.check(
      transport.errors.other === 0,
      "counters",
      () => `${name}: ${transport.errors.other} socket errors without a name`,
    )
  }
  for (const from of nodes) {
    for (const to of nodes) {
      if (from === to) continue
      const { sent, counts } = network.linkOf(from.name, to.name)
      const sum = Object.values(counts).reduce((total, count) => total + count, 0)
      judge.check(sent === sum, "conservation", () => `${from.name} > ${to.name}: ${sent} sent, ${sum} accounted for`)
    }
  }
}
