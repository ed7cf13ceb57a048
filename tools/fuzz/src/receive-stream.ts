/** The receiving end of a stream, given any packets, marks and ends. */
import { createKeptPacket, PacketPool, PoolShare, ReceiveStream, RttEstimator, streamOptions } from "@x/stream"
import * as wire from "@x/wire"
import { bytes } from "@x/testkit"
import { Script } from "./script.ts"
import { must, type Target } from "./target.ts"

const MODES = [wire.MODE.reliable, wire.MODE["reliable-unordered"], wire.MODE["best-effort"], wire.MODE.latest]
const SPREAD = 64
const SLOTS = 24
const OPS_MAX = 2_000
const SHARE = 16

export const receiveStreamTarget: Target = {
  name: "receive-stream",
  inputs: 5_000,
  make: (random) => bytes(random, 1 + random.below(1_500)),
  run: (input) => new Run(new Script(input)).play(),
}

class Run {
  readonly #script: Script
  readonly #pool = new PacketPool({ slotBytes: 64, slotsMax: SLOTS })
  readonly #share = new PoolShare(this.#pool, SHARE)
  readonly #stream: ReceiveStream
  readonly #taken = new Set<number>()
  readonly #kept = createKeptPacket()
  readonly #skipped = { begun: 0 }
  readonly #status = wire.createStatus()
  readonly #writer = new wire.PacketWriter(new Uint8Array(1_200))
  readonly #payload = new Uint8Array(32)
  #nowMs = 0

  constructor(script: Script) {
    this.#script = script
    const options = streamOptions({
      payloadBytesMax: 64,
      spreadPackets: SPREAD,
      windowPackets: SPREAD,
      statusPackets: 8,
    })
    const mode = MODES[script.byte() % MODES.length]!
    this.#stream = new ReceiveStream({ id: 1, mode, options, rtt: new RttEstimator(20), pool: this.#share })
  }

