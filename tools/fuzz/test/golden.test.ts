// Every truncation and every flipped bit of every golden packet: given to the decoder, and to an endpoint in the middle
// of a conversation.

import { Endpoint } from "@x/endpoint"
import type { Address } from "@x/transport/host"
import { createNetwork, type Network } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { bitFlips, truncations } from "../src/damages.ts"
import { Eavesdropper } from "../src/eavesdropper.ts"
import { type Golden, readGolden } from "../src/golden.ts"
import { readdress, viewOf } from "../src/seal.ts"

const golden = readGolden(new URL("../../../packages/wire/test/vectors/datagrams.json", import.meta.url))
const ofProfile = (profile: wire.Profile): Golden[] => golden.filter((it) => it.profile === profile)
const NAMES: ReadonlySet<string | undefined> = new Set(wire.DATAGRAM_DROP_REASONS)
const PORT = 4_000
/** Datagrams at one instant; the socket buffer has to hold them. */
const BATCH = 128

/** The verdict of a receiver of this profile on the bytes alone. */
function refuse(
  bytes: Uint8Array,
  { profile, seed }: Pick<Golden, "profile" | "seed">,
): wire.DatagramDropReason | undefined {
  const view = viewOf(bytes)
  const reason = wire.checkPrefix(view, 0, bytes.length, profile, wire.DATAGRAM_BYTES_MAX)
  if (reason !== undefined) return reason
  if (profile === wire.PROFILE.checksum && !wire.openChecksum(bytes, 0, bytes.length, seed)) return "tag"
  return wire.checkPackets(view, 0, bytes.length, profile)
}

/** Two endpoints with streams under way, and an eavesdropper's knowledge of them. */
class Scene {
  readonly network: Network
  readonly ear: Eavesdropper
  readonly #profile: wire.Profile
  #endpoints: readonly [Endpoint, Endpoint] | undefined
  #from: Address = { family: 4, host: "0.0.0.0", port: 0 }

  constructor(profile: wire.Profile) {
    this.network = createNetwork({ seed: 1, link: { delayMs: 1 } })
    this.ear = new Eavesdropper(profile)
    this.#profile = profile
  }

  get victim(): Endpoint {
    return this.#endpoints![1]
  }

