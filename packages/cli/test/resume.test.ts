// An interrupted file resumes where it stopped, and never becomes another file than the sender's.
import { createHash, randomFillSync } from "node:crypto"
import { readdir, readFile, rename, stat, symlink, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Message } from "@x/endpoint"
import { expect, test } from "vitest"
import { CHUNK_BYTES, encodeOffer, encodeReply, FILE, GOES_ON, RESUME_BYTES_MIN } from "../src/file-protocol.ts"
import { FileReceiver } from "../src/file-receiver.ts"
import { FileSender, remedyOf } from "../src/file-sender.ts"
import { drive, folder, makeEnds, makeFile, makeParty, type Party, SLOW, until } from "./party.ts"

const SIZE = 5_000_000

async function parts(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => name.endsWith(".x-part"))
}

async function partSize(dir: string): Promise<number> {
  const [part] = await parts(dir)
  return part === undefined ? 0 : (await stat(join(dir, part))).size
}

/** Sends until the receiver has written two chunks, then breaks off; returns how many bytes are kept. */
async function interrupt({ network, dir, receiver, sender, peer }: Party, path: string): Promise<number> {
  const abort = new AbortController()
  const sending = sender.send(peer, path, { signal: abort.signal })
  sending.catch(() => {})
  await until(network, async () => (await partSize(dir)) >= 2 * CHUNK_BYTES)
  abort.abort()
  await until(network, () => receiver.count === 0)
  expect(await readdir(dir)).toEqual(await parts(dir))
  return partSize(dir)
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex")
}

test("a file that was interrupted goes on where it was, whoever sends it, and nothing else stays", async () => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  const there = await interrupt(party, path)
  const seen: number[] = []
  const sent = await drive(
    party.network,
    party.sender.send(party.peer, path, { onProgress: (written) => seen.push(written) }),
  )
  const kept = there - (there % CHUNK_BYTES)
  expect(sent).toEqual({ bytes: SIZE, kept, sha256: sha256(bytes) })
  expect([seen[0], seen.at(-1)]).toEqual([kept, SIZE])
  expect(Buffer.compare(await readFile(join(party.dir, "x")), bytes)).toBe(0)
  expect(await readdir(party.dir)).toEqual(["x"])
})

test("a sender whose receiver leaves knows whether sending again goes on from there", async () => {
  const { network, b, sender, peer, file } = await makeParty(SLOW)
  const { path } = await file("x", SIZE)
  let there = 0
  const sending = sender.send(peer, path, { onProgress: (written) => (there = written) })
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  await until(network, async () => there >= CHUNK_BYTES)
  const closing = b.close()
  await expect(drive(network, sending)).rejects.toMatchObject({
    code: "peer-left",
    message: expect.stringContaining(`; ${GOES_ON}`) as string,
  })
  await drive(network, closing)
})

test.each([
  ["nothing has come", SIZE, 0, "send it again"],
  ["less than a chunk", SIZE, CHUNK_BYTES - 1, "send it again"],
  ["a chunk", SIZE, CHUNK_BYTES, GOES_ON],
  ["a chunk of a file that is quickly sent again", RESUME_BYTES_MIN - 1, CHUNK_BYTES, "send it again"],
  ["a chunk of the smallest file that goes on", RESUME_BYTES_MIN, CHUNK_BYTES, GOES_ON],
  ["a chunk from a pipe", undefined, CHUNK_BYTES, "send it again"],
])("what to do when %s is there", (_, size, written, remedy) => {
  expect(remedyOf(size, written)).toBe(remedy)
})

test("it may be interrupted again and again", async () => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  await interrupt(party, path)
  const second = await interrupt(party, path)
  expect((await parts(party.dir)).length).toBe(1)
  const { kept } = await drive(party.network, party.sender.send(party.peer, path))
  expect(kept).toBe(second - (second % CHUNK_BYTES))
  expect(Buffer.compare(await readFile(join(party.dir, "x")), bytes)).toBe(0)
})

