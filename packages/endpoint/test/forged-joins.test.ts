// A flood of joins, beside peers that are joined and one that joins, where what the flooded process does takes time:
// what waits behind what. The costs are measured ones.

import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import { systemHost } from "@x/transport"
import type { Address } from "@x/transport/host"
import { type CpuOptions, createNetwork, type Network } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { describe, expect, test } from "vitest"
import { PORT } from "./world.ts"

const PER_SECOND = 200_000
/** They come this many at a time. */
const TOGETHER = 20
const PEERS = 10
const HUB = `10.0.0.1:${PORT}`
const US = 1e-3

/** What a process of ours takes, microseconds of a core, measured over loopback. */
const CRYPTO = { x25519: 113, x25519PublicKey: 55, aesGcmSeal: 12, aesGcmOpen: 12, hmacSha256: 3, sha256: 2 }
const TRANSPORTS = {
  helper: { refused: { 1: 2.05, 8: 2.3 }, usual: 4, send: 3 },
  dgram: { refused: { 1: 3.9, 8: 4.65 }, usual: 6, send: 5 },
} as const

const isJoin = (bytes: Uint8Array): boolean => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return bytes.length > 12 && wire.prefixHandshake(view, 0) && wire.prefixSlot(view, 0) === 0
}

function costsOf(transport: keyof typeof TRANSPORTS, secrets: 1 | 8): CpuOptions {
  const { refused, usual, send } = TRANSPORTS[transport]
  return {
    receiveMs: (bytes) => US * (isJoin(bytes) ? refused[secrets] : usual),
    sendMs: US * send,
    cryptoMs: Object.fromEntries(Object.entries(CRYPTO).map(([name, us]) => [name, US * us])),
  }
}

interface Flooded {
  readonly network: Network
  readonly hub: Endpoint
  readonly options: EndpointOptions
  /** Lets this time pass, with {@link PER_SECOND} joins to the hub. Returns the round trips of its peers. */
  flood(ms: number, next: (i: number) => Uint8Array): Promise<number[]>
}

async function flooded(transport: keyof typeof TRANSPORTS, secrets: 1 | 8): Promise<Flooded> {
  const network = createNetwork({ seed: 1, link: { delayMs: 0.1 }, crypto: systemHost().crypto })
  const all = Array.from({ length: secrets }, (_, i) => `a secret of members, number ${i}`)
  const options: EndpointOptions = { port: PORT, protection: "aead", secrets: [all.at(-1)!] }
  const host = network.host("hub", { cpu: costsOf(transport, secrets) })
  const hub = await network.until(Endpoint.bind({ ...options, secrets: all, host }))
  const peers: Peer[] = []
  for (let i = 0; i < PEERS; i++) {
    const endpoint = await network.until(Endpoint.bind({ ...options, host: network.host(`peer ${i}`) }))
    peers.push(await network.until(endpoint.join(HUB)))
  }
  const to: Address = { family: 4, host: "10.0.0.1", port: PORT }
  let sent = 0
  return {
    ...{ network, hub, options },
    async flood(ms, next) {
      const roundTrips: number[] = []
      for (let tick = 0; tick < ms; tick++) {
        for (let i = 0; i < PER_SECOND / 1_000; i++) {
          const atMs = (Math.floor(i / TOGETHER) * TOGETHER * 1_000) / PER_SECOND
          const from = {
            family: 4 as const,
            host: `172.16.${(sent >> 8) & 3}.${sent & 255}`,
            port: 1_024 + (sent & 63),
          }
          network.inject(from, to, next(sent++), atMs)
        }
        // One of them after the other, 500 pings a second in all.
        if (tick % 2 === 0)
          void peers[(tick / 2) % PEERS]!.ping({ timeoutMs: 2_000 }).then(
            (roundTripMs) => roundTrips.push(roundTripMs),
            () => roundTrips.push(Infinity),
          )
        await network.advance(1)
      }
      return roundTrips
    },
  }
}

/** Joins as somebody makes them who knows no secret, each of them other bytes. */
function forgeries(): (i: number) => Uint8Array {
  const forged = new Uint8Array(100)
  const view = new DataView(forged.buffer)
  wire.writePrefix(view, 0, wire.PROFILE.aead, true, 0, 1)
  return (i) => {
    for (let at = 12; at < forged.length; at += 4) view.setUint32(at, Math.imul(i + at, 0x9e3779b1))
    return forged
  }
}

/** Copies of joins that members began before, each of another process. */
async function copies({ network, options }: Flooded, count: number): Promise<(i: number) => Uint8Array> {
  const seen: Uint8Array[] = []
  network.filter(({ to, bytes }) => {
    if (to !== "hub" || !isJoin(bytes)) return true
    seen.push(bytes.slice())
    return false
  })
  for (let i = 0; i < count; i++) {
    const former = await network.until(Endpoint.bind({ ...options, port: 5_000 + i, host: network.host("former") }))
    void former.join(HUB, { timeoutMs: 1 }).catch(() => {})
    await network.advance(2)
    await network.until(former.close())
  }
  network.filter(() => true)
  expect(seen.length).toBe(count)
  return (i) => seen[i % count]!
}

const p99 = (ms: readonly number[]): number => ms.toSorted((a, b) => a - b)[Math.floor(0.99 * ms.length)]!

describe.each(["helper", "dgram"] as const)("beside 200,000 joins a second, at the costs of %s", (transport) => {
  test.each([
    ["who doesn't know the secret", 1],
    ["who knows none of the 8 secrets", 8],
    ["who copies joins of members", 1],
  ] as const)(
    "of somebody %s, peers are answered within 10 ms, and who joins has joined within a second",
    async (of, secrets) => {
      const world = await flooded(transport, secrets)
      const { network, hub, options, flood } = world
      const isForged = of !== "who copies joins of members"
      const next = isForged ? forgeries() : await copies(world, 300)
      const late = await network.until(Endpoint.bind({ ...options, host: network.host("late") }))
      // Joins that it hasn't seen are read, as far as its budget goes.
      expect(Math.max(...(await flood(100, next)))).toBeLessThanOrEqual(40)
      const droppedBefore = hub.stats().transport.datagramsDropped
      let joinedMs = Infinity
      const startMs = network.now
      void late.join(HUB).then(
        () => (joinedMs = network.now - startMs),
        () => {},
      )
      const roundTrips = await flood(400, next)
      const { drops } = hub.stats()
      if (isForged) expect(drops.tag).toBe(0.5 * PER_SECOND)
      else expect(drops.rate).toBeGreaterThan(0.45 * PER_SECOND)
      expect(hub.stats().transport.datagramsDropped - droppedBefore).toBe(0)
      expect(roundTrips.length).toBeGreaterThanOrEqual(199)
      expect(p99(roundTrips)).toBeLessThanOrEqual(10)
      expect(joinedMs).toBeLessThanOrEqual(1_000)
    },
    60_000,
  )
})
