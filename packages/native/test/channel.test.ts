import { createCipheriv } from "node:crypto"
import { afterEach, describe, expect, test } from "vitest"
import {
  canBatch,
  type Channel,
  close,
  openAlarm,
  openChannel,
  openSocket,
  type SealingKey,
  type SendRows,
  setOption,
} from "../src/index.ts"

const SEEDS = { sealSeed: 7, openSeed: 7 }
const why = canBatch ? "" : " (skipped: needs a C compiler and Linux)"

/** A received datagram, and whether its tag was right. */
interface Came {
  readonly bytes: Uint8Array
  readonly isRight: boolean
}

const open: Channel[] = []
afterEach(() => {
  for (const channel of open.splice(0)) channel.close()
})

function channelOn(listener: Partial<Parameters<typeof openChannel>[0]> = {}): Channel {
  const channel = openChannel({
    received: () => {},
    writable: () => {},
    failed: (errno) => expect.unreachable(`errno ${errno}`),
    ...listener,
  })
  open.push(channel)
  return channel
}

function bound(
  channel: Channel,
  family: 4 | 6 = 4,
): { readonly fd: number; readonly port: number } & ReturnType<Channel["add"]> {
  const { fd, port } = openSocket({ family, host: family === 4 ? "127.0.0.1" : "::1", receiveBufferBytes: 4 << 20 })
  return { fd, port, ...channel.add(fd, family) }
}

/** A channel that keeps what it receives, and a promise for this many datagrams. */
function receiver(count: number): {
  readonly channel: Channel
  readonly came: Came[]
  readonly batches: number[]
  readonly all: Promise<void>
} {
  const came: Came[] = []
  const batches: number[] = []
  let done = (): void => {}
  const all = new Promise<void>((resolve) => (done = resolve))
  const channel = channelOn({
    received(rows) {
      const { slab, offset, length, opener, verdict } = channel.rows
      batches.push(rows)
      opener.fill(1, 0, rows)
      channel.open(rows)
      for (let row = 0; row < rows; row++)
        came.push({ bytes: slab.slice(offset[row]!, offset[row]! + length[row]! - 4), isRight: verdict[row] === 1 })
      if (came.length >= count) done()
    },
  })
  channel.setSealer(1, SEEDS)
  return { channel, came, batches, all }
}

/** A channel whose slab 1 holds numbered bytes, with address 1. */
function sender(port: number): Channel {
  const channel = channelOn()
  channel.setSlab(1, memory())
  channel.setSealer(1, SEEDS)
  channel.setAddress(1, 4, "127.0.0.1", port)
  return channel
}

const memory = (): Uint8Array => new Uint8Array(1 << 17).map((_, i) => (i * 31 + (i >>> 8)) & 255)

/** Rows of these lengths, one after the other with room for a tag, all to address 1. */
function rowsOf(lengths: readonly number[]): SendRows {
  const ones = new Int32Array(lengths.length).fill(1)
  let at = 0
  const offset = Int32Array.from(lengths, (length) => (at += length + 4) - length - 4)
  const ecn = new Uint8Array(lengths.length)
  return { slab: ones, offset, length: Int32Array.from(lengths), address: ones.slice(), sealer: ones.slice(), ecn }
}

function expected({ offset, length }: SendRows): Came[] {
  return Array.from(length, (bytes, row) => ({
    bytes: memory().subarray(offset[row], offset[row]! + bytes),
    isRight: true,
  }))
}