  async start(): Promise<this> {
    const { network } = this
    network.filter((datagram) => {
      this.ear.hear(datagram)
      return true
    })
    const protection = this.#profile === wire.PROFILE.none ? "none" : "checksum"
    const bind = (name: string): Promise<Endpoint> =>
      network.until(
        Endpoint.bind({
          host: network.host(name, { v6: false }),
          port: PORT,
          protection,
          streamsMax: 32,
          assemblyBytesMax: 2 ** 25,
        }),
      )
    const [a, b] = (this.#endpoints = [await bind("a"), await bind("b")])
    this.#from = a.addresses[0]!
    const peer = await network.until(a.join(`b:${PORT}`))
    for (const delivery of wire.DELIVERIES) peer.open({ delivery }).trySend(1, new Uint8Array(3_000))
    await network.advance(300)
    b.peers[0]!.open().trySend(1, new Uint8Array(10))
    await network.advance(300)
    return this
  }

  /** The packet as the other side would have sent it. */
  disguise({ bytes, profile }: Golden, counter: number): Uint8Array {
    if (wire.prefixHandshake(viewOf(bytes), 0)) return bytes.slice()
    const { slot, seed } = this.ear.wayTo("b")!
    return readdress(bytes, profile, this.#profile, { handshake: false, slot, counter, seed })
  }

  inject(bytes: Uint8Array): void {
    this.network.inject(this.#from, this.victim.addresses[0]!, bytes)
  }

  /**
   * Everything that can be seen of the endpoint, except drops and the transport's counters, which include hints sent
   * for unknown slots.
   */
  get state(): string {
    const { drops: _, transport: __, ...stats } = this.victim.stats()
    const peers = this.victim.peers.map((peer) => ({ state: peer.state, ...peer.stats() }))
    return JSON.stringify({ sizes: this.victim.sizes, stats, peers })
  }

  get drops(): Readonly<Record<wire.DropReason, number>> {
    return this.victim.stats().drops
  }

  async close(): Promise<void> {
    await this.network.until(Promise.all(this.#endpoints!.map((endpoint) => endpoint.close())), 60_000)
    await this.network.advance(10_000)
  }
}

function* batches(damaged: Iterable<Uint8Array>): Generator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  for (const bytes of damaged) {
    batch.push(bytes.slice())
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/**
 * Gives all datagrams to the endpoint, batch after batch: each must be dropped for one of these reasons, and nothing
 * else may change.
 */
async function expectRefused(
  scene: Scene,
  what: string,
  damaged: Iterable<Uint8Array>,
  names: readonly wire.DropReason[],
): Promise<number> {
  let count = 0
  for (const batch of batches(damaged)) {
    const { state } = scene
    const before = scene.drops
    for (const bytes of batch) scene.inject(bytes)
    await scene.network.advance(0)
    const grown = wire.DROP_REASONS.filter((reason) => scene.drops[reason] !== before[reason])
    expect({ what, others: grown.filter((reason) => !names.includes(reason)) }).toEqual({ what, others: [] })
    expect(grown.reduce((sum, reason) => sum + scene.drops[reason] - before[reason], 0)).toBe(batch.length)
    expect(scene.state).toBe(state)
    count += batch.length
  }
  return count
}

test("the golden packets are of every kind, in both profiles, and taken as they are", () => {
  for (const profile of [wire.PROFILE.none, wire.PROFILE.checksum]) {
    expect(new Set(ofProfile(profile).flatMap(({ kinds }) => kinds)).size).toBe(Object.keys(wire.KIND).length)
  }
  for (const it of golden) expect(refuse(it.bytes, it)).toBeUndefined()
})

test("F02 every truncation of every golden packet is refused by name, checksum", () => {
  let count = 0
  for (const it of ofProfile(wire.PROFILE.checksum)) {
    for (const cut of truncations(it.bytes)) {
      const reason = refuse(cut, it)
      if (reason !== "too-short" && reason !== "tag")
        expect({ name: it.name, length: cut.length, reason }).toBe("too short, or a wrong tag")
      count++
    }
  }
  console.log(`F02: ${count} truncations with a checksum`)
})

test("F02 every truncation of every golden packet is refused by name or is a shorter packet, without a checksum", () => {
  const shorter = new Set<string>()
  let count = 0
  for (const it of ofProfile(wire.PROFILE.none)) {
    for (const cut of truncations(it.bytes)) {
      const reason = refuse(cut, it)
      count++
      if (reason === undefined) {
        for (const { kind } of wire.describeDatagram(viewOf(cut), 0, cut.length, it.profile).packets.slice(-1))
          shorter.add(kind)
      } else if (!NAMES.has(reason)) expect({ name: it.name, length: cut.length, reason }).toBe("a reason")
    }
  }
  // These packets end where the datagram ends: only a tag could show that there was more.
  const ending = ["open", "goodbye", "refuse", "loose", "join", "accept", "sequenced", "part", "fire-and-forget"]
  expect([...shorter].filter((kind) => !ending.includes(kind))).toEqual([])
  console.log(`F02: ${count} truncations without a checksum, those of ${[...shorter].join(", ")} may be taken`)
})

test("F02 every truncation of every golden packet changes nothing of a live endpoint but one counter", async () => {
  const scene = await new Scene(wire.PROFILE.checksum).start()
  let count = 0
  for (const it of golden) {
    const said = scene.disguise(it, 10_000 + count)
    const names: wire.DropReason[] = ["too-short", "too-long", "profile", "tag", "unknown-slot"]
    count += await expectRefused(scene, it.name, truncations(said), names)
  }
  scene.victim.assertInvariants()
  console.log(`F02: ${count} truncations before an endpoint`)
  await scene.close()
})

test("F03 every flipped bit of every golden packet with a checksum is refused", () => {
  let count = 0
  for (const it of ofProfile(wire.PROFILE.checksum)) {
    for (const flipped of bitFlips(it.bytes)) {
      const reason = refuse(flipped, it)
      // Bits of the first byte are checked before the tag.
      if (reason !== "tag" && reason !== "version" && reason !== "profile" && reason !== "reserved")
        expect({ name: it.name, reason }).toBe("a wrong tag")
      count++
    }
  }
  console.log(`F03: ${count} flipped bits with a checksum`)
})

test("F03 every flipped bit of every golden packet without a checksum is refused by name or read, and never throws", () => {
  let [count, taken] = [0, 0]
  for (const it of ofProfile(wire.PROFILE.none)) {
    for (const flipped of bitFlips(it.bytes)) {
      const reason = refuse(flipped, it)
      count++
      if (reason === undefined) {
        wire.describeDatagram(viewOf(flipped), 0, flipped.length, it.profile)
        taken++
      } else if (!NAMES.has(reason)) expect({ name: it.name, reason }).toBe("a reason")
    }
  }
  console.log(`F03: ${count} flipped bits without a checksum, ${taken} of them read`)
})

test("F03 every flipped bit of every golden packet changes nothing of a live endpoint with checksums but one counter", async () => {
  const scene = await new Scene(wire.PROFILE.checksum).start()
  let count = 0
  for (const it of ofProfile(wire.PROFILE.checksum)) {
    const said = scene.disguise(it, 10_000_000 + count)
    const names: wire.DropReason[] = ["tag", "version", "profile", "reserved", "unknown-slot", "too-long"]
    // A flipped counter may be one that was already used, or an invalid one; and with H the datagram would answer a
    // join that is over.
    count += await expectRefused(scene, it.name, bitFlips(said), [...names, "stale", "duplicate", "unexpected"])
  }
  scene.victim.assertInvariants()
  console.log(`F03: ${count} flipped bits before an endpoint`)
  await scene.close()
})

test("F03 every flipped bit of every golden packet without a checksum leaves a live endpoint within its bounds", async () => {
  let [count, scenes] = [0, 0]
  for (const it of ofProfile(wire.PROFILE.none)) {
    let scene = await new Scene(wire.PROFILE.none).start()
    scenes++
    let counter = 10_000
    // Each with a new counter: otherwise the second would be a duplicate.
    const flips = function* (): Generator<Uint8Array> {
      for (const flipped of bitFlips(it.bytes)) yield scene.disguise({ ...it, bytes: flipped }, counter++)
    }
    for (const batch of batches(flips())) {
      for (const bytes of batch) scene.inject(bytes)
      await scene.network.advance(1)
      count += batch.length
      scene.victim.assertInvariants()
      const { streams, assemblyBytes, pool, halfOpen } = scene.victim.sizes
      expect(
        streams <= 64 && assemblyBytes <= 2 ** 25 && pool <= 4_096 && halfOpen <= 256,
        `${it.name}: ${scene.state}`,
      ).toBe(true)
      // A goodbye stays a goodbye whichever bit of its text is flipped.
      if (scene.victim.peers.length > 0) continue
      await scene.close()
      scene = await new Scene(wire.PROFILE.none).start()
      scenes++
    }
    await scene.close()
    expect(Object.entries(scene.victim.sizes).filter(([name, size]) => size !== 0 && name !== "timers")).toEqual([])
  }
  console.log(`F03: ${count} flipped bits before ${scenes} endpoints without checksums`)
})
