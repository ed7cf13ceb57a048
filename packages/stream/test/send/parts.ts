/** The machines that a sending stream is composed of, without the stream: each test drives those that it is about. */
import { PacketPool, RepeatPace, RttEstimator, slotBytesOf, type StreamOptions, streamOptions } from "@x/stream"
import { FORM, MODE, type Mode, traitsOf } from "@x/wire"
import fc from "fast-check"
import { GivingUp } from "../../src/send/giving-up.ts"
import { MessageAccount } from "../../src/send/message-account.ts"
import { createOutgoingPacket } from "../../src/send/outgoing-packet.ts"
import { PacketFilling } from "../../src/send/packet-filling.ts"
import { SendLedger } from "../../src/send/send-ledger.ts"
import { SendLife } from "../../src/send/send-life.ts"
import { SendQueue } from "../../src/send/send-queue.ts"
import { SendWindow } from "../../src/send/send-window.ts"
import { SyncTimer } from "../../src/send/sync-timer.ts"

export interface PartsOptions extends Partial<StreamOptions> {
  readonly mode?: Mode
  readonly first?: number
  readonly lifetimeMs?: number
  readonly slotBytes?: number
  readonly usualBytes?: number
  readonly slotsMax?: number
}

export class Parts {
  readonly options: StreamOptions
  readonly pool: PacketPool
  readonly rtt = new RttEstimator(10)
  readonly pace = new RepeatPace()
  readonly life = new SendLife(this.rtt, this.pace)
  readonly ledger: SendLedger
  readonly filling: PacketFilling
  readonly window: SendWindow
  readonly account: MessageAccount
  readonly queue: SendQueue
  readonly sync: SyncTimer
  readonly givingUp: GivingUp
  readonly out = createOutgoingPacket()

  constructor({
    mode = MODE.reliable,
    first = 0,
    lifetimeMs = Infinity,
    slotsMax = 1_000,
    slotBytes,
    usualBytes,
    ...given
  }: PartsOptions = {}) {
    const options = streamOptions({ payloadBytesMax: 100, windowPackets: 8, spreadPackets: 64, ...given })
    const size = { slotBytes: slotBytes ?? slotBytesOf(options), ...(usualBytes === undefined ? {} : { usualBytes }) }
    const pool = new PacketPool({ ...size, slotsMax })
    const { waits, isOrdered, isAcknowledged } = traitsOf(mode)
    const { life, rtt, pace } = this
    const ledger = new SendLedger(pool, mode, first, options.headRoomBytes)
    const filling = new PacketFilling(ledger, pool, options, waits)
    const window = new SendWindow({ life, ledger, filling, pool, options, waits })
    const account = new MessageAccount(ledger, filling, isOrdered)
    const queue = new SendQueue(ledger)
    const sync = new SyncTimer({ life, ledger, queue, rtt, pace, options, isAcknowledged })
    const givingUp = new GivingUp({ life, ledger, filling, window, account, sync, pool, options, lifetimeMs })
    this.options = options
    this.pool = pool
    this.ledger = ledger
    this.filling = filling
    this.window = window
    this.account = account
    this.queue = queue
    this.sync = sync
    this.givingUp = givingUp
  }

  /** Writes this many packets of one whole message each. */
  write(packets = 1, nowMs = 0): void {
    for (let i = 0; i < packets; i++) this.ledger.append(this.pool.acquire(), 10 + i, FORM.whole, 1, nowMs)
  }

  /** Writes one message in this many pieces, the last of which may be missing. */
  writePieces(packets: number, isComplete = true, nowMs = 0): void {
    for (let i = 0; i < packets; i++) {
      const form = i === 0 ? FORM.first : isComplete && i === packets - 1 ? FORM.last : FORM.middle
      this.ledger.append(this.pool.acquire(), 100, form, i === 0 ? 1 : 0, nowMs)
    }
  }

  /** Sends the next packets, as a stream does; returns their numbers. */
  send(packets = 1, nowMs = 0): number[] {
    const sent: number[] = []
    for (let number = this.queue.next; number >= 0 && sent.length < packets; number = this.queue.next) {
      this.ledger.send(number, nowMs, this.out)
      if (this.out.isResend) this.queue.shift()
      else this.window.noteSending(number)
      sent.push(number)
    }
    return sent
  }

  assertInvariants(): void {
    const { life, ledger, filling, window, account, queue, givingUp } = this
    for (const part of [life, ledger, filling, window, account, queue, givingUp]) part.assertInvariants()
  }
}

/** The first numbers of streams: also numbers that no longer fit a small integer. */
export const firsts: fc.Arbitrary<number> = fc.constantFrom(0, 5, 2 ** 31 - 20, 2 ** 32 - 20, 2 ** 47 - 20)
