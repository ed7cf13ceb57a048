/** A model of two endpoints and their streams, and what can be done to both: commands for fast-check. */

import { type Delivery, Endpoint, type OutgoingStream, type Peer } from "@x/endpoint"
import type { Network, SimulatedHost } from "@x/transport/simulated"
import { DELIVERIES, traitsNamed } from "@x/wire"
import fc from "fast-check"
import { expect } from "vitest"
import { pattern, PORT } from "./world.ts"

/** What is known of one stream: the accepted messages, in order, and what became of them. */
class StreamModel {
  readonly accepted: number[] = []
  readonly delivered: number[] = []
  readonly aborted = new Set<number>()
  /** It ended other than by `end`: messages under way have no promise. */
  isCut = false
  readonly stream: OutgoingStream
  readonly to: Side
  constructor(stream: OutgoingStream, to: Side) {
    this.stream = stream
    this.to = to
  }

  get isOrdered(): boolean {
    return traitsNamed(this.stream.delivery).isOrdered
  }
}

export function check({ stream, accepted: taken, delivered, isOrdered }: StreamModel): void {
  const { accepted, acknowledged, unconfirmed, dropped, pending } = stream.account
  expect(accepted).toBe(acknowledged + unconfirmed + dropped + pending)
  expect(accepted).toBe(taken.length)
  expect(new Set(delivered).size).toBe(delivered.length)
  for (const index of delivered) expect(taken).toContain(index)
  if (isOrdered) expect(delivered).toEqual(delivered.toSorted((x, y) => x - y))
  // Acknowledged messages have arrived; incompletely sent ones haven't.
  expect(delivered.length).toBeGreaterThanOrEqual(acknowledged)
  expect(delivered.length).toBeLessThanOrEqual(accepted - (pending === 0 ? dropped : 0))
}

/** Checked once nothing stands in the way any more. */
export function checkEnd({ stream, to, isCut, accepted, delivered, aborted }: StreamModel): void {
  const isThere = to.endpoint?.unique === stream.peer.unique
  if (isCut || !isThere || !traitsNamed(stream.delivery).waits) return
  expect(accepted.filter((index) => !delivered.includes(index) && !aborted.has(index))).toEqual([])
}

export interface Side {
  readonly name: "a" | "b"
  host: SimulatedHost
  endpoint: Endpoint | undefined
  peer: Peer | undefined
}

export interface Real {
  readonly network: Network
  readonly sides: readonly [Side, Side]
  readonly streams: Map<string, StreamModel>
  label: number
}

export type Model = Record<string, never>
export type Command = fc.AsyncCommand<Model, Real>

async function bind({ network, streams }: Real, side: Side): Promise<void> {
  side.host = network.host(side.name)
  const endpoint = await network.until(
    Endpoint.bind({ host: side.host, port: PORT, windowPackets: 32, parkedMessagesMax: 8 }),
  )
  side.endpoint = endpoint
  const use = (peer: Peer): void => void (side.peer = peer)
  for (const name of ["joined", "rejoined", "restarted"] as const)
    endpoint.on(name, (...[peer]: readonly [Peer, Peer?]) => use(peer))
  endpoint.handle(1, (message) => {
    const model = streams.get(message.stream.label)
    // The opening of a stream without acknowledgements may come after its messages: until then their stream is unknown.
    if (model === undefined) return expect(["fire-and-forget", "latest"]).toContain(message.stream.delivery)
    // A message meant for one incarnation never reaches another.
    expect(model.stream.peer.unique).toBe(endpoint.unique)
    const index = message.view.getUint16(message.offset)
    expect(message.copy()).toEqual(numbered(index, message.length))
    model.delivered.push(index)
  })
}

function numbered(index: number, bytes: number): Uint8Array {
  const message = pattern(bytes, index)
  new DataView(message.buffer).setUint16(0, index)
  return message
}

/** A side ends: its streams, and those to it, are cut. */
function cut({ streams, sides }: Real, side: Side): void {
  for (const model of streams.values())
    if (model.to === side || sides.find((it) => it !== model.to) === side) model.isCut = true
  side.peer = undefined
  side.endpoint = undefined
}

function command(name: string, run: (real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (_, real) => {
      await run(real)
      for (const { endpoint } of real.sides) endpoint?.assertInvariants()
      for (const model of real.streams.values()) check(model)
    },
    toString: () => name,
  }
}

const side = fc.constantFrom(0 as const, 1 as const)

