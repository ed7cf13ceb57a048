import type { SimulatedHost } from "@x/transport/simulated"
import type { WakeUp } from "@x/transport/host"

interface Timer {
  readonly wakeUp: WakeUp
  run: () => void
}

/** Things to do later, by the world's clock; wake-ups are reused. */
export class Timers {
  readonly #host: SimulatedHost
  readonly #spare: Timer[] = []
  readonly #set = new Set<Timer>()
  #isStopped = false

  /** `host`: a host that no fault affects. */
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

  /** Runs it again and again, `nextMs()` milliseconds after the last time. */
  every(nextMs: () => number, run: () => void): void {
    this.after(nextMs(), () => {
      run()
      this.every(nextMs, run)
    })
  }

  /** Settles after this many milliseconds, or at once when all is stopped. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (ms <= 0 || this.#isStopped) resolve()
      else this.after(ms, resolve)
    })
  }

  /** Stops all. With `hurry`, pending things are done now, otherwise never; new ones are ignored. */
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
