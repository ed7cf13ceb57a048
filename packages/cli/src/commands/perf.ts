import { Endpoint } from "@x/endpoint"
import { PERF } from "../file-protocol.ts"
import { formatRate, type Output } from "../output.ts"

/** Sends messages to a listener as fast as it takes them, and tells how many were acknowledged. */
export async function perf(
  target: string,
  { seconds, size }: { readonly seconds: number; readonly size: number },
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  await using endpoint = await Endpoint.bind()
  const peer = await endpoint.join(target, { signal })
  const stream = peer.open({ label: "perf" })
  const message = new Uint8Array(size)
  const bar = output.progress("measuring", seconds * 1_000)
  const startMs = performance.now()
  let messages = 0
  try {
    for (let now = startMs; now - startMs < seconds * 1_000; now = performance.now()) {
      signal.throwIfAborted()
      bar.update(now - startMs)
      while (stream.trySend(PERF, message) === "sent") if (++messages % 256 === 0) break
      if (stream.parkedMessages > 0) await stream.flush()
      else await new Promise((resolve) => setImmediate(resolve))
    }
    await stream.flush()
  } finally {
    bar.stop()
  }
  const ms = performance.now() - startMs
  const { rttMs, packetsSent, packetsResent } = peer.stats()
  const perSecond = Math.round((messages * 1_000) / ms)
  output.result(
    `${perSecond} messages/s of ${size} B, ${formatRate(messages * size, ms)}, RTT ${rttMs.toFixed(3)} ms, ${packetsResent} of ${packetsSent} packets resent`,
    { messagesPerSecond: perSecond, size, bytesPerSecond: Math.round((messages * size * 1_000) / ms), rttMs, packetsSent, packetsResent },
  )
}
