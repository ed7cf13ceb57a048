import type { OutgoingStream, Peer } from "@x/endpoint"
import { connect, type ConnectOptions } from "../connect.ts"
import { PERF } from "../file-protocol.ts"
import { formatMs, formatRate, rateOf } from "../measure.ts"
import type { Output, Progress } from "../output.ts"

export interface PerfOptions extends ConnectOptions {
  readonly seconds: number
  /** Bytes of a message. */
  readonly size: number
}

/** Sends messages to a listener as fast as it accepts them, and prints how many were acknowledged. */
export async function perf(target: string, { seconds, size, ...options }: PerfOptions): Promise<void> {
  const { output, signal } = options
  const { endpoint, peer } = await connect(target, options)
  await using _ = endpoint
  const stream = peer.open({ label: "perf" })
  const progress = output.progress(`perf ${target}`, seconds * 1_000)
  try {
    const messages = await sendFor(stream, seconds * 1_000, new Uint8Array(size), signal, progress)
    await stream.flush()
    tell(messages, size, progress.finish(), peer, output)
  } catch (error) {
    // Waiting messages need not be delivered any more.
    stream.reset()
    throw error
  } finally {
    progress.stop()
  }
}

function tell(messages: number, size: number, { ms }: { readonly ms: number }, peer: Peer, output: Output): void {
  const { rttMs, packetsSent, packetsResent } = peer.stats()
  const [messagesPerSecond, bytesPerSecond] = [rateOf(messages, ms), rateOf(messages * size, ms)].map((rate) =>
    Math.round(rate ?? 0),
  )
  const { most, shares, advice } = peer.explain()
  output.result(
    `${messagesPerSecond} messages/s of ${size} B, ${formatRate(bytesPerSecond)}, RTT ${formatMs(rttMs)}, ${packetsResent} of ${packetsSent} packets resent`,
    {
      ...{ event: "perf", messages, size, ms, messagesPerSecond, bytesPerSecond, rttMs, packetsSent, packetsResent },
      limitedBy: most,
      limitShares: shares,
    },
  )
  output.note(`limited by ${most} for ${Math.round(100 * shares[most])} % of the time: ${advice}`)
}

/**
 * Sends until the time is up; returns how many messages. If the window is full it waits for room, so that the sockets
 * have their turn.
 */
async function sendFor(
  stream: OutgoingStream,
  ms: number,
  message: Uint8Array,
  signal: AbortSignal,
  progress: Progress,
): Promise<number> {
  const startMs = performance.now()
  for (let messages = 0; ;) {
    const elapsedMs = performance.now() - startMs
    progress.update(elapsedMs, messages * message.length)
    if (elapsedMs >= ms) return messages
    for (let burst = 0; burst < BURST && stream.trySend(PERF, message) === "sent"; burst++) messages++
    await stream.send(PERF, message, { signal })
    messages++
  }
}

/** Messages between two readings of the clock. */
const BURST = 64
