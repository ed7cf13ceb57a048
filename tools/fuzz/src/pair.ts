/**
 * Two joined endpoints in virtual time, and a third machine between them that replays, alters and forges; if they have
 * keys it can only replay and alter.
 */
import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import { systemHost } from "@x/transport"
import type { Address } from "@x/transport/host"
import { createNetwork, type Network, Random } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { alter } from "./damage.ts"
import { insideOf, pick } from "@x/testkit"
import { type Captured, Eavesdropper } from "./eavesdropper.ts"
import { makeDatagram } from "./packets.ts"
import { viewOf } from "./seal.ts"
import { must, type Target } from "./target.ts"
import { Traffic } from "./traffic.ts"

const PORT = 4_000
const SECRETS = ["what the one in between doesn't know"]
const ROUNDS_MAX = 40
/** An address where nothing receives an answer. */
const NOWHERE: Address = { family: 4, host: "198.51.100.7", port: 7_777 }

/** Limits low enough that an attack of a few hundred datagrams reaches them. */
const NARROW = {
  ...{ windowPackets: 32, parkedMessagesMax: 64, spreadPackets: 64, streamsMax: 12, streamsTotalMax: 20 },
  ...{ poolPacketsMax: 64, poolPacketsPerPeer: 24, sendPoolPacketsMax: 128, sendPoolPacketsPerPeer: 96 },
  ...{ messageBytesMax: 20_000, assemblyBytesPerPeer: 40_000, assemblyBytesMax: 60_000 },
  ...{ peersMax: 3, halfOpenMax: 2, halfOpenPerHostMax: 2 },
} satisfies EndpointOptions
const USUAL = {
  ...{ streamsTotalMax: 262_144, poolPacketsMax: 16_384, sendPoolPacketsMax: 65_536, assemblyBytesMax: 268_435_456 },
  ...{ peersMax: 10_000, halfOpenMax: 1_024 },
} satisfies EndpointOptions

/**
 * Counts over all runs: the datagrams injected, and those that the eavesdropper could verify, among others. A run
 * without any shows nothing.
 */
export const totals = { injected: 0, verified: 0, accepted: 0, drops: 0, keyed: 0 }

export const pairTarget: Target = {
  name: "pair",
  inputs: 150,
  make: (random) => makeDatagram(random, wire.PROFILE.none),
  run: (input) => new Attack(input).run(),
}

class Attack {
  readonly #input: Uint8Array
  readonly #random: Random
  readonly #profile: wire.Profile
  /**
   * The attacker also sends its own packets, and alterations that pass the tag. Otherwise only captured datagrams,
   * unchanged or damaged.
   */
  readonly #isForging: boolean
  readonly #bounds: Required<Pick<EndpointOptions, keyof typeof USUAL>>
  readonly #options: EndpointOptions
  readonly #network: Network
  readonly #ear: Eavesdropper
  readonly #traffic: Traffic
  readonly #endpoints: Endpoint[] = []
  readonly #addresses = new Map<string, Address>()
  #toLose = 0

