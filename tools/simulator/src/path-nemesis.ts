/** Faults of paths and addresses: what changes on the way, and who copies datagrams there. */

import type { Address } from "@x/transport/host"
import type { AqmOptions, DatagramInTransit, LinkOptions } from "@x/transport/simulated"
import type { Draw } from "@x/testkit"
import type { Judge } from "./judge.ts"
import { changeLink } from "./link-change.ts"
import type { NemesisWorld } from "./nemesis.ts"
import type { Node } from "./node.ts"
import { MTU_BYTES, type PathFault } from "./path-scenario.ts"
import { PORT } from "./process.ts"
import { Whereabouts } from "./whereabouts.ts"

/** The machine of who copies datagrams. No process of ours runs there. */
export const ATTACKER = "attacker"
/** They concern the mobile node alone. */
const MOVING: ReadonlySet<PathFault> = new Set<PathFault>(["nat", "move", "rebind"])
/** What may go to an address that has proved nothing, for each byte that came from there: RFC 9000 §8.1. */
const AMPLIFICATION = 3

export interface PathNemesisWorld extends NemesisWorld {
  readonly judge: Judge
}

/** Copies of the datagrams of one direction. */
interface Copying {
  readonly from: Node
  readonly to: Node
  readonly delayMs: number
  /** One of so many datagrams is copied. */
  readonly every: number
  count: number
}

export class PathNemesis {
  readonly counts: Partial<Record<PathFault, number>> = {}
  /** Of the mobile node. */
  readonly whereabouts: Whereabouts
  /** When the last copy arrives from elsewhere. */
  copiedMs: number = -Infinity
  /** The processes that may be held elsewhere than the node is now. */
  readonly lost: Set<string> = new Set()
  readonly #world: PathNemesisWorld
  readonly #copying = new Set<Copying>()
  /** Bytes from the attacker's address to a node, and back. */
  readonly #bytes = new Map<string, { came: number; went: number }>()
  readonly #forged: Address | undefined

  constructor(world: PathNemesisWorld) {
    this.#world = world
    const { network, scenario, nodes } = world
    this.whereabouts = new Whereabouts(scenario.options.unreachableMs!)
    if (scenario.nat !== undefined) network.nat(nodes[scenario.mobile]!.name, scenario.nat)
    if (scenario.pathFaults.attacker === undefined) return
    const { addresses } = network.host(ATTACKER).machine
    this.#forged = { ...addresses.find(({ family }) => family === 4)!, port: 9 }
  }

  /** Whether an address is the attacker's. */
  isForged({ host }: Address): boolean {
    return host === this.#forged?.host
  }

  strike(fault: PathFault): void {
    const { draw, scenario } = this.#world
    const [node, other] = this.#pair(fault)
    const ms = draw.scale(...scenario.pathFaultMs)
    this.counts[fault] = (this.counts[fault] ?? 0) + 1
    const mobile = this.#mobile
    const place = MOVING.has(fault) ? mobile.label : `${node.label} ${other.label}`
    this.#world.note(`${fault} ${place} ${Math.round(ms)} ms`)
    switch (fault) {
      case "mtu":
        return this.#changeMtu(node, other, ms)
      case "nat":
        return this.#rebindNat(mobile, ms)
      case "move":
        this.#move(mobile)
        return this.#world.network.move(mobile.name)
      case "rebind":
        return this.#rebind(mobile)
      case "rate":
        return this.#changeRate(node, other, ms)
      case "aqm":
        return this.#change(node, other, ms, { ...this.#slow(2_000_000, 50_000_000), aqm: drawAqm(draw) })
      case "policer": {
        const policer = { rateBitsPerSecond: draw.scale(1_000_000, 50_000_000), burstBytes: draw.scale(3_000, 200_000) }
        return this.#change(node, other, ms, { policer })
      }
      case "attacker":
        return this.#copy(node, other, ms)
    }
  }

  /** Sees each datagram before its link does. */
  see({ from, to, bytes }: DatagramInTransit): void {
    const forged = this.#forged
    if (forged === undefined) return
    if (to === ATTACKER) {
      const sums = this.#sumsOf(from)
      sums.went += bytes.length
      this.#world.judge.check(
        sums.went <= AMPLIFICATION * sums.came,
        "amplification",
        () => `${from}: ${sums.went} B went to an address that sent ${sums.came} B and proved nothing`,
      )
    }
    const { network } = this.#world
    for (const it of this.#copying) {
      if (it.from.name !== from || it.to.name !== to || it.count++ % it.every > 0) continue
      const there = it.to.process.host.machine.addresses.find(({ family }) => family === 4)!
      network.inject(forged, { ...there, port: it.to.port }, bytes, it.delayMs)
      this.#sumsOf(to).came += bytes.length
      const arrivesMs = network.now + it.delayMs
      this.copiedMs = Math.max(this.copiedMs, arrivesMs)
      if (it.from === this.#mobile || it.to === this.#mobile) this.whereabouts.copied(network.now, arrivesMs)
    }
  }

  /**
   * Nobody copies anything from now on, and a node whose address is gone is told: by itself it looks for others ever
   * less often, up to a minute apart.
   */
  heal(): void {
    this.#copying.clear()
    const { process } = this.#mobile
    if (!process.isUp) return
    const { addresses } = process.host.machine
    if (!process.endpoint.addresses.every(({ host }) => addresses.some((one) => one.host === host)))
      this.#askForSockets(this.#mobile, process.port)
  }

