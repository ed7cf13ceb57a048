/**
 * Faults on top of real sockets: what a lossy path does, without needing one.
 *
 * @module
 */

import { createSendBatch, type Host, type ReceiveBatch, type SendBatch, type Transport } from "./host.ts"
import { Random } from "./simulated/random.ts"

export interface FaultOptions {
  readonly seed: number
  /** Share of the datagrams lost on their way out, and on their way in; 0 to 1, default 0. */
  readonly sendLossRate?: number
  readonly receiveLossRate?: number
}

/** What the decorator did. */
export interface FaultCounters {
  sendLost: number
  receiveLost: number
}

/** A host whose transports lose datagrams, decided by a seed and counted. Throws `RangeError` for a rate that is none. */
export function withFaults(host: Host, options: FaultOptions): Host & { readonly faults: FaultCounters } {
  for (const name of ["sendLossRate", "receiveLossRate"] as const) {
    const rate = options[name] ?? 0
    if (!(rate >= 0 && rate <= 1)) throw new RangeError(`${name} must be from 0 to 1, not ${rate}`)
  }
  const faults: FaultCounters = { sendLost: 0, receiveLost: 0 }
  const random = new Random(options.seed, "faults")
  return {
    faults,
    crypto: host.crypto,
    now: () => host.now(),
    wakeUp: (wake) => host.wakeUp(wake),
    defer: (run) => host.defer(run),
    random: () => host.random(),
    entropy: (out) => host.entropy(out),
    resolve: (name, signal) => host.resolve(name, signal),
    bind: async (bindOptions) => decorate(await host.bind(bindOptions), random, options, faults),
  }
}

function decorate(
  transport: Transport,
  random: Random,
  { sendLossRate = 0, receiveLossRate = 0 }: FaultOptions,
  faults: FaultCounters,
): Transport {
  const kept = createSendBatch(1)
  return new Proxy(transport, {
    get(target, name) {
      if (name === "send") return (batch: SendBatch): number => sendSome(target, batch, kept, () => random.chance(sendLossRate), faults)
      if (name === "onReceive") {
        return (receive: (batch: ReceiveBatch) => void): void =>
          target.onReceive((batch) => {
            faults.receiveLost += thin(batch, () => random.chance(receiveLossRate))
            if (batch.count > 0) receive(batch)
          })
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === "function" ? value.bind(target) : value
    },
  })
}

/** Sends row by row, so that what the transport doesn't take is still known. */
function sendSome(transport: Transport, batch: SendBatch, one: SendBatch, isLost: () => boolean, faults: FaultCounters): number {
  for (let row = 0; row < batch.count; row++) {
    if (isLost()) {
      faults.sendLost++
      continue
    }
    for (const column of ["slab", "offset", "length", "address", "sealer"] as const) one[column][0] = batch[column][row]!
    one.count = 1
    if (transport.send(one) === 0) return row
  }
  return batch.count
}

/** Takes rows out of a received batch; answers how many. */
function thin(batch: { -readonly [K in keyof ReceiveBatch]: ReceiveBatch[K] }, isLost: () => boolean): number {
  let to = 0
  for (let row = 0; row < batch.count; row++) {
    if (isLost()) continue
    for (const column of ["slab", "offset", "length", "address", "opener", "verdict"] as const) batch[column][to] = batch[column][row]!
    to++
  }
  const lost = batch.count - to
  batch.count = to
  return lost
}
