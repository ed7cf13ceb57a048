import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { IncomingStream, OutgoingStream } from "@x/endpoint"
import { expect, test } from "vitest"
import {
  CHUNK_BYTES,
  encodeOffer,
  encodeReply,
  FILE,
  parseReply,
  type Reply,
  UNWRITTEN_BYTES_MAX,
} from "../src/file-protocol.ts"
import { FileSender } from "../src/file-sender.ts"
import { IncomingFile } from "../src/incoming-file.ts"
import { drive, folder, makeEnds, makeFile, makeParty, SLOW, until } from "./party.ts"

test("files of all sizes arrive byte for byte under their names, over a lossy path", async () => {
  const { network, dir, sender, peer, file } = await makeParty({ delayMs: 5, lossRate: 0.05 })
  for (const length of [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3_000_000]) {
    const { path, bytes } = await file(`f${length}`, length)
    const sent = await drive(network, sender.send(peer, path))
    expect(sent).toEqual({ bytes: length, kept: 0, sha256: createHash("sha256").update(bytes).digest("hex") })
    expect(Buffer.compare(await readFile(join(dir, `f${length}`)), bytes)).toBe(0)
  }
  expect((await readdir(dir)).length).toBe(5)
})

test("files sent at the same time don't mix", async () => {
  const { network, dir, sender, peer, file } = await makeParty({ delayMs: 5, lossRate: 0.02 })
  const files = await Promise.all(["a", "b", "c"].map((name) => file(name, 1_000_000)))
  await drive(network, Promise.all(files.map(({ path }) => sender.send(peer, path))))
  for (const [i, name] of ["a", "b", "c"].entries())
    expect(Buffer.compare(await readFile(join(dir, name)), files[i]!.bytes)).toBe(0)
})

test("progress is what the receiver has written: it never goes back, and ends at the size", async () => {
  const { network, sender, peer, file } = await makeParty({ delayMs: 5, lossRate: 0.02 })
  const { path } = await file("x", 3_000_000)
  const seen: number[] = []
  await drive(network, sender.send(peer, path, { onProgress: (written) => seen.push(written) }))
  expect(seen).toEqual(seen.toSorted((one, other) => one - other))
  expect([seen[0], seen.at(-1)]).toEqual([0, 3_000_000])
})

test("the longest name of any script is taken", async () => {
  const { network, dir, sender, peer, file } = await makeParty()
  const { path } = await file("x", 10)
  await drive(network, sender.send(peer, path, { name: "漢".repeat(85) }))
  expect(await readdir(dir)).toEqual(["漢".repeat(85)])
})

test.each(["../evil", "/etc/evil", "a/b", "..", "", "a\0b", ".hidden", "nul"])(
  "the hostile name %j is refused, and nothing is written",
  async (name) => {
    const { network, dir, sender, peer, file } = await makeParty()
    const { path } = await file("x", 1_000)
    const refused = { code: "name", message: expect.stringContaining("name was refused") }
    await expect(drive(network, sender.send(peer, path, { name }))).rejects.toMatchObject(refused)
    expect(await readdir(dir)).toEqual([])
  },
)

test("a file that is there isn't touched, unless overwriting was asked for", async () => {
  const { network, dir, sender, peer, file } = await makeParty()
  await writeFile(join(dir, "x"), "before")
  const { path } = await file("x", 1_000)
  await expect(drive(network, sender.send(peer, path))).rejects.toMatchObject({
    code: "exists",
    message: /--overwrite/,
  })
  expect(await readFile(join(dir, "x"), "utf8")).toBe("before")
  const other = await makeParty(undefined, { overwrite: true })
  await writeFile(join(other.dir, "x"), "before")
  await drive(other.network, other.sender.send(other.peer, path))
  expect((await readFile(join(other.dir, "x"))).length).toBe(1_000)
})

test("a name taken while the file was on its way is not overwritten", async () => {
  const { network, dir, sender, peer, file } = await makeParty(SLOW)
  const { path } = await file("x", 2_000_000)
  const sending = sender.send(peer, path)
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  await until(network, async () => (await readdir(dir)).length > 0)
  await writeFile(join(dir, "x"), "mine")
  await expect(drive(network, sending)).rejects.toMatchObject({ code: "exists" })
  expect(await readdir(dir)).toEqual(["x"])
  expect(await readFile(join(dir, "x"), "utf8")).toBe("mine")
})

