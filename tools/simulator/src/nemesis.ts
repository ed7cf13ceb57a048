/** Disasters that happen to nodes and paths. */

import type { DatagramInTransit, LinkOptions, Network } from "@x/transport/simulated"
import type { SocketErrorCode } from "@x/transport/host"
import { isAcknowledgement } from "./acknowledgement.ts"
import { changeLink } from "./link-change.ts"
import type { Draw } from "@x/testkit"
import type { Node } from "./node.ts"
import type { Disaster, Scenario } from "./scenario.ts"

const SEND_ERRORS: readonly SocketErrorCode[] = ["ENOBUFS", "ENETUNREACH", "EPERM", "EAGAIN", "ENETDOWN"]

export interface NemesisWorld {
  readonly network: Network
  readonly nodes: readonly Node[]
  readonly scenario: Scenario
  readonly draw: Draw
  after(ms: number, run: () => void): void
  /** Hears of each, for the record. */
  note(text: string): void
}

export class Nemesis {
  readonly counts: Partial<Record<Disaster, number>> = {}
  /** When the last stall, suspension or clog is over. */
  busyUntilMs = 0
  readonly #world: NemesisWorld
  /** Directions on which no acknowledgement gets through. */
  readonly #muted = new Set<string>()
  readonly #restarting = new Set<Node>()

  constructor(world: NemesisWorld) {
    this.#world = world
  }

  /** Whether a datagram goes on. */
  keeps({ from, to, bytes }: DatagramInTransit): boolean {
    return this.#muted.size === 0 || !(this.#muted.has(`${from}>${to}`) && isAcknowledgement(bytes))
  }

  strike(disaster: Disaster): void {
    const { nodes, draw, network } = this.#world
    const node = draw.pick(nodes)
    if (!node.process.isUp) return
    let other = draw.pick(nodes)
    while (other === node) other = draw.pick(nodes)
    const ms = draw.scale(...this.#world.scenario.durationMs)
    this.counts[disaster] = (this.counts[disaster] ?? 0) + 1
    this.#world.note(`${disaster} ${node.label} ${other.label} ${Math.round(ms)} ms`)
    const { host } = node.process
    switch (disaster) {
      case "crash":
        node.crash()
        return this.#restart(node, ms)
      case "close":
        return this.close(node, ms)
      case "leave":
        return node.process.leave(other.process)
      case "partition":
        network.partition(node.name, other.name)
        return this.#after(ms, () => network.heal(node.name, other.name))
      case "one-way":
        network.partition(node.name, other.name, { both: false })
        return this.#after(ms, () => network.heal(node.name, other.name))
      case "clog":
        this.#busyFor(ms)
        return network.clog(node.name, other.name, ms)
      case "stall":
        this.#busyFor(ms)
        return host.stall(ms)
      case "suspend":
        this.#busyFor(ms)
        return host.suspend(ms)
      case "clock-jump":
        return host.jumpClock(Math.round(ms))
      case "send-error":
        host.failSends(draw.pick(SEND_ERRORS))
        return this.#after(ms, () => host.failSends(undefined))
      case "full-socket":
        host.failSends("full")
        return this.#after(ms, () => host.failSends(undefined))
      case "narrow-path":
        return this.#narrow(node, other, ms)
      case "mute": {
        const way = `${node.name}>${other.name}`
        this.#muted.add(way)
        return this.#after(ms, () => this.#muted.delete(way))
      }
      case "weather":
        return this.#weather(node, other)
    }
  }

  /** Ends a process in order, and starts the next one after this many milliseconds. */
  close(node: Node, ms: number): void {
    this.#restarting.add(node)
    void node.close().then(() => this.#restart(node, ms))
  }

  /** Makes the network whole again: nothing blocks any datagram. Returns the nodes that have to be started. */
  heal(whole: LinkOptions): Node[] {
    const { network, nodes } = this.#world
    this.#muted.clear()
    network.heal()
    network.links(whole)
    for (const { process } of nodes) if (!process.isOver) process.host.failSends(undefined)
    return [...this.#restarting]
  }

  #after(ms: number, run: () => unknown): void {
    this.#world.after(ms, () => void run())
  }

  #busyFor(ms: number): void {
    this.busyUntilMs = Math.max(this.busyUntilMs, this.#world.network.now + ms)
  }

  #restart(node: Node, afterMs: number): void {
    this.#restarting.add(node)
    this.#after(afterMs, () => {
      if (this.#restarting.delete(node)) void node.restart()
    })
  }

  /** Datagrams of the usual size don't fit any more; the system reports that. */
  #narrow(node: Node, other: Node, ms: number): void {
    const { network, draw, scenario } = this.#world
    const changes: LinkOptions = { mtuBytes: draw.pick([548, 600, 1_199, 1_200, 1_400]), mtuSilent: false }
    this.#after(ms, changeLink(network, [node.name, other.name], changes, { ...scenario.path, ...scenario.faults }))
  }

  /** One direction gets better or worse, permanently. */
  #weather(node: Node, other: Node): void {
    const { network, draw, scenario } = this.#world
    const { path, faults } = scenario
    const by = draw.pick([0, 0.5, 1, 2])
    const link: LinkOptions = {
      ...path,
      ...faults,
      delayMs: (path.delayMs ?? 0) * draw.pick([0.5, 1, 2, 4]),
      lossRate: Math.min(0.5, (faults.lossRate ?? 0.01) * by),
    }
    network.link(node.name, other.name, link)
  }
}