describe.skipIf(!canBatch)(`a channel${why}`, () => {
  test.each([
    ["one", [40]],
    ["a run of one size", Array.from({ length: 40 }, () => 1_000)],
    ["a run whose last is shorter, and another", [500, 500, 500, 20, 700, 700, 1]],
    ["each of another size", [9, 8, 700, 1, 2_000, 30]],
  ])("brings datagrams as they were, in order, with their tags: %s", async (_, lengths) => {
    const { channel, came, all } = receiver(lengths.length)
    const from = sender(bound(channel).port)
    bound(from)
    const rows = rowsOf(lengths)
    expect(from.send(rows, 0, lengths.length)).toBe(lengths.length)
    expect(from.report).toEqual({
      bytes: lengths.reduce((sum, length) => sum + length + 4, 0),
      unsendable: 0,
      refused: [],
    })
    await all
    // A tag is written after its row, not over the bytes of the next one.
    expect(came).toEqual(expected(rows))
  })

  test("where offload is there, a run comes in one batch", async () => {
    const { channel, batches, all } = receiver(40)
    const { port, gro } = bound(channel)
    const from = sender(port)
    const { gso } = bound(from)
    from.send(rowsOf(Array.from({ length: 40 }, () => 1_000)), 0, 40)
    await all
    expect(batches.length).toBeLessThanOrEqual(gso && gro ? 1 : 40)
  })

  test("offload that the kernel refuses at run time costs nothing but its speed: all are sent singly, the next batch at once", async () => {
    const { channel, came, all } = receiver(60)
    const from = sender(bound(channel).port)
    const { fd, gso } = bound(from)
    // Without checksums segmentation fails (EINVAL), and nothing shows that in advance.
    setOption(fd, "SOL_SOCKET", "SO_NO_CHECK", 1)
    const rows = rowsOf(Array.from({ length: 30 }, () => 1_000))
    for (let i = 0; i < 2; i++) {
      expect(from.send(rows, 0, 30)).toBe(30)
      expect(from.report).toEqual({ bytes: 30 * 1_004, unsendable: 0, refused: [] })
    }
    await all
    expect([gso, came]).toEqual([true, [...expected(rows), ...expected(rows)]])
  })

  test("a tag under another seed is wrong, and one of another byte too", async () => {
    const { channel, came, all } = receiver(3)
    const from = sender(bound(channel).port)
    bound(from)
    from.setSealer(2, { sealSeed: 8, openSeed: 8 })
    const rows = rowsOf([100, 100, 100])
    rows.sealer[1] = 2
    // Without a sealer the receiver takes the last four bytes for the tag.
    rows.sealer[2] = 0
    from.send(rows, 0, 3)
    await all
    expect(came.map(({ isRight }) => isRight)).toEqual([true, false, false])
  })

  test("what the system refuses is told by row, and the others go", async () => {
    const { channel, came, all } = receiver(2)
    const from = sender(bound(channel).port)
    bound(from)
    const rows = rowsOf([50, 65_600, 50])
    expect(from.send(rows, 0, 3)).toBe(3)
    const { refused } = from.report
    expect([refused[0], from.errorName(refused[1]!), refused[2]]).toEqual([1, "EMSGSIZE", 65_604])
    await all
    expect(came).toEqual([expected(rows)[0], expected(rows)[2]])
  })

  test("rows of a family without a socket are taken, lost and counted", () => {
    const from = sender(9)
    bound(from)
    from.setAddress(2, 6, "::1", 9)
    const rows = rowsOf([10, 10])
    rows.address[0] = 2
    expect([from.send(rows, 0, 2), from.report.unsendable]).toEqual([2, 1])
  })

  test.each([
    ["slab", 2],
    ["address", 2],
    ["sealer", 2],
    ["offset", 1 << 17],
    ["length", 1 << 17],
  ] as const)(
    "a row whose %s isn't known or reaches out of its slab is an error, and none before it is sent",
    async (column, value) => {
      const { channel, came, all } = receiver(1)
      const from = sender(bound(channel).port)
      bound(from)
      const wrong = rowsOf([10, 10])
      wrong[column][1] = value
      expect(() => from.send(wrong, 0, 2)).toThrow(RangeError)
      from.send(rowsOf([77]), 0, 1)
      await all
      expect(came.map(({ bytes }) => bytes.length)).toEqual([77])
    },
  )

  test("a source without a number is told by address and port, one with a number by that", async () => {
    const seen: unknown[] = []
    let done = (): void => {}
    const all = new Promise<void>((resolve) => (done = resolve))
    const channel = channelOn({
      received() {
        const { host, port } = channel.sourceOf(0)
        seen.push(channel.rows.address[0] === 0 ? [host, port] : channel.rows.address[0])
        channel.setAddress(12, 4, host, port)
        if (seen.length === 2) done()
        else from.send(rowsOf([1]), 0, 1)
      },
    })
    const from = sender(bound(channel).port)
    const { port } = bound(from)
    from.send(rowsOf([1]), 0, 1)
    await all
    expect(seen).toEqual([["127.0.0.1", port], 12])
  })

  test("memory that C points into can't be transferred away", () => {
    const channel = channelOn()
    const slab = new Uint8Array(64)
    channel.setSlab(1, slab)
    for (const { buffer, length } of [slab, ...Object.values(channel.rows)]) {
      try {
        structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
      } catch {
        // Node 21 and later refuse; earlier versions copy it.
      }
      expect(buffer.byteLength).toBeGreaterThanOrEqual(length)
    }
  })

  test("closed from within, it calls nobody any more, and takes nothing", async () => {
    let calls = 0
    const closed = new Promise<void>((resolve) => {
      const channel = channelOn({
        received() {
          calls++
          channel.close()
          channel.close()
          resolve()
        },
      })
      const from = sender(bound(channel).port)
      bound(from)
      from.send(rowsOf([10]), 0, 1)
      from.send(rowsOf([10]), 0, 1)
    })
    await closed
    const [channel] = open
    expect(() => channel!.setAddress(1, 4, "127.0.0.1", 1)).toThrow(/open/)
    await new Promise((resolve) => setImmediate(resolve))
    expect(calls).toBe(1)
  })

  test("a socket goes to one channel, by its family, once", () => {
    const channel = channelOn()
    const { fd } = openSocket({ family: 4, host: "127.0.0.1" })
    expect(() => channel.add(fd, 6)).toThrow(RangeError)
    close(fd)
    bound(channel)
    const other = openSocket({ family: 4, host: "127.0.0.1" })
    expect(() => channel.add(other.fd, 4)).toThrow(RangeError)
    close(other.fd)
  })
})