test("a link that leads out of the folder is not followed, even to overwrite", async () => {
  const outside = join(await folder(), "outside")
  for (const overwrite of [false, true]) {
    const { network, dir, sender, peer, file } = await makeParty(undefined, { overwrite })
    await symlink(outside, join(dir, "x"))
    const { path } = await file("x", 1_000)
    await drive(network, sender.send(peer, path)).catch((error: { code: string }) => expect(error.code).toBe("exists"))
    await expect(readFile(outside)).rejects.toThrow("ENOENT")
  }
})

test("a folder of that name is not overwritten", async () => {
  const { network, dir, sender, peer, file } = await makeParty(undefined, { overwrite: true })
  await mkdir(join(dir, "x"))
  const { path } = await file("x", 1_000)
  await expect(drive(network, sender.send(peer, path))).rejects.toMatchObject({ code: "exists" })
  expect(await readdir(dir)).toEqual(["x"])
})

test("a folder that is gone is said to be, without its path", async () => {
  const { network, dir, sender, peer, file } = await makeParty(undefined, { dir: join(await folder(), "gone") })
  const { path } = await file("x", 1_000)
  await expect(drive(network, sender.send(peer, path))).rejects.toMatchObject({
    code: "storage",
    message: "the receiver's folder is gone",
  })
  expect(await readdir(dir)).toEqual([])
})

test("a sender that dies half way leaves nothing", async () => {
  const { network, dir, receiver, sender, senderHost, peer, file, refusals } = await makeParty(SLOW)
  const { path } = await file("x", 5_000_000)
  const abort = new AbortController()
  const sending = sender.send(peer, path, { signal: abort.signal })
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  await until(network, async () => (await readdir(dir)).length > 0)
  senderHost.crash()
  await network.advance(100_000)
  await drive(network, receiver.idle())
  expect(await readdir(dir)).toEqual([])
  expect(refusals).toEqual(["ended: it was interrupted"])
  // An ended process holds no file open, but this one is still running.
  abort.abort()
  await expect(sending).rejects.toThrow("aborted")
})

test("an aborted transfer rejects at once and leaves nothing", async () => {
  const { network, dir, receiver, sender, peer, file } = await makeParty(SLOW)
  const { path } = await file("x", 5_000_000)
  const abort = new AbortController()
  const sending = sender.send(peer, path, { signal: abort.signal })
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  await until(network, async () => (await readdir(dir)).length > 0)
  abort.abort()
  await expect(sending).rejects.toThrow("aborted")
  await until(network, () => receiver.count === 0)
  expect(await readdir(dir)).toEqual([])
})

test("a receiver that ends tells the sender, and leaves nothing", async () => {
  const { network, dir, b, receiver, sender, peer, file } = await makeParty(SLOW)
  const { path } = await file("x", 5_000_000)
  const sending = sender.send(peer, path)
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  await until(network, async () => (await readdir(dir)).length > 0)
  const closing = receiver.close().then(() => b.close())
  await expect(drive(network, sending)).rejects.toMatchObject({ code: "ended" })
  await drive(network, closing)
  expect(await readdir(dir)).toEqual([])
})

test("a receiver that leaves without a word about the file is an error of its own", async () => {
  const { network, b, dir, sender, peer, file } = await makeParty(SLOW)
  const { path } = await file("x", 5_000_000)
  const sending = sender.send(peer, path)
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  await until(network, async () => (await readdir(dir)).length > 0)
  const closing = b.close()
  await expect(drive(network, sending)).rejects.toMatchObject({
    code: "peer-left",
    message: expect.stringMatching(/; send it again$/) as string,
  })
  await drive(network, closing)
})

