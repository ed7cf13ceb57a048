import { randomFillSync } from "node:crypto"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Endpoint, type OutgoingStream, type Peer } from "@x/endpoint"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"
import { afterEach, expect, test } from "vitest"
import { FILE } from "../src/file-protocol.ts"
import { FileReceiver, type FileReceiverOptions } from "../src/file-receiver.ts"
import { FileSender } from "../src/file-sender.ts"

const folders: string[] = []

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "x-test-"))
  folders.push(path)
  return path
}

interface Party {
  readonly network: Network
  readonly dir: string
  readonly from: string
  readonly receiver: FileReceiver
  readonly sender: FileSender
  readonly senderHost: SimulatedHost
  readonly peer: Peer
  readonly failures: string[]
  file(name: string, bytes: number): Promise<{ readonly path: string; readonly bytes: Uint8Array }>
}

async function makeParty(link: LinkOptions = { delayMs: 2 }, options: Partial<FileReceiverOptions> = {}): Promise<Party> {
  const network = createNetwork({ seed: 1, link })
  const [dir, from] = [await folder(), await folder()]
  const failures: string[] = []
  const senderHost = network.host("sender")
  const a = await network.until(Endpoint.bind({ host: senderHost, port: 1 }))
  const b = await network.until(Endpoint.bind({ host: network.host("receiver"), port: 1 }))
  const receiver = new FileReceiver(b, { dir, onFailed: (_, why) => failures.push(why), ...options })
  const sender = new FileSender(a)
  const peer = await network.until(a.join("receiver:1"))
  return {
    ...{ network, dir, from, receiver, sender, senderHost, peer, failures },
    async file(name, length) {
      const bytes = randomFillSync(new Uint8Array(length))
      await writeFile(join(from, name), bytes)
      return { path: join(from, name), bytes }
    },
  }
}

/** Lets virtual time and the disk go on, in turn, until a promise settles. */
async function drive<T>(network: Network, promise: Promise<T>): Promise<T> {
  const state = { isSettled: false }
  const done = (): void => void (state.isSettled = true)
  promise.then(done, done)
  while (!state.isSettled) {
    await network.advance(10)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return promise
}

test("files of all sizes arrive byte for byte under their names, over a lossy path", async () => {
  const { network, dir, sender, peer, file } = await makeParty({ delayMs: 5, lossRate: 0.05 })
  for (const length of [0, 1, 262_144, 262_145, 3_000_000]) {
    const { path, bytes } = await file(`f${length}`, length)
    await drive(network, sender.send(peer, path))
    expect(Buffer.compare(await readFile(join(dir, `f${length}`)), bytes)).toBe(0)
  }
  expect((await readdir(dir)).length).toBe(5)
})

test.each(["../evil", "/etc/evil", "a/b", ".."])("the hostile name %j is refused, and nothing is written", async (name) => {
  const { network, dir, sender, peer, file } = await makeParty()
  const { path } = await file("x", 1_000)
  await expect(drive(network, sender.send(peer, path, { name }))).rejects.toMatchObject({
    name: "FileRefusedError",
    message: expect.stringContaining("name was refused"),
  })
  expect(await readdir(dir)).toEqual([])
})

test("a file that is there isn't touched, unless overwriting was asked for", async () => {
  const { network, dir, sender, peer, file } = await makeParty()
  await writeFile(join(dir, "x"), "before")
  const { path } = await file("x", 1_000)
  await expect(drive(network, sender.send(peer, path))).rejects.toThrow("--overwrite")
  expect(await readFile(join(dir, "x"), "utf8")).toBe("before")
  const other = await makeParty({ delayMs: 2 }, { overwrite: true })
  await writeFile(join(other.dir, "x"), "before")
  await drive(other.network, other.sender.send(other.peer, path))
  expect((await readFile(join(other.dir, "x"))).length).toBe(1_000)
})

test("a sender that dies half way leaves nothing", async () => {
  const { network, dir, receiver, sender, senderHost, peer, file, failures } = await makeParty({
    delayMs: 2,
    rateBitsPerSecond: 100_000_000,
  })
  const { path } = await file("x", 5_000_000)
  const abort = new AbortController()
  const sending = sender.send(peer, path, { signal: abort.signal })
  while ((await readdir(dir)).length === 0) await drive(network, Promise.resolve())
  senderHost.crash()
  await network.advance(100_000)
  await drive(network, receiver.idle())
  expect(await readdir(dir)).toEqual([])
  expect(failures).toEqual(["the transfer was interrupted"])
  // A process that is gone holds no file open; this one is still here.
  abort.abort()
  await expect(sending).rejects.toThrow("aborted")
})

test("a file whose SHA-256 doesn't agree, that is too short or too long, isn't stored", async () => {
  const cases: [(stream: OutgoingStream) => void, string][] = [
    [(stream) => (stream.trySend(FILE.chunk, new Uint8Array(10)), stream.trySend(FILE.finish, new Uint8Array(32))), "SHA-256"],
    [(stream) => (stream.trySend(FILE.chunk, new Uint8Array(9)), stream.trySend(FILE.finish, new Uint8Array(32))), "9 of 10 bytes"],
    [(stream) => stream.trySend(FILE.chunk, new Uint8Array(11)), "more bytes"],
    [(stream) => void stream.end(), "before the file was whole"],
  ]
  for (const [misbehave, why] of cases) {
    const { network, dir, receiver, peer, failures } = await makeParty()
    const stream = peer.open()
    stream.trySend(FILE.offer, Buffer.from(JSON.stringify({ name: "x", size: 10 })))
    misbehave(stream)
    await network.advance(50)
    while (failures.length === 0) await drive(network, receiver.idle())
    expect(failures).toEqual([expect.stringContaining(why)])
    expect(await readdir(dir)).toEqual([])
  }
})

test("an aborted transfer rejects at once and leaves nothing", async () => {
  const { network, dir, receiver, sender, peer, file } = await makeParty({ delayMs: 2, rateBitsPerSecond: 100_000_000 })
  const { path } = await file("x", 5_000_000)
  const abort = new AbortController()
  const sending = sender.send(peer, path, { signal: abort.signal })
  while ((await readdir(dir)).length === 0) await drive(network, Promise.resolve())
  abort.abort()
  await expect(drive(network, sending)).rejects.toThrow("aborted")
  await drive(network, receiver.idle())
  expect(await readdir(dir)).toEqual([])
})
