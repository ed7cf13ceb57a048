/** Who does what while faults go on: each on times of its own, so that one more of them leaves the others as they were. */

import type { Doings } from "./doings.ts"
import type { MixOfNodes } from "./mix.ts"
import type { Nemesis } from "./nemesis.ts"
import type { Node } from "./node.ts"
import type { PathNemesis } from "./path-nemesis.ts"
import { PATH_FAULTS } from "./path-scenario.ts"
import { DISASTERS, DOINGS, type Scenario } from "./scenario.ts"
import type { Timers } from "./timers.ts"
import type { Workload } from "./workload.ts"
import { Draw } from "@x/testkit"

export interface Actors {
  readonly scenario: Scenario
  readonly actors: Timers
  readonly nodes: readonly Node[]
  readonly workload: Workload
  readonly nemesis: Nemesis
  readonly pathNemesis: PathNemesis
  readonly doings: Doings
  readonly mix: MixOfNodes | undefined
}

export function startActors({ scenario, actors, nodes, workload, nemesis, pathNemesis, doings, mix }: Actors): void {
  const { seed, traffic } = scenario
  const draw = new Draw(seed, "times")
  for (const node of nodes)
    actors.every(
      () => draw.around(traffic.intervalMs),
      () => node.process.isUp && workload.act(node.process),
    )
  /** Each of a kind that is there, at its own mean interval. */
  const each = <T extends string>(
    kinds: readonly T[],
    meansMs: Readonly<Partial<Record<T, number>>>,
    times: Draw,
    act: (kind: T) => void,
  ): void => {
    for (const kind of kinds) {
      const meanMs = meansMs[kind]
      if (meanMs !== undefined)
        actors.every(
          () => times.around(meanMs),
          () => act(kind),
        )
    }
  }
  each(DISASTERS, scenario.disasters, draw, (disaster) => nemesis.strike(disaster))
  each(PATH_FAULTS, scenario.pathFaults, new Draw(seed, "times of path faults"), (fault) => pathNemesis.strike(fault))
  each(DOINGS, scenario.doings, new Draw(seed, "times of doings"), (doing) => doings.do(doing))
  startMix(scenario, actors, nodes, mix)
}

function startMix({ seed, mix }: Scenario, actors: Timers, nodes: readonly Node[], ofNodes?: MixOfNodes): void {
  if (mix === undefined || ofNodes === undefined) return
  const draw = new Draw(seed, "times of topics and requests")
  for (const node of nodes) {
    actors.every(
      () => draw.around(mix.fanOutMs),
      () => ofNodes.actWithTopics(node.process),
    )
    actors.every(
      () => draw.around(mix.requestsMs),
      () => ofNodes.actWithRequests(node.process),
    )
  }
}