test.each([
  ["shorter", 1_000],
  ["longer", 12_000_001],
])("a file that becomes %s while it is read is not sent", async (_, length) => {
  const { network, dir, sender, peer, file, receiver } = await makeParty(SLOW)
  const { path } = await file("x", 12_000_000)
  const sending = sender.send(peer, path)
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  await until(network, async () => (await readdir(dir)).length > 0)
  await truncate(path, length)
  await expect(drive(network, sending)).rejects.toMatchObject({ code: "file-changed" })
  await until(network, () => receiver.count === 0)
  expect(await readdir(dir)).not.toContain("x")
})

test("what is no plain file is not sent", async () => {
  const { sender, peer, dir } = await makeParty()
  await expect(sender.send(peer, dir)).rejects.toMatchObject({ code: "not-a-file" })
})

const offer = (size: number, name = "x"): Uint8Array => encodeOffer({ name, size, canResume: false })
const OF_TEN = "protocol: a chunk of"

test.each<[string, (stream: OutgoingStream) => unknown, string]>([
  [
    "its SHA-256 doesn't agree",
    (it) => (it.trySend(FILE.chunk, bytes(10)), it.trySend(FILE.finish, bytes(32))),
    "content: its SHA-256",
  ],
  ["it is short", (it) => it.trySend(FILE.finish, bytes(32)), "content: 0 of 10 bytes"],
  ["a chunk is too long", (it) => it.trySend(FILE.chunk, bytes(11)), `${OF_TEN} 11`],
  ["a chunk is too short", (it) => it.trySend(FILE.chunk, bytes(9)), `${OF_TEN} 9`],
  ["a chunk is empty", (it) => it.trySend(FILE.chunk, bytes(0)), `${OF_TEN} 0`],
  [
    "more comes",
    (it) => (it.trySend(FILE.chunk, bytes(10)), it.trySend(FILE.chunk, bytes(1))),
    `${OF_TEN} 1 bytes came where one of 0`,
  ],
  [
    "its digest is none",
    (it) => (it.trySend(FILE.chunk, bytes(10)), it.trySend(FILE.finish, bytes(31))),
    "protocol: its SHA-256 has 31",
  ],
  ["the stream ends", (it) => it.end(), "ended: the sender ended it"],
  ["the stream is reset", (it) => it.reset(), "ended: it was interrupted"],
  ["it is offered twice", (it) => it.trySend(FILE.offer, offer(10)), "protocol: another file"],
])("a file isn't stored when %s", async (_, misbehave, why) => {
  const { network, dir, peer, refusals } = await makeParty()
  const stream = peer.open()
  stream.trySend(FILE.offer, offer(10))
  // A reset overtakes undelivered messages.
  await network.advance(50)
  misbehave(stream)
  await until(network, () => refusals.length > 0)
  expect(refusals).toEqual([expect.stringContaining(why)])
  expect(await readdir(dir)).toEqual([])
})

function bytes(length: number): Uint8Array {
  return new Uint8Array(length)
}

test("a sender that doesn't wait for the disk is refused before it fills the memory", async () => {
  const dir = await folder()
  const replies: Reply[] = []
  const stream = { id: 7, closed: new Promise(() => {}) } as unknown as IncomingStream
  const file = new IncomingFile({ name: "x", size: 1_000_000_000, canResume: false }, stream, { dir }, (reply) =>
    replies.push(reply),
  )
  // All in one turn, in which nothing can be written.
  for (let sent = 0; sent <= UNWRITTEN_BYTES_MAX; sent += CHUNK_BYTES) file.chunk(bytes(CHUNK_BYTES))
  const why = "more bytes came than were asked for"
  expect(await file.done).toEqual({ refusal: "protocol", why })
  expect(replies.at(-1)).toEqual({ type: FILE.refused, stream: 7, refusal: "protocol", why })
  expect(await readdir(dir)).toEqual([])
})

test("a chunk is the caller's again on return", async () => {
  const dir = await folder()
  const stream = { id: 7, closed: new Promise(() => {}) } as unknown as IncomingStream
  const file = new IncomingFile({ name: "x", size: 2 * CHUNK_BYTES, canResume: false }, stream, { dir }, () => {})
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (const value of [1, 2]) file.chunk(chunk.fill(value))
  const whole = Buffer.concat([bytes(CHUNK_BYTES).fill(1), bytes(CHUNK_BYTES).fill(2)])
  const digest = createHash("sha256").update(whole).digest()
  file.finish(digest)
  digest.fill(0)
  expect(await file.done).toBeUndefined()
  expect(Buffer.compare(await readFile(join(dir, "x")), whole)).toBe(0)
})

