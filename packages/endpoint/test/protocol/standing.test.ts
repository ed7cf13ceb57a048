/** Members that no longer are: a secret that was removed, a key that isn't welcome any more, and who is sent away. */
import { Endpoint, type EndpointOptions, REASON } from "@x/endpoint"
import { expect, test } from "vitest"
import { group, keyOf, publicKeyOf, SECRET } from "../members.ts"
import { PORT } from "../world.ts"

const NEXT = "the secret that comes after it"

type World = ReturnType<typeof group>

async function bind({ network }: World, name: string, options: EndpointOptions = {}): Promise<Endpoint> {
  const host = network.host(name)
  return network.until(Endpoint.bind({ port: PORT, protection: "aead", secrets: [SECRET], host, ...options }))
}

/** A member that sends a message every 10 ms; and when the last one came, as the receiver sees it. */
async function sending(world: World, from: Endpoint, to: Endpoint, options: object = {}) {
  const { network } = world
  let lastMs = -Infinity
  let count = 0
  to.handle(1, () => {
    lastMs = network.now
    count++
  })
  const peer = await network.until(from.join(`b:${PORT}`, options))
  await network.when(() => to.peers.length === 1)
  const stream = peer.open()
  return {
    peer,
    lastMs: () => lastMs,
    count: () => count,
    async run(ms: number): Promise<void> {
      for (let t = 0; t < ms; t += 10) {
        stream.trySend(1, Uint8Array.of(1))
        await network.advance(10)
      }
    },
  }
}

function record(endpoint: Endpoint): string[] {
  const told: string[] = []
  endpoint.on("left", (_, { reason, text }) => told.push(`left ${reason} ${text}`))
  for (const name of ["rejoined", "restarted"] as const) endpoint.on(name, () => told.push(name))
  return told
}

test("whose secret is removed is told so, and its last message is taken within a second", async () => {
  const world = group(1)
  const { network } = world
  const [a, b] = [await bind(world, "a"), await bind(world, "b")]
  const [atA, atB] = [record(a), record(b)]
  const it = await sending(world, a, b)
  await it.run(500)
  const removedMs = network.now
  b.setSecrets([NEXT])
  await it.run(3_000)
  expect(it.lastMs() - removedMs).toBeLessThanOrEqual(1_000)
  expect([b.peers.length, it.peer.state]).toEqual([0, "left"])
  expect([atA, atB]).toEqual([
    [`left ${REASON.expelled} its secret was removed`],
    [`left ${REASON.expelled} its secret was removed`],
  ])
  await expect(network.until(a.join(`b:${PORT}`, { timeoutMs: 1_000 }))).rejects.toMatchObject({ code: "join-timeout" })
})

test.each([0, 0.2])("members that follow from one secret to the next stay, whatever is lost: %d", async (lossRate) => {
  const world = group(2, { delayMs: 5, lossRate })
  const { network } = world
  const [a, b] = [await bind(world, "a"), await bind(world, "b")]
  const told = [record(a), record(b)]
  const it = await sending(world, a, b)
  for (const secrets of [[SECRET, NEXT], [NEXT, SECRET], [NEXT]])
    for (const member of [b, a]) {
      member.setSecrets(secrets)
      await it.run(3_000)
    }
  await it.run(3_000)
  await network.advance(2_000)
  expect([told, it.peer.state, b.peers.length]).toEqual([[[], []], "joined", 1])
  expect(it.count()).toBe(2_100)
  // And by nothing else than the new secret.
  const late = await bind(world, "d")
  await expect(network.until(late.join(`b:${PORT}`, { timeoutMs: 500 }))).rejects.toMatchObject({
    code: "join-timeout",
  })
})

test("a member that takes the new secret in time goes on though the old one goes at once", async () => {
  const world = group(3, { delayMs: 20 })
  const [a, b] = [await bind(world, "a"), await bind(world, "b")]
  const told = [record(a), record(b)]
  const it = await sending(world, a, b)
  a.setSecrets([NEXT])
  b.setSecrets([NEXT])
  await it.run(2_000)
  await world.network.advance(100)
  expect([told, it.peer.state, it.count()]).toEqual([[[], []], "joined", 200])
})

test("a join that is accepted by a secret that goes meanwhile isn't completed", async () => {
  const world = group(4, { delayMs: 20 })
  const { network } = world
  const [a, b] = [await bind(world, "a"), await bind(world, "b")]
  const joining = a.join(`b:${PORT}`, { timeoutMs: 1_000 })
  await network.when(() => b.sizes.halfOpen === 1)
  b.setSecrets([NEXT])
  expect(b.sizes.halfOpen).toBe(0)
  // It takes the accept that was under way, and is heard by nobody.
  await network.until(
    joining.then(
      () => {},
      () => {},
    ),
  )
  await network.advance(1_000)
  expect(b.peers).toEqual([])
})