describe.skipIf(!canBatch)(`marks of a channel${why}`, () => {
  /** Sends rows with these marks from one socket to another, and returns those that they came with. */
  async function marksThrough(
    marks: readonly number[],
    at: { family: 4 | 6; host: string; to?: string },
  ): Promise<{
    readonly hasMarks: boolean
    readonly came: readonly number[]
  }> {
    const { family, host, to = host } = at
    const came: number[] = []
    let done = (): void => {}
    const all = new Promise<void>((resolve) => (done = resolve))
    const channel = channelOn({
      received(rows) {
        came.push(...channel.rows.ecn.subarray(0, rows))
        if (came.length >= marks.length) done()
      },
    })
    const { fd, port } = openSocket({ family, host, v6Only: to === host })
    const { ecn: hasMarks } = channel.add(fd, family)
    const from = sender(port)
    from.add(openSocket({ family, host, v6Only: to === host }).fd, family)
    from.setAddress(1, family, to, port)
    const rows = rowsOf(marks.map(() => 100))
    rows.ecn.set(marks)
    expect(from.send(rows, 0, marks.length)).toBe(marks.length)
    expect(from.report.refused).toEqual([])
    await all
    return { hasMarks, came }
  }

  test.each([
    ["v4", { family: 4, host: "127.0.0.1" }],
    ["v6", { family: 6, host: "::1" }],
    ["v4 through a socket of both families", { family: 6, host: "::", to: "::ffff:127.0.0.1" }],
  ] as const)("arrive as they were sent, in runs and alone, higher bits left out: %s", async (_, at) => {
    for (const marks of [
      [2],
      Array.from({ length: 40 }, () => 2),
      [...Array.from({ length: 20 }, () => 2), ...Array.from({ length: 20 }, () => 0), 3, 1, 2, 0, 3, 3],
      [0, 254, 4, 255],
    ]) {
      const { hasMarks, came } = await marksThrough(marks, at)
      expect(came).toEqual(marks.map((mark) => (hasMarks ? mark & 3 : 0)))
    }
  })

  test("leave the columns of a sender alone, and those of a receiver say nothing of the batch before", async () => {
    let done = (): void => {}
    const channel = channelOn({ received: () => done() })
    const { port, ecn: hasMarks } = bound(channel)
    const from = sender(port)
    bound(from)
    const rows = rowsOf([10])
    const seen: number[] = []
    for (const mark of [2, 0, 3, 0]) {
      rows.ecn[0] = mark
      const came = new Promise<void>((resolve) => (done = resolve))
      from.send(rows, 0, 1)
      await came
      seen.push(channel.rows.ecn[0]!)
      expect(rows.ecn[0]).toBe(mark)
    }
    expect(seen).toEqual(hasMarks ? [2, 0, 3, 0] : [0, 0, 0, 0])
  })
})

/** A key for datagrams with the counter at byte 5. */
const key = (clearBytes: number): SealingKey => ({
  key: Uint8Array.from({ length: 32 }, (_, i) => 11 * i),
  iv: Uint8Array.from({ length: 12 }, (_, i) => 17 * i),
  associated: Uint8Array.of(1, 2, 3),
  counterOffset: 5,
  clearBytes,
})

/** A datagram sealed by Node's own cryptography. */
function sealedByNode(
  datagram: Uint8Array,
  { key, iv, associated, counterOffset, clearBytes }: SealingKey,
): Uint8Array {
  const nonce = iv.map((byte, i) => (i < 6 ? byte : byte ^ datagram[counterOffset + 11 - i]!))
  const clear = datagram.subarray(0, clearBytes)
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.concat([associated, clear]))
  return Uint8Array.from(
    Buffer.concat([clear, cipher.update(datagram.subarray(clear.length)), cipher.final(), cipher.getAuthTag()]),
  )
}

