import { setTimeout as sleep } from "node:timers/promises"
import { connect, type ConnectOptions } from "../connect.ts"
import { CommandError, EXIT } from "../failure.ts"
import { formatMs } from "../measure.ts"

export interface PingOptions extends ConnectOptions {
  readonly count: number
  readonly intervalMs: number
}

/** Pings a peer, one ping after the other, and prints how long each answer took. */
export async function ping(target: string, { count, intervalMs, ...options }: PingOptions): Promise<void> {
  const { output, signal, timeoutMs } = options
  const { endpoint, peer } = await connect(target, options)
  await using _ = endpoint
  const times: number[] = []
  let asked = 0
  try {
    while (asked < count) {
      if (asked++ > 0) await sleep(intervalMs, undefined, { signal })
      const ms = await peer.ping({ signal, timeoutMs }).catch((error: unknown) => {
        if (signal.aborted || peer.state === "left") throw error
      })
      if (ms === undefined) {
        output.result(`no answer ${asked} from ${target} within ${timeoutMs} ms`, {
          event: "silence",
          ping: asked,
          timeoutMs,
        })
        continue
      }
      times.push(ms)
      output.result(`answer ${asked} from ${target} in ${formatMs(ms)}`, { event: "answer", ping: asked, ms })
    }
  } finally {
    if (times.length > 0) {
      const [least, mean, most] = [
        Math.min(...times),
        times.reduce((sum, ms) => sum + ms, 0) / times.length,
        Math.max(...times),
      ]
      output.result(
        `${times.length} of ${asked} answered: least ${formatMs(least)}, mean ${formatMs(mean)}, most ${formatMs(most)}`,
        {
          event: "summary",
          asked,
          answered: times.length,
          leastMs: least,
          meanMs: mean,
          mostMs: most,
        },
      )
    }
  }
  if (times.length === 0)
    throw new CommandError(
      EXIT.unreachable,
      `${target} was joined but then answered nothing; check the network path to it`,
    )
}