  #sumsOf(name: string): { came: number; went: number } {
    let sums = this.#bytes.get(name)
    if (sums === undefined) this.#bytes.set(name, (sums = { came: 0, went: 0 }))
    return sums
  }

  /** Two different nodes; who is behind a NAT can't be written to from elsewhere. */
  #pair(fault: PathFault): [Node, Node] {
    const { nodes, draw, scenario } = this.#world
    let node = draw.pick(nodes)
    let other = draw.pick(nodes)
    while (other === node) other = draw.pick(nodes)
    if (fault === "attacker" && scenario.nat !== undefined && other === this.#mobile) [node, other] = [other, node]
    return [node, other]
  }

  get #mobile(): Node {
    return this.#world.nodes[this.#world.scenario.mobile]!
  }

  #after(ms: number, run: () => void): void {
    this.#world.after(ms, run)
  }

  get #usual(): LinkOptions {
    return { ...this.#world.scenario.path, ...this.#world.scenario.faults }
  }

  /** Changes one direction for a while, or both. */
  #change(node: Node, other: Node, ms: number, changes: LinkOptions): void {
    const { network, draw } = this.#world
    const ways = [[node.name, other.name] as const, [other.name, node.name] as const].slice(0, draw.pick([1, 2, 2]))
    const restores = ways.map((way) => changeLink(network, way, changes, this.#usual))
    this.#after(ms, () => restores.forEach((restore) => restore()))
  }

  /** Up to three sizes, one after the other; then there is no limit again. */
  #changeMtu(node: Node, other: Node, ms: number): void {
    const { draw } = this.#world
    const steps = draw.whole(1, 3)
    for (let i = 0; i < steps; i++) {
      const mtuBytes = draw.pick(MTU_BYTES)
      this.#after((i * ms) / steps, () => this.#change(node, other, ms / steps, { mtuBytes, mtuSilent: true }))
    }
  }

  /** Rates of 1 to 100 Mbit/s, one after the other. */
  #changeRate(node: Node, other: Node, ms: number): void {
    const steps = this.#world.draw.whole(1, 4)
    for (let i = 0; i < steps; i++) {
      const slow = this.#slow(1_000_000, 100_000_000)
      this.#after((i * ms) / steps, () => this.#change(node, other, ms / steps, slow))
    }
  }

  /** A rate with a queue that is bounded in bytes, or in packets. */
  #slow(min: number, max: number): LinkOptions {
    const { draw } = this.#world
    const rateBitsPerSecond = draw.scale(min, max)
    return draw.chance(0.5)
      ? { rateBitsPerSecond, queueBytes: draw.scale(16_384, 1_048_576) }
      : { rateBitsPerSecond, queuePackets: draw.whole(4, 256) }
  }

  /** The node is elsewhere: its processes so far may be known at the address before. */
  #move(node: Node): void {
    this.whereabouts.moved(this.#world.network.now)
    for (const unique of node.uniques) this.lost.add(unique)
  }

  /** Its NAT forgets its mappings: once, or again and again for a while. */
  #rebindNat(node: Node, ms: number): void {
    const { network, draw } = this.#world
    const everyMs = draw.chance(0.5) ? Infinity : draw.scale(50, 5_000)
    const untilMs = network.now + ms
    const rebind = (): void => {
      this.#move(node)
      network.rebind(node.name, { address: draw.chance(0.2) })
      if (network.now + everyMs < untilMs) this.#after(everyMs, rebind)
    }
    rebind()
  }

  /**
   * Other sockets: because the application asks for them, on the port that it had or on another one, or because its
   * address is gone.
   */
  #rebind(node: Node): void {
    const { network, draw } = this.#world
    if (!node.process.isUp) return
    const isGone = draw.chance(0.5)
    const port = draw.chance(0.5) ? PORT : draw.whole(PORT + 1, PORT + 999)
    this.#move(node)
    if (isGone) network.move(node.name, { sockets: "stay" })
    // Some applications hear of another network from their system.
    if (!isGone || draw.chance(0.5)) this.#askForSockets(node, port)
  }

  #askForSockets({ process, label }: Node, port: number): void {
    process.endpoint.rebind({ port }).catch((error: unknown) => {
      const isClosed = process.isOver || process.isClosing
      this.#world.judge.check(isClosed, "answers", () => `${label}: rebind was answered with ${String(error)}`)
    })
  }

  #copy(from: Node, to: Node, ms: number): void {
    const { draw } = this.#world
    const delayMs = draw.chance(0.5) ? 0 : draw.scale(1, 5_000)
    const copying: Copying = { from, to, delayMs, every: draw.pick([1, 1, 10]), count: 0 }
    this.#copying.add(copying)
    this.#after(ms, () => this.#copying.delete(copying))
  }
}

function drawAqm(draw: Draw): AqmOptions {
  const minPackets = draw.whole(1, 10)
  const red = { minPackets, maxPackets: 3 * minPackets, averageWeight: draw.pick([0.002, 0.02, 1]) }
  return draw.chance(0.5) ? { kind: "codel", intervalMs: draw.pick([20, 100]) } : { kind: "red", ...red }
}