  constructor(input: Uint8Array) {
    this.#input = input
    const seed = wire.crc32c(input, 0, input.length) | 0
    this.#random = new Random(seed, "attack")
    const isOpen = this.#random.below(4) === 0
    this.#isForging = isOpen || this.#random.below(2) === 0
    // From a separate generator, so that earlier findings stay reproducible.
    const keys = new Random(seed, "keys")
    const protection = isOpen
      ? "none"
      : this.#isForging || keys.below(3) === 0
        ? "checksum"
        : pick(keys, ["mac", "aead"] as const)
    this.#profile = wire.PROFILE[protection]
    const isKeyed = this.#profile >= wire.PROFILE.mac
    if (isKeyed) totals.keyed++
    const isNarrow = this.#random.below(3) > 0
    this.#bounds = isNarrow ? NARROW : USUAL
    this.#options = {
      ...(isNarrow ? NARROW : USUAL),
      protection,
      ...(isKeyed ? { secrets: SECRETS, rekeyDatagrams: 1_024, rekeyAgeMs: pick(keys, [1_000, 900_000]) } : {}),
    }
    const link = {
      delayMs: 2,
      jitterMs: pick(this.#random, [0, 0, 5]),
      lossRate: pick(this.#random, [0, 0, 0.05]),
      duplicateRate: pick(this.#random, [0, 0.05]),
    }
    this.#network = createNetwork({ seed, link, crypto: systemHost().crypto })
    this.#ear = new Eavesdropper(this.#profile)
    this.#traffic = new Traffic(this.#random, !this.#isForging)
  }

  async run(): Promise<void> {
    const network = this.#network
    network.filter((datagram) => {
      // A challenge for another address, sent on to the joiner, would give it a useless token.
      if (this.#isForging || datagram.to !== "c") this.#ear.hear(datagram)
      return this.#toLose-- <= 0
    })
    for (const name of ["a", "b"]) {
      const endpoint = await network.until(
        Endpoint.bind({ ...this.#options, host: network.host(name, { v6: false }), port: PORT }),
      )
      this.#endpoints.push(endpoint)
      this.#addresses.set(name, endpoint.addresses[0]!)
      this.#traffic.listen(endpoint)
    }
    // The third machine gets challenges, and so knows tokens.
    const third = await network.until(network.host("c", { v6: false }).bind({ port: PORT }))
    this.#addresses.set("c", third.localAddresses[0]!)
    await this.#join()
    for (let rounds = 10 + this.#random.below(ROUNDS_MAX - 10); rounds > 0; rounds--) await this.#round()
    await this.#settle()
    totals.verified += this.#ear.verified
    totals.accepted += this.#traffic.accepted
  }

  /** Joins while the attack goes on, from the first datagram. */
  async #join(): Promise<void> {
    const [a, b] = this.#endpoints as [Endpoint, Endpoint]
    let isOver = false
    const joins = [a.join(`b:${PORT}`)]
    if (this.#random.below(4) === 0) joins.push(b.join(`a:${PORT}`))
    const joining = Promise.allSettled(joins).then((results) => {
      isOver = true
      return results
    })
    for (let i = 0; i < 20; i++) {
      if (isOver) break
      if (this.#random.below(2) === 0) this.#strike()
      await this.#network.advance(1)
      this.#check()
    }
    const results = await this.#network.until(joining)
    for (const result of results)
      must(
        result.status === "fulfilled" || this.#isForging,
        () => `a join failed: ${String((result as PromiseRejectedResult).reason)}`,
      )
  }

  async #round(): Promise<void> {
    const random = this.#random
    const peers: Peer[] = this.#endpoints.flatMap(({ peers }) => peers)
    if (peers.length > 0 && random.below(3) === 0) this.#traffic.open(pick(random, peers))
    for (let sends = random.below(3); sends > 0; sends--) this.#traffic.send()
    if (random.below(12) === 0) this.#traffic.end()
    if (random.below(8) === 0) this.#toLose = random.below(4)
    for (let strikes = random.below(8); strikes > 0; strikes--) this.#strike()
    // A forged goodbye ends the conversation: start it again.
    if (this.#isForging && random.below(peers.length === 0 ? 4 : 40) === 0) {
      const [from, to] = random.below(2) === 0 ? [0, "b"] : [1, "a"]
      void this.#endpoints[from]!.join(`${to}:${PORT}`, { timeoutMs: 500 }).catch(() => {})
    }
    await this.#network.advance(pick(random, [0, 1, 3, 10, 40, 300]))
    this.#check()
  }

  /** Injects one datagram to one of the two. */
  #strike(): void {
    const random = this.#random
    const to = random.below(2) === 0 ? "a" : "b"
    const other = to === "a" ? "b" : "a"
    const { captured } = this.#ear
    const heard: Captured | undefined =
      captured.length === 0 ? undefined : captured[captured.length - 1 - random.below(Math.min(captured.length, 60))]
    const addresses = this.#addresses
    const from = pick(random, [addresses.get(other)!, addresses.get(other)!, addresses.get("c")!, NOWHERE])
    totals.injected++
    this.#network.inject(from, addresses.get(to)!, this.#compose(heard, to), pick(random, [0, 0, 1, 7, 50]))
  }

  #compose(heard: Captured | undefined, to: string): Uint8Array {
    const random = this.#random
    const own = this.#isForging ? random.below(5) : 0
    if (own === 0 || heard === undefined) {
      // A captured datagram, unchanged or damaged; without a way past the tag, also the input as it is. Without keys an
      // attacker that hears a join can have it refused: sent back to its own sender, it is refused there, and the
      // sender takes that refusal for the peer's.
      const isReflection = heard?.from === to && wire.prefixHandshake(viewOf(heard.bytes), 0)
      const isRefusal = isReflection && !this.#isForging && this.#profile < wire.PROFILE.mac
      const said = heard === undefined || isRefusal ? this.#input : heard.bytes
      if (random.below(12) === 0) return this.#input
      if (random.below(2) === 0) return said
      return alter(random, said, random.below(2) === 0 ? this.#input : (this.#ear.captured[0]?.bytes ?? said))
    }
    const isOwn = own > 2
    let datagram = isOwn
      ? heard.bytes
      : random.below(4) === 0
        ? this.#input
        : makeDatagram(random, wire.PROFILE.none, this.#drawKinds())
    for (let count = random.below(4) - 1; count > 0; count--) datagram = alter(random, datagram, this.#input)
    return this.#ear.forge(random, datagram, isOwn ? this.#profile : wire.PROFILE.none, to)
  }

  /** More joins than by chance, and the packets that confirm them. */
  #drawKinds(): number[] | undefined {
    return this.#random.below(3) === 0
      ? [pick(this.#random, [wire.KIND.join, wire.KIND.join, wire.KIND.heartbeat])]
      : undefined
  }

  #check(): void {
    this.#traffic.check()
    const { streamsTotalMax, poolPacketsMax, sendPoolPacketsMax, assemblyBytesMax, peersMax, halfOpenMax } =
      this.#bounds
    for (const endpoint of this.#endpoints) {
      insideOf(endpoint).assertInvariants()
      const { pool, sendPool, assemblyBytes, streams, halfOpen, peers } = insideOf(endpoint).sizes
      within("pool", pool, poolPacketsMax)
      within("sendPool", sendPool, sendPoolPacketsMax)
      within("assemblyBytes", assemblyBytes, assemblyBytesMax)
      within("streams", streams, streamsTotalMax)
      within("halfOpen", halfOpen, halfOpenMax)
      // Half-open associations may become peers.
      within("peers", peers, peersMax + halfOpenMax)
    }
  }

  /** After the attack: all promises are kept, both endpoints close, and nothing is left. */
  async #settle(): Promise<void> {
    const network = this.#network
    this.#toLose = 0
    network.links({ delayMs: 2 })
    await network.advance(100)
    if (!this.#isForging) {
      await network.until(this.#traffic.flush(), 60_000)
      this.#traffic.checkComplete()
    }
    for (const endpoint of this.#endpoints) {
      const { drops } = endpoint.stats()
      for (const reason of wire.DROP_REASONS) totals.drops += drops[reason]
    }
    await network.until(Promise.all(this.#endpoints.map((endpoint) => endpoint.close())), 30_000)
    await network.advance(10_000)
    for (const endpoint of this.#endpoints)
      for (const [name, size] of Object.entries(insideOf(endpoint).sizes))
        must(size === 0 || name === "timers", () => `${name} is ${size} after closing`)
  }
}

function within(name: string, size: number, most: number): void {
  must(size >= 0 && size <= most, () => `${name} is ${size}, with a bound of ${most}`)
}