function pick(real: Real, n: number): StreamModel | undefined {
  const open = [...real.streams.values()].filter(({ stream }) => stream.state === "open")
  return open[n % Math.max(1, open.length)]
}

function openStream(real: Real, i: 0 | 1, delivery: Delivery): void {
  const { peer } = real.sides[i]
  if (peer === undefined || peer.state === "left") return
  const label = `s${real.label++}`
  real.streams.set(label, new StreamModel(peer.open({ delivery, label }), real.sides[1 - i]!))
}

/** Two endpoints that are joined, with a stream of each mode: so most commands have something to work on. */
export async function start(real: Real): Promise<void> {
  for (const it of real.sides) await bind(real, it)
  const { network, sides } = real
  await network.until(sides[0].endpoint!.join(`b:${PORT}`, { timeoutMs: 60_000 }), 60_000)
  for (const delivery of DELIVERIES) openStream(real, 0, delivery)
}

const open = fc
  .tuple(side, fc.constantFrom(...DELIVERIES))
  .map(([i, delivery]) => command(`open(${i}, ${delivery})`, async (real) => openStream(real, i, delivery)))

const send = fc
  .tuple(fc.nat(), fc.integer({ min: 1, max: 20 }), fc.constantFrom(4, 300, 5_000, 40_000))
  .map(([n, count, bytes]) =>
    command(`send(${n}, ${count} × ${bytes})`, async (real) => {
      const model = pick(real, n)
      if (model === undefined) return
      for (let i = 0; i < count; i++) {
        const index = model.accepted.length
        const result = model.stream.trySend(1, numbered(index, bytes))
        if (result === "sent" || result === "parked") model.accepted.push(index)
      }
    }),
  )

const advance = fc
  .integer({ min: 1, max: 3_000 })
  .map((ms) => command(`advance(${ms})`, async ({ network }) => network.advance(ms)))

/** Sends are the most frequent commands: the others happen to them. */
export const commands: fc.Arbitrary<Command>[] = [
  ...[open, open, send, send, send, send, send, advance, advance],
  side.map((i) =>
    command(`bind(${i})`, async (real) => void (real.sides[i].endpoint ?? (await bind(real, real.sides[i])))),
  ),
  side.map((i) =>
    command(`join(${i})`, async ({ network, sides }) => {
      const { endpoint } = sides[i]
      if (endpoint === undefined) return
      await network.until(
        endpoint.join(`${sides[1 - i]!.name}:${PORT}`, { timeoutMs: 1_000 }).then(
          (peer) => void (sides[i].peer = peer),
          () => {},
        ),
      )
    }),
  ),
  fc.tuple(fc.nat(), fc.integer({ min: 0, max: 40 })).map(([n, afterMs]) =>
    command(`abort(${n}, ${afterMs})`, async (real) => {
      const model = pick(real, n)
      if (model === undefined) return
      const before = model.stream.account.accepted
      const aborting = new AbortController()
      const index = model.accepted.length
      const sending = model.stream
        .send(1, numbered(index, 60_000), { signal: aborting.signal })
        .catch(() => void model.aborted.add(index))
      if (model.stream.account.accepted > before) model.accepted.push(index)
      await real.network.advance(afterMs)
      aborting.abort()
      await real.network.advance(1)
      void sending
    }),
  ),
  fc.constant(command("partition", async ({ network }) => network.partition("a", "b"))),
  ...Array.from({ length: 3 }, () => fc.constant(command("heal", async ({ network }) => network.heal()))),
  side.map((i) =>
    command(`restart(${i})`, async (real) => {
      const it = real.sides[i]
      if (it.endpoint === undefined) return
      it.host.crash()
      cut(real, it)
      await bind(real, it)
    }),
  ),
  side.map((i) =>
    command(`close(${i})`, async (real) => {
      const it = real.sides[i]
      if (it.endpoint === undefined) return
      const { endpoint } = it
      // Messages left when its linger time is over are cut off; those delivered until then still count.
      await real.network.until(endpoint.close(), 20_000)
      cut(real, it)
    }),
  ),
  fc.nat().map((n) =>
    command(
      `end(${n})`,
      async (real) =>
        void pick(real, n)
          ?.stream.end()
          .catch(() => {}),
    ),
  ),
  fc.nat().map((n) =>
    command(`reset(${n})`, async (real) => {
      const model = pick(real, n)
      if (model === undefined) return
      model.isCut = true
      model.stream.reset()
    }),
  ),
]