test("a listener that was killed, and one that was ended, go on with what they had", async () => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  const sending = party.sender.send(party.peer, path)
  sending.catch(() => {})
  await until(party.network, async () => (await partSize(party.dir)) >= 2 * CHUNK_BYTES)
  // As a killed process leaves it: the part exists, and no process is writing it.
  const [part] = await parts(party.dir)
  const left = await readFile(join(party.dir, part!))
  await drive(party.network, party.receiver.close())
  await expect(drive(party.network, sending)).rejects.toMatchObject({ code: "ended" })
  expect((await parts(party.dir)).length).toBe(1)
  const dir = await folder()
  await writeFile(join(dir, part!), left)
  const next = await makeParty(undefined, { dir })
  const { kept } = await drive(next.network, next.sender.send(next.peer, path))
  expect(kept).toBe(left.length - (left.length % CHUNK_BYTES))
  expect(Buffer.compare(await readFile(join(dir, "x")), bytes)).toBe(0)
})

test.each<[string, (path: string, bytes: Uint8Array) => Promise<void>]>([
  ["has changed at its beginning", (path, bytes) => writeFile(path, bytes.fill(7, 0, 1))],
  ["has become another", (path, bytes) => writeFile(path, randomFillSync(bytes))],
  ["has become shorter than what is there", (path) => truncate(path, RESUME_BYTES_MIN)],
])("a file that %s is sent from its beginning", async (_, change) => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  const there = await interrupt(party, path)
  await change(path, bytes)
  if ((await stat(path)).size > there) expect(there).toBeGreaterThan(0)
  const { kept } = await drive(party.network, party.sender.send(party.peer, path))
  expect((await readFile(join(party.dir, "x"))).equals(await readFile(path))).toBe(true)
  expect(await readdir(party.dir)).toEqual(["x"])
  if ((await stat(path)).size === SIZE) expect(kept).toBe(0)
})

test("a file that has changed behind what is there is stored as it is now", async () => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  await interrupt(party, path)
  await writeFile(path, bytes.fill(7, SIZE - 10))
  const { kept } = await drive(party.network, party.sender.send(party.peer, path))
  expect(kept).toBeGreaterThan(0)
  expect(Buffer.compare(await readFile(join(party.dir, "x")), bytes)).toBe(0)
})

test("a part that is a link is not gone on with", async () => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  await interrupt(party, path)
  const part = join(party.dir, (await parts(party.dir))[0]!)
  const elsewhere = join(await folder(), "part")
  await rename(part, elsewhere)
  await symlink(elsewhere, part)
  const { kept } = await drive(party.network, party.sender.send(party.peer, path))
  expect(kept).toBe(0)
  expect(Buffer.compare(await readFile(join(party.dir, "x")), bytes)).toBe(0)
})

test("a part with other bytes than were sent, as a power cut may leave it, is not gone on with", async () => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  const there = await interrupt(party, path)
  const [part] = await parts(party.dir)
  await writeFile(join(party.dir, part!), new Uint8Array(there))
  const { kept } = await drive(party.network, party.sender.send(party.peer, path))
  expect(kept).toBe(0)
  expect(Buffer.compare(await readFile(join(party.dir, "x")), bytes)).toBe(0)
})

test("two that send a file of one name at a time don't touch each other's bytes", async () => {
  const party = await makeParty(SLOW)
  const { path, bytes } = await party.file("x", SIZE)
  const first = party.sender.send(party.peer, path)
  await until(party.network, async () => (await partSize(party.dir)) >= 2 * CHUNK_BYTES)
  // It resumes from the bytes that the first has written so far, in its own file.
  const second = party.sender.send(party.peer, path)
  const outcomes = await drive(party.network, Promise.allSettled([first, second]))
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"])
  expect(Buffer.compare(await readFile(join(party.dir, "x")), bytes)).toBe(0)
  expect(await readdir(party.dir)).toEqual(["x"])
})

test("a part that is being written by a transfer is left to it", async () => {
  const party = await makeParty(SLOW)
  const { path } = await party.file("x", SIZE)
  const first = party.sender.send(party.peer, path)
  await until(party.network, async () => (await partSize(party.dir)) >= 2 * CHUNK_BYTES)
  const abort = new AbortController()
  const second = party.sender.send(party.peer, path, { signal: abort.signal, onProgress: () => abort.abort() })
  second.catch(() => {})
  await drive(party.network, first)
  await expect(drive(party.network, second)).rejects.toThrow("aborted")
  await until(party.network, () => party.receiver.count === 0)
  expect(await readdir(party.dir)).toEqual(["x"])
})

