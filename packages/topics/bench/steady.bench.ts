/**
 * 1 KiB to each of 100 subscribers in another process a thousand times a second, for a minute: how much of it comes,
 * how much is refused, and what the publisher holds meanwhile. Three rounds, or as many as `X_ROUNDS` says.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { Crowd, type Ends, SUBSCRIBERS, subscribe, TYPE } from "./crowd/crowd.ts"

const ROUNDS = Number(process.env.X_ROUNDS ?? 3)
const ENDS: Ends = { protection: "checksum" }
const BYTES = 1_024
const PER_SECOND = 1_000
const SECONDS = Number(process.env.X_SECONDS ?? 60)
/** What has not come this long after the last message doesn't count. */
const GRACE_MS = 5_000

const [role, port] = process.argv.slice(2)
if (role === "subscribers") await subscribe(Number(port), ENDS)
else {
  for (let round = 1; round <= ROUNDS; round++) await bench(round)
  process.exit(0)
}

async function bench(round: number): Promise<void> {
  const crowd = await Crowd.start(fileURLToPath(import.meta.url), ENDS, {})
  const bytes = new Uint8Array(BYTES).fill(1)
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  let [refused, heldMax, rssMax] = [0, 0, 0]
  for (let sent = 0; sent < SECONDS * PER_SECOND;) {
    const due = Math.min(SECONDS * PER_SECOND, ((performance.now() - startMs) * PER_SECOND) / 1_000)
    for (; sent < due; sent++) if (crowd.topic.publish(TYPE, bytes) === "refused") refused++
    heldMax = Math.max(heldMax, crowd.topic.held.messages)
    rssMax = Math.max(rssMax, process.memoryUsage.rss())
    await sleep(1)
  }
  const tookMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  const wanted = SECONDS * PER_SECOND * SUBSCRIBERS
  let received = 0
  for (const untilMs = performance.now() + GRACE_MS; performance.now() < untilMs; await sleep(20)) {
    received = await crowd.received()
    if (received === wanted) break
  }
  console.log(
    `round ${round}: ${((received / wanted) * 100).toFixed(2)} % of ${wanted} came, ${refused} messages were refused, in ${(tookMs / 1_000).toFixed(1)} s; the publisher's CPU ${((user + system) / 10 / tookMs).toFixed(0)} %, at most ${heldMax} messages held, ${(rssMax / 2 ** 20).toFixed(0)} MiB resident`,
  )
  await crowd.end()
}
