/**
 * A sender that shares its path like TCP with CUBIC (RFC 9438): slow start, cubic growth towards the window of the last
 * loss, a loss by three later acknowledgements, one reduction to 0.7 a round trip. Lost datagrams aren't resent; only
 * the window matters.
 */
import type { Address, Host, ReceiveBatch, SendBatch, Transport, WakeUp } from "@x/transport/host"
import { createSendBatch } from "@x/transport/host"
import type { Network } from "@x/transport/simulated"

const DATAGRAM_BYTES = 1_200
const ACK_BYTES = 12
const BETA = 0.7
/** Datagrams a second cubed. */
const C = 0.4
const TIMEOUT_MS = 1_000

export class CubicFlow {
  /** Bytes that have arrived. */
  receivedBytes = 0
  readonly #transport: Transport
  readonly #host: Host
  readonly #target: number
  readonly #batch: SendBatch = createSendBatch(1)
  readonly #bytes = new Uint8Array(DATAGRAM_BYTES)
  /** When each datagram in flight was sent, by number, in the order of their numbers. */
  readonly #sentMs = new Map<number, number>()
  readonly #timer: WakeUp
  #next = 0
  #window = 10
  #threshold = Infinity
  /** The window at the last loss, the time of that, and how long the cube takes to return there. */
  #mostWindow = 0
  #epochMs = 0
  #backMs = 0
  /** Losses of datagrams below this number already caused a reduction. */
  #recoveredBelow = 0

  static async start(network: Network, from: Host, to: Host, port: number): Promise<CubicFlow> {
    const sender = await network.until(from.bind({ port }))
    const receiver = await network.until(to.bind({ port }))
    return new CubicFlow(from, sender, receiver)
  }

  private constructor(host: Host, sender: Transport, receiver: Transport) {
    this.#host = host
    this.#transport = sender
    this.#target = sender.internAddress(v4(receiver))
    this.#batch.slab[0] = sender.registerSlab(this.#bytes)
    const back = createSendBatch(1)
    const ack = new Uint8Array(ACK_BYTES)
    back.slab[0] = receiver.registerSlab(ack)
    back.address[0] = receiver.internAddress(v4(sender))
    receiver.onReceive((batch) => {
      for (let row = 0; row < batch.count; row++) {
        this.receivedBytes += batch.length[row]!
        new DataView(ack.buffer).setUint32(0, numberOf(batch, row))
        back.length[0] = ACK_BYTES
        back.count = 1
        receiver.send(back)
      }
    })
    sender.onReceive((batch) => {
      for (let row = 0; row < batch.count; row++) this.#handleAck(numberOf(batch, row))
      this.#fill()
    })
    this.#timer = host.wakeUp(() => this.#handleTimeout())
    this.#fill()
  }

  #handleAck(number: number): void {
    const nowMs = this.#host.now()
    if (!this.#sentMs.delete(number)) return
    let isLost = false
    for (const earlier of this.#sentMs.keys()) {
      if (earlier + 3 > number) break
      this.#sentMs.delete(earlier)
      if (earlier >= this.#recoveredBelow) isLost = true
    }
    if (isLost) this.#reduce(nowMs)
    else if (this.#window < this.#threshold) this.#window++
    else this.#grow(nowMs)
  }

  #reduce(nowMs: number): void {
    this.#mostWindow = this.#window
    this.#window = this.#threshold = Math.max(2, this.#window * BETA)
    this.#recoveredBelow = this.#next
    this.#epochMs = nowMs
    this.#backMs = 1_000 * cubeRoot((this.#mostWindow * (1 - BETA)) / C)
  }

  #grow(nowMs: number): void {
    const seconds = (nowMs - this.#epochMs - this.#backMs) / 1_000
    const target = this.#mostWindow + C * seconds * seconds * seconds
    // Reno's pace, where the cube is slower.
    const friendly = (3 * (1 - BETA)) / (1 + BETA) / this.#window
    this.#window += Math.max(friendly, Math.min(0.5, (target - this.#window) / this.#window))
  }

  #handleTimeout(): void {
    this.#sentMs.clear()
    this.#threshold = Math.max(2, this.#window / 2)
    this.#window = 2
    this.#recoveredBelow = this.#next
    this.#fill()
  }

  #fill(): void {
    while (this.#sentMs.size < Math.floor(this.#window)) {
      new DataView(this.#bytes.buffer).setUint32(0, this.#next)
      this.#sentMs.set(this.#next++, this.#host.now())
      this.#batch.address[0] = this.#target
      this.#batch.length[0] = DATAGRAM_BYTES
      this.#batch.count = 1
      this.#transport.send(this.#batch)
    }
    this.#timer.at(this.#host.now() + TIMEOUT_MS)
  }
}

function v4({ localAddresses }: Transport): Address {
  return localAddresses.find(({ family }) => family === 4)!
}

function numberOf({ slabs, slab, offset }: ReceiveBatch, row: number): number {
  const bytes = slabs[slab[row]!]!
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset[row]!)
}

/** By Newton's method: the engine's own function differs between versions in its last digits. */
function cubeRoot(of: number): number {
  let root = Math.max(1, of / 3)
  for (let i = 0; i < 40; i++) root -= (root * root * root - of) / (3 * root * root)
  return root
}
