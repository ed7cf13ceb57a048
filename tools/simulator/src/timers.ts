import type { SimulatedHost } from "@x/transport/simulated"
import type { WakeUp } from "@x/transport/host"

interface Timer {
  readonly wakeUp: WakeUp
  run: () => void
}

/** Things to do later, by the world's own clock; wake-ups are used again. */
export class Timers {
  readonly #host: SimulatedHost
  readonly #spare: Timer[] = []
  readonly #set = new Set<Timer>()
  #isStopped = false

  /** `host`: one that nothing happens to. */
  constructor(host: SimulatedHost) {
    this.#host = host
  }

  after(ms: number, run: () => void): void {
    if (this.#isStopped) return
    const timer = this.#spare.pop() ?? this.#make()
    timer.run = run
    this.#set.add(timer)
    timer.wakeUp.at(this.#host.now() + ms)
  }

  /** Again and again, as long after the last time as `nextMs` says. */
  every(nextMs: () => number, run: () => void): void {
    this.after(nextMs(), () => {
      run()
      this.every(nextMs, run)
    })
  }

  /** Settles after so long, or at once when all is stopped. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (ms <= 0 || this.#isStopped) resolve()
      else this.after(ms, resolve)
    })
  }

  /** What was to be done is done now if `hurry` says so, else never; and nothing more is taken. */
  stop(hurry: boolean): void {
    this.#isStopped = true
    const left = [...this.#set]
    this.#set.clear()
    for (const { wakeUp, run } of left) {
      wakeUp.at(Infinity)
      if (hurry) run()
    }
  }

  #make(): Timer {
    const timer: Timer = {
      wakeUp: this.#host.wakeUp(() => {
        this.#set.delete(timer)
        this.#spare.push(timer)
        timer.run()
      }),
      run: () => {},
    }
    return timer
  }
}
