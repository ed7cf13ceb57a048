/** Every process of a run reports what it counted, and ends with the process that started it. */

import type { Answer, Job, Missing, Ready } from "./run.ts"

process.on("disconnect", () => process.exit())

export const tell = (message: Ready | Missing | Answer): void => void process.send!(message)

/** CPU time of this process, all threads. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** The peak memory. */
export function memory(): { readonly rssMiB: number } {
  return { rssMiB: process.resourceUsage().maxRSS / 1_024 }
}

/** Warms up from now on, then reports how much `count` grew during the run, and the CPU of this process. */
export function countFromNow({ warmMs, runMs }: Job, count: () => number): void {
  setTimeout(() => {
    const [fromMs, fromCount, fromCpuUs] = [performance.now(), count(), cpuUs()]
    setTimeout(
      () =>
        tell({ count: count() - fromCount, ms: performance.now() - fromMs, cpuUs: cpuUs() - fromCpuUs, ...memory() }),
      runMs,
    )
  }, warmMs)
}
