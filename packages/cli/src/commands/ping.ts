import { setTimeout as sleep } from "node:timers/promises"
import { Endpoint } from "@x/endpoint"
import type { Output } from "../output.ts"

/** Asks a peer for answers, one after the other, and tells how long each took. */
export async function ping(
  target: string,
  { count, intervalMs }: { readonly count: number; readonly intervalMs: number },
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  await using endpoint = await Endpoint.bind()
  const peer = await endpoint.join(target, { signal })
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    if (i > 0) await sleep(intervalMs, undefined, { signal })
    const ms = await peer.ping({ signal })
    times.push(ms)
    output.result(`answer ${i + 1} from ${target} in ${ms.toFixed(3)} ms`, { answer: i + 1, ms })
  }
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length
  output.result(
    `${times.length} answers: least ${Math.min(...times).toFixed(3)} ms, mean ${mean.toFixed(3)} ms, most ${Math.max(...times).toFixed(3)} ms`,
    { answers: times.length, minMs: Math.min(...times), meanMs: mean, maxMs: Math.max(...times) },
  )
}