test("whose key isn't welcome any more is told so within a second, and can't come back", async () => {
  const world = group(5)
  const { network, member } = world
  let isWelcome = true
  const a = await member("a", ["b"])
  const b = await member("b", [], { identity: { privateKey: keyOf("b"), trust: () => isWelcome } })
  const [atA, atB] = [record(a), record(b)]
  const it = await sending(world, a, b, { publicKey: publicKeyOf("b") })
  await it.run(3_000)
  expect(atB).toEqual([])
  const refusedMs = network.now
  isWelcome = false
  await it.run(3_000)
  expect(it.lastMs() - refusedMs).toBeLessThanOrEqual(1_000)
  const why = `left ${REASON.expelled} its key isn't welcome any more`
  expect([atA, atB, b.peers.length]).toEqual([[why], [why], 0])
  const again = a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") })
  await expect(network.until(again)).rejects.toMatchObject({ code: "join-refused" })
})

test("recheck asks at once, about members too that we joined and never trusted; no answer changes nothing", async () => {
  const { network, member } = group(6)
  let answer = (): boolean => true
  const a = await member("a", [], { identity: { privateKey: keyOf("a"), trust: () => answer() } })
  const b = await member("b", ["a"])
  answer = () => false
  const peer = await network.until(a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))
  const errors: string[] = []
  a.on("error", ({ message }) => errors.push(message))
  // Whom we joined was chosen by its key: what was never trusted isn't taken back.
  await network.advance(3_000)
  expect(peer.state).toBe("joined")
  answer = () => {
    throw new Error("the list is gone")
  }
  a.recheck()
  await network.advance(10)
  expect([errors.length, peer.state]).toEqual([1, "joined"])
  await network.advance(3_000)
  expect([errors.length > 1, peer.state]).toEqual([true, "joined"])
  answer = () => false
  a.recheck()
  expect(peer.state).toBe("left")
  await network.when(() => b.peers.length === 0)
})

test("a member that we joined, whose key was welcome and isn't any more, is told so within a second", async () => {
  const world = group(8)
  const { network, member } = world
  let isWelcome = true
  const a = await member("a", [], { identity: { privateKey: keyOf("a"), trust: () => isWelcome } })
  const b = await member("b", ["a"])
  const it = await sending(world, a, b, { publicKey: publicKeyOf("b") })
  const [atA, atB] = [record(a), record(b)]
  await it.run(2_000)
  expect([atA, atB]).toEqual([[], []])
  const refusedMs = network.now
  isWelcome = false
  await it.run(3_000)
  expect(it.lastMs() - refusedMs).toBeLessThanOrEqual(1_000)
  const why = `left ${REASON.expelled} its key isn't welcome any more`
  expect([atA, atB]).toEqual([[why], [why]])
})

test("who is expelled is told so, nothing more is taken of it, and others stay", async () => {
  const world = group(7)
  const { network } = world
  const [a, b, c] = [await bind(world, "a"), await bind(world, "b"), await bind(world, "c")]
  const it = await sending(world, a, b)
  const other = await network.until(c.join(`b:${PORT}`))
  const [atA, atB] = [record(a), record(b)]
  await it.run(200)
  const peer = b.peers.find(({ unique }) => unique === a.unique)!
  const expelledMs = network.now
  const expelling = b.expel(peer, "flooded")
  await it.run(500)
  await network.until(expelling)
  expect(it.lastMs()).toBeLessThanOrEqual(expelledMs)
  const why = `left ${REASON.expelled} flooded`
  expect([atA, atB, other.state]).toEqual([[why], [why], "joined"])
})

test.each([[[NEXT]], [[NEXT, SECRET]]])(
  "a peer that leaves when the secrets change to %j isn't joined again",
  async (secrets) => {
    const world = group(8)
    const { network } = world
    const [a, b] = [await bind(world, "a"), await bind(world, "b", { secrets: [SECRET, NEXT] })]
    const peer = await network.until(a.join(`b:${PORT}`))
    await network.when(() => b.peers.length === 1)
    const joined: string[] = []
    for (const endpoint of [a, b]) endpoint.on("joined", () => joined.push(endpoint.unique))
    a.setSecrets(secrets)
    await network.until(peer.leave())
    await network.advance(3_000)
    expect([a.peers, b.peers, joined]).toEqual([[], [], []])
  },
)