test("a small file is not kept: it is sent anew in no time", async () => {
  const party = await makeParty({ delayMs: 2, rateBitsPerSecond: 10_000_000 })
  const { path } = await party.file("x", RESUME_BYTES_MIN - 1)
  await interrupt(party, path)
  expect(await readdir(party.dir)).toEqual([])
})

test("a receiver that kept more than there is, or counts no chunks, is not believed", async () => {
  const { network, a, b, peer } = await makeEnds()
  const seen: string[] = []
  const asked: number[] = []
  b.handle(FILE.offer, ({ peer, stream: { id } }: Message) => {
    const replies = peer.open()
    for (const kept of [CHUNK_BYTES + 1, 100 * CHUNK_BYTES])
      replies.trySend(FILE.kept, encodeReply({ type: FILE.kept, stream: id, kept }))
    // Neither 0 nor the number of bytes kept: it asks for nothing valid.
    replies.trySend(FILE.written, encodeReply({ type: FILE.written, stream: id, written: CHUNK_BYTES }))
    replies.trySend(FILE.written, encodeReply({ type: FILE.written, stream: id, written: 0 }))
  })
  b.handle(FILE.prefix, () => void seen.push("prefix"))
  b.handle(FILE.chunk, ({ length }) => void asked.push(length))
  const { path } = await makeFile(await folder(), "x", SIZE)
  const abort = new AbortController()
  const sending = new FileSender(a).send(peer, path, { signal: abort.signal })
  sending.catch(() => {})
  await until(network, () => asked.reduce((sum, length) => sum + length, 0) === SIZE)
  abort.abort()
  await expect(sending).rejects.toThrow("aborted")
  expect(seen).toEqual([])
})

test("a sender that sends before it was asked where to go on, or a digest that nobody asked for, is refused", async () => {
  for (const type of [FILE.chunk, FILE.prefix]) {
    const { network, b, peer } = await makeEnds()
    const refusals: string[] = []
    const dir = await folder()
    new FileReceiver(b, { dir, onRefused: (_, refusal) => refusals.push(refusal) })
    const stream = peer.open()
    stream.trySend(FILE.offer, encodeOffer({ name: "x", size: SIZE, canResume: true }))
    // Both come in one datagram: no work of the disk is in between.
    await stream.send(type, new Uint8Array(32)).catch(() => {})
    await until(network, () => refusals.length > 0)
    expect(refusals).toEqual(["protocol"])
    expect(await readdir(dir)).toEqual([])
  }
})

test("what comes from a pipe is stored, of whatever size its pieces are", async () => {
  const { network, dir, sender, peer } = await makeParty({ delayMs: 5, lossRate: 0.02 })
  for (const sizes of [[], [1], [0, 5], [CHUNK_BYTES + 1, 1, 2_000_000]]) {
    const pieces = sizes.map((size) => randomFillSync(new Uint8Array(size)))
    const bytes = Buffer.concat(pieces)
    const name = `pipe${sizes.length}`
    const pipe = (async function* () {
      yield* pieces
    })()
    const sent = await drive(network, sender.sendFrom(peer, pipe, name))
    expect(sent).toEqual({ bytes: bytes.length, kept: 0, sha256: sha256(bytes) })
    expect(Buffer.compare(await readFile(join(dir, name)), bytes)).toBe(0)
  }
})

test("a pipe that breaks stores nothing, and one that has nothing to say is given up when the receiver ends", async () => {
  const { network, dir, receiver, sender, peer } = await makeParty()
  const broken = (async function* () {
    yield new Uint8Array(10)
    throw new Error("the pipe broke")
  })()
  await expect(drive(network, sender.sendFrom(peer, broken, "x"))).rejects.toThrow("the pipe broke")
  const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<IteratorResult<Uint8Array>>(() => {}) }) }
  const sending = sender.sendFrom(peer, silent, "y")
  sending.catch(() => {})
  await until(network, () => receiver.count > 0)
  await drive(network, receiver.close())
  await expect(drive(network, sending)).rejects.toMatchObject({ code: "ended" })
  expect(await readdir(dir)).toEqual([])
})