  play(): void {
    const stream = this.#stream
    for (let op = 0; op < OPS_MAX && !this.#script.isOver; op++) {
      const before = stream.cumulative
      const wasStarted = stream.isStarted
      this.#act()
      stream.assertInvariants()
      must(!wasStarted || stream.cumulative >= before, () => `the edge fell from ${before} to ${stream.cumulative}`)
      must(
        stream.kept === this.#share.used && stream.kept === this.#pool.used,
        () => `${stream.kept} kept, ${this.#pool.used} slots in use`,
      )
      must(stream.kept <= SHARE, () => `${stream.kept} packets kept of ${SHARE}`)
      if (stream.isComplete && this.#script.byte() % 4 === 0) stream.close()
    }
    stream.close()
    must(this.#pool.used === 0, () => `${this.#pool.used} slots in use at the end`)
  }

  #act(): void {
    const script = this.#script
    const stream = this.#stream
    const choice = script.byte()
    if (choice < 150) return this.#packet()
    if (choice < 170) return this.#sync()
    if (choice < 200) {
      this.#nowMs += script.below(60)
      return this.#poll()
    }
    if (choice < 225)
      return stream.handleOpen(script.byte() % 4 === 0 ? this.#number() : script.byte() % 8, this.#nowMs)
    if (choice < 245) {
      stream.hasRoom()
      return this.#takeKept()
    }
    if (choice < 253) return void stream.handleEnd(this.#number())
    // Rarely, so that scripts get long.
    if (choice === 255 && script.byte() > 240) stream.close()
  }

  /** A packet number: mostly one that may come now. */
  #number(): number {
    const script = this.#script
    const choice = script.byte()
    if (choice < 240)
      return Math.min(
        wire.NUMBER_MAX,
        Math.max(0, this.#stream.cumulative - 2 + (choice % (choice < 180 ? 12 : SPREAD + 8))),
      )
    return [0, 2 ** 31, 2 ** 32, wire.NUMBER_MAX - SPREAD, wire.NUMBER_MAX - 1, wire.NUMBER_MAX][choice % 6]!
  }

  #packet(): void {
    const stream = this.#stream
    const number = this.#number()
    const { cumulative, mode } = stream
    const wanted = this.#script.byte() % 4 === 0
    this.#payload.fill(number & 0xff)
    const verdict = stream.handlePacket(
      number,
      wire.deliveryByte(mode, wire.FORM.whole),
      wanted,
      this.#payload,
      0,
      32,
      this.#nowMs,
    )
    if (verdict !== "deliver") return
    if (mode === wire.MODE.latest) {
      must(number >= cumulative, () => `${number} delivered behind ${cumulative}`)
      return stream.pass(number)
    }
    must(
      stream.isStarted && number >= cumulative && number < cumulative + SPREAD,
      () => `${number} delivered at ${cumulative}`,
    )
    must(
      mode === wire.MODE["reliable-unordered"] || number === cumulative,
      () => `${number} delivered at ${cumulative}, out of order`,
    )
    if (this.#script.byte() % 8 === 0)
      return stream.refuse(mode === wire.MODE["reliable-unordered"] ? number : undefined)
    this.#take(number)
    if (mode === wire.MODE["reliable-unordered"]) return stream.accept(number, this.#nowMs)
    stream.advance()
    this.#takeKept()
  }

  #take(number: number): void {
    must(!this.#taken.has(number), () => `${number} delivered twice`)
    this.#taken.add(number)
  }

  #takeKept(): void {
    const stream = this.#stream
    for (;;) {
      if (stream.skip(this.#skipped)) continue
      if (!stream.peekKept(this.#kept)) return
      const { bytes: slab, offset, length } = this.#kept
      must(
        length === 32 && slab[offset] === (stream.cumulative & 0xff),
        () => `another packet is kept as ${stream.cumulative}`,
      )
      if (this.#script.byte() % 8 === 0) return stream.refuse()
      this.#take(stream.cumulative)
      stream.advance()
    }
  }

  #sync(): void {
    const script = this.#script
    const sync = wire.createSync()
    sync.mode = this.#stream.mode
    sync.low = this.#number()
    sync.high = Math.min(wire.NUMBER_MAX, sync.low + (script.byte() % (SPREAD + 8)))
    sync.begun = script.byte()
    let at = sync.low
    for (let count = script.byte() % 4; count > 0; count--) {
      const from = at + 1 + (script.byte() % 6)
      const to = from + 1 + (script.byte() % 6)
      if (to > sync.high) break
      sync.gone.edges[2 * sync.gone.count] = from
      sync.gone.edges[2 * sync.gone.count + 1] = to
      sync.gone.begun[sync.gone.count++] = sync.begun
      at = to
    }
    this.#stream.handleSync(sync, script.byte() % 2 === 0, this.#nowMs)
    this.#takeKept()
  }

  /** Its status has to be one that a decoder accepts. */
  #poll(): void {
    const stream = this.#stream
    const writer = this.#writer
    const rangesMax = this.#script.byte()
    if (!stream.pollStatus(this.#nowMs, this.#status, rangesMax)) return
    // The ranges that had no room in the status are due at once.
    const isWhole = this.#status.missing.count < Math.min(rangesMax, wire.RANGES_MAX)
    must(!isWhole || stream.nextTimeoutMs > this.#nowMs, () => "a status is due right behind one that said all")
    wire.writePrefix(writer.view, 0, wire.PROFILE.none, false, 1, 1)
    writer.start(wire.PREFIX_BYTES[wire.PROFILE.none]!)
    writer.finish(wire.writeStatus(writer.view, writer.begin(wire.KIND.status), this.#status))
    const reason = wire.checkPackets(writer.view, 0, writer.end, wire.PROFILE.none)
    must(reason === undefined, () => `a status of its own is refused for "${reason}"`)
  }
}
