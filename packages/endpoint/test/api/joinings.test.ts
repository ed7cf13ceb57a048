import type { Address } from "@x/transport/host"
import { PROFILE } from "@x/wire"
import { expect, test } from "vitest"
import { Joinings, type JoiningsParts } from "../../src/api/joinings.ts"
import { abortedError } from "../../src/errors/endpoint-error.ts"
import { JoinCall, type JoinFailure } from "../../src/join/join-call.ts"
import type { PeerState } from "../../src/peer/peer-state.ts"

type Done = (result: PeerState | JoinFailure) => void

/** An endpoint whose protocol settles a join when the test says so. */
class World {
  readonly calls = new Map<JoinCall, Done>()
  readonly asked: (readonly number[])[] = []
  cancelled = 0
  readonly joinings: Joinings

  constructor() {
    const addresses: Address[] = []
    const parts = {
      host: { now: () => 0, resolve: async () => [{ family: 4, host: "192.0.2.1" }], crypto: undefined },
      transport: {
        ...{ localAddresses: [{ family: 4, host: "0.0.0.0", port: 1 }], capabilities: { notes: [] } },
        internAddress: (address: Address) => addresses.push(address),
      },
      settings: { profile: PROFILE.checksum, joinTimeoutMs: 5_000 },
      identity: undefined,
      protocol: {
        callJoin: (timeoutMs: number) => new JoinCall(timeoutMs, false),
        join: (_: JoinCall, { addresses: ids }: { addresses: readonly number[] }) => void this.asked.push(ids),
        cancelJoin: () => void this.cancelled++,
      },
      outcomes: {
        await: (call: JoinCall, onDone: Done) => void this.calls.set(call, onDone),
        forget: (call: JoinCall) => void this.calls.delete(call),
      },
      until: async () => {},
      checkOpen: (signal: AbortSignal | undefined) => {
        if (signal?.aborted) throw abortedError(signal)
      },
    }
    this.joinings = new Joinings(parts as unknown as JoiningsParts)
  }
}

const settled = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: { code?: string }) => error.code,
  )

test("a join asks at the addresses of its target, and gives the peer; nothing is left of it", async () => {
  const it = new World()
  const peer = {} as PeerState
  const join = settled(it.joinings.join("somebody:4000", {}))
  await new Promise((resolve) => setImmediate(resolve))
  expect(it.asked).toEqual([[1]])
  for (const done of it.calls.values()) done(peer)
  expect([await join, it.calls.size, it.cancelled]).toEqual([peer, 0, 1])
})

test("when the endpoint closes, every join that is under way rejects, and is cancelled", async () => {
  const it = new World()
  const joins = ["a:4000", "b:4000"].map((target) => settled(it.joinings.join(target, {})))
  it.joinings.close()
  expect([await Promise.all(joins), it.calls.size, it.cancelled]).toEqual([["closed", "closed"], 0, 2])
})

test("what can't be joined rejects before anything is asked", async () => {
  const it = new World()
  const ends = [
    it.joinings.join("nobody", {}),
    it.joinings.join("a:4000", { timeoutMs: -1 }),
    it.joinings.join("a:4000", { publicKey: new Uint8Array(32) }),
    it.joinings.join("a:4000", { signal: AbortSignal.abort() }),
  ].map(settled)
  expect(await Promise.all(ends)).toEqual(["invalid-target", "invalid-option", "invalid-option", "aborted"])
  expect(it.calls.size).toBe(0)
})