describe.skipIf(!canBatch)(`a channel's keys${why}`, () => {
  /** Receives datagrams, calls `alter`, then opens them with sealer 1. */
  function opener(
    count: number,
    given: SealingKey,
    alter: (bytes: Uint8Array, row: number) => void,
  ): {
    readonly channel: Channel
    readonly came: (Came & { readonly sealed: Uint8Array })[]
    readonly all: Promise<void>
  } {
    const came: (Came & { readonly sealed: Uint8Array })[] = []
    let done = (): void => {}
    const all = new Promise<void>((resolve) => (done = resolve))
    const channel = channelOn({
      received(rows) {
        const { slab, offset, length, opener: openers, verdict } = channel.rows
        const bytesOf = (row: number): Uint8Array => slab.subarray(offset[row]!, offset[row]! + length[row]!)
        const sealed = Array.from({ length: rows }, (_, row) => bytesOf(row).slice())
        for (let row = 0; row < rows; row++) alter(bytesOf(row), came.length + row)
        openers.fill(1, 0, rows)
        channel.open(rows)
        for (let row = 0; row < rows; row++)
          came.push({ sealed: sealed[row]!, bytes: bytesOf(row).slice(0, -16), isRight: verdict[row] === 1 })
        if (came.length >= count) done()
      },
    })
    channel.setKey(1, given)
    return { channel, came, all }
  }

  test.each([
    ["encrypted", 12],
    ["all in clear", Infinity],
    ["nothing in clear", 0],
  ])("seal as Node does, to other memory, and open where it lies: %s", async (_, clearBytes) => {
    const lengths = [11, 12, 13, 1_000, 1_000, 1_000, 400, 40_000]
    const { channel, came, all } = opener(lengths.length, key(clearBytes), () => {})
    const from = sender(bound(channel).port)
    bound(from)
    from.setKey(1, key(clearBytes))
    const [slab, rows] = [memory(), rowsOf(lengths)]
    from.setSlab(1, slab)
    expect(from.send(rows, 0, lengths.length)).toBe(lengths.length)
    expect(from.report).toEqual({
      bytes: lengths.reduce((sum, length) => sum + length + 16, 0),
      unsendable: 0,
      refused: [],
    })
    await all
    const sent = expected(rows).map(({ bytes }) => bytes)
    expect(came.map(({ sealed }) => sealed)).toEqual(sent.map((bytes) => sealedByNode(bytes, key(clearBytes))))
    // If the counter is encrypted too, the receiver can't find it.
    if (clearBytes > 0) expect(came.map(({ bytes, isRight }) => (isRight ? bytes : "refused"))).toEqual(sent)
    // Bytes that may be sent again are unchanged.
    expect(slab).toEqual(memory())
  })

  test("open nothing of which a bit differs, and nothing that is too short", async () => {
    const { channel, came, all } = opener(40, key(12), (bytes, row) => {
      if (row < 39) bytes[row]! ^= 1 << (row & 7)
    })
    const from = sender(bound(channel).port)
    bound(from)
    from.setKey(1, key(12))
    // 23 bytes and their tag: each byte is altered once; then one datagram is left intact.
    from.send(rowsOf(Array.from({ length: 40 }, () => 23)), 0, 40)
    await all
    expect(came.map(({ isRight }) => isRight)).toEqual([...Array.from({ length: 39 }, () => false), true])
    const { offset, length, opener: openers, verdict } = channel.rows
    for (const bytes of [0, 1, 15, 16, 26]) {
      ;[offset[0], length[0], openers[0], verdict[0]] = [0, bytes, 1, 1]
      channel.open(1)
      expect(verdict[0], `${bytes} bytes`).toBe(0)
    }
  })

  test("a row that has no counter, and a key of another length, are errors at once; what is taken out is gone", () => {
    const from = sender(9)
    bound(from)
    from.setKey(1, key(12))
    expect(() => from.send(rowsOf([10]), 0, 1)).toThrow(/too short for its sealer/)
    for (const wrong of [{ key: new Uint8Array(31) }, { iv: new Uint8Array(13) }, { associated: new Uint8Array(65) }])
      expect(() => from.setKey(1, { ...key(12), ...wrong })).toThrow(RangeError)
    expect(from.send(rowsOf([11]), 0, 1)).toBe(1)
    from.setSealer(1, undefined)
    expect(() => from.send(rowsOf([11]), 0, 1)).toThrow(/no sealer has the id/)
  })
})

describe.skipIf(!canBatch)(`an alarm${why}`, () => {
  test("rings once for the last delay, never before it", async () => {
    const startMs = performance.now()
    let rings = 0
    const atMs = await new Promise<number>((resolve) => {
      const alarm = openAlarm(() => {
        rings++
        alarm.close()
        alarm.close()
        resolve(performance.now())
      })
      alarm.set(60_000)
      alarm.set(0)
      alarm.set(1.5)
    })
    expect(atMs - startMs).toBeGreaterThanOrEqual(1.5)
    expect(rings).toBe(1)
  })
})
