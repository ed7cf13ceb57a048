import { expect, test } from "vitest"
import { EndpointError } from "../../src/errors/endpoint-error.ts"
import { Connections, type ConnectionsHost } from "../../src/api/connections.ts"
import type { PeerHandle } from "../../src/api/peer.ts"
import { UserCode } from "../../src/api/user-code.ts"

/** An endpoint whose joins never end, and that says when something that is waited for holds. */
class World {
  isClosed = false
  readonly joined: string[] = []
  readonly waits: { isDone(): boolean; resolve(): void }[] = []
  readonly connections: Connections

  constructor() {
    const isClosed = (): boolean => this.isClosed
    const host: ConnectionsHost = {
      get isClosed() {
        return isClosed()
      },
      checkTarget: (target) => {
        if (target === "nowhere") throw new EndpointError("invalid-target", "no port")
      },
      join: (target, { signal }) => {
        this.joined.push(target as string)
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted"))))
      },
      until: (isDone) => {
        return new Promise<void>((resolve) => void this.waits.push({ isDone, resolve }))
      },
      now: () => 0,
      random: () => 0,
      userCode: new UserCode({ onNews: () => {}, defer: (run) => run() }),
      ...{ lingerMs: 0, labelBytesMax: 100 },
    }
    this.connections = new Connections(host)
  }

  /** Those that wait for something that holds now go on. */
  async settle(): Promise<void> {
    for (const { isDone, resolve } of this.waits) if (isDone()) resolve()
    await Promise.resolve()
    await Promise.resolve()
  }
}

/** A peer as connections see it: it counts its goodbyes. */
function peerWith(fields: Partial<Record<"isKept" | "hasStreams", boolean>>) {
  const peer = {
    state: "joined",
    isKept: false,
    hasStreams: false,
    goodbyes: 0,
    leave: async () => void peer.goodbyes++,
  }
  return Object.assign(peer, fields)
}
const handle = (peer: object): PeerHandle => peer as PeerHandle

test("a connection joins by itself, and is one of them until it is closed", async () => {
  const { connections, joined } = new World()
  const connection = connections.connect("b:4000", {})
  await new Promise((resolve) => setImmediate(resolve))
  expect([...connections].every((it) => it === connection)).toBe(true)
  expect([[...connections].length, joined]).toEqual([1, ["b:4000"]])
  const waiting = connection.joined()
  waiting.catch(() => {})
  expect(connections.isAwaited).toBe(true)
  connections.close()
  await expect(waiting).rejects.toMatchObject({ code: "closed" })
  expect([[...connections], connections.isAwaited]).toEqual([[], false])
})

test("one for a target that can't be joined isn't begun", () => {
  const { connections, joined } = new World()
  expect(() => connections.connect("nowhere", {})).toThrow("no port")
  expect([[...connections], joined]).toEqual([[], []])
})

test("a peer that nobody needs any more hears a goodbye, unless the application has it or the endpoint closes", async () => {
  const it = new World()
  const [unused, kept, late] = [peerWith({}), peerWith({ isKept: true }), peerWith({})]
  await it.connections.letGo(handle(unused))
  await it.connections.letGo(handle(kept))
  it.isClosed = true
  await it.connections.letGo(handle(late))
  expect([unused.goodbyes, kept.goodbyes, late.goodbyes]).toEqual([1, 0, 0])
})

test("while a stream to it is open it stays, and nobody waits for that", async () => {
  const it = new World()
  const peer = peerWith({ hasStreams: true })
  await it.connections.letGo(handle(peer))
  await it.settle()
  expect(peer.goodbyes).toBe(0)
  peer.hasStreams = false
  await it.settle()
  expect(peer.goodbyes).toBe(1)
})