test("offers that can't be read, and files beyond the limit, are refused; others go on", async () => {
  const { network, dir, peer, refusals, sender, file } = await makeParty(undefined, { filesMax: 2 })
  for (const text of [
    "",
    "{",
    "[]",
    '{"name":1,"size":1}',
    '{"size":1}',
    '{"name":"x","size":-1}',
    '{"name":"x","size":1e300}',
  ]) {
    peer.open().trySend(FILE.offer, Buffer.from(text))
  }
  await until(network, () => refusals.length === 7)
  expect(new Set(refusals)).toEqual(new Set(["protocol: the offer can't be read"]))
  const open = [peer.open(), peer.open()]
  for (const [i, stream] of open.entries()) stream.trySend(FILE.offer, offer(10, `open${i}`))
  await network.advance(50)
  const { path } = await file("x", 10)
  await expect(drive(network, sender.send(peer, path))).rejects.toMatchObject({ code: "busy" })
  for (const stream of open) stream.reset()
  await until(network, () => refusals.length === 10)
  await drive(network, sender.send(peer, path))
  expect(await readdir(dir)).toEqual(["x"])
})

test("a sender is never further ahead of the disk than agreed, and takes no nonsense from a receiver", async () => {
  const { network, a, b, peer } = await makeEnds()
  const sender = new FileSender(a)
  let [received, written, most] = [0, 0, 0]
  let answer: (reply: Reply) => void = () => {}
  b.handle(FILE.offer, ({ peer, stream: { id } }) => {
    const replies = peer.open()
    answer = (reply) => replies.trySend(reply.type, encodeReply({ ...reply, stream: id }))
    answer({ type: FILE.written, stream: id, written: 0 })
    // More than was sent, for no file, and without any sense.
    answer({ type: FILE.written, stream: id, written: 1_000_000_000 })
    replies.trySend(FILE.stored, new Uint8Array([0, 0, 0, 99]))
    for (const type of [FILE.written, FILE.stored, FILE.refused]) replies.trySend(type, new Uint8Array(3))
  })
  b.handle(FILE.chunk, ({ length }) => {
    received += length
    most = Math.max(most, received - written)
  })
  b.handle(FILE.finish, () => answer({ type: FILE.stored, stream: 0 }))
  const { path } = await makeFile(await folder(), "x", 3 * UNWRITTEN_BYTES_MAX)
  let isSent = false
  const sending = sender.send(peer, path).then(() => (isSent = true))
  // It may fail before the test awaits it below.
  sending.catch(() => {})
  // The disk writes only when nothing more can come.
  await until(network, () => {
    if (received - written === UNWRITTEN_BYTES_MAX || (received === 3 * UNWRITTEN_BYTES_MAX && written < received)) {
      written += CHUNK_BYTES
      answer({ type: FILE.written, stream: 0, written })
    }
    return isSent
  })
  await sending
  expect(most).toBe(UNWRITTEN_BYTES_MAX)
})

test("replies that are none are told from those that are", () => {
  for (const reply of [
    { type: FILE.written, stream: 7, written: 2 ** 40 },
    { type: FILE.kept, stream: 7, kept: 2 ** 40 },
    { type: FILE.stored, stream: 7 },
    { type: FILE.refused, stream: 7, refusal: "storage", why: "voll ü" },
  ] as const) {
    const encoded = encodeReply(reply)
    expect(parseReply(reply.type, encoded)).toEqual(reply)
    for (let length = 0; length < Math.min(encoded.length, 5); length++) {
      if (reply.type === FILE.stored && length === 4) continue
      expect(parseReply(reply.type, encoded.subarray(0, length))).toBeUndefined()
    }
  }
  expect(parseReply(FILE.refused, new Uint8Array([0, 0, 0, 1, 99]))).toBeUndefined()
  expect(parseReply(FILE.written, new Uint8Array(12).fill(255))).toBeUndefined()
})
