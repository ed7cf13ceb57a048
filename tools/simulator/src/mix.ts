/** Topics and requests on all nodes of a world, beside the streams that they send on by themselves. */

import type { Sending } from "./convergence.ts"
import { FanOut, type MixWorld } from "./fan-out.ts"
import type { MixFault } from "./mix-scenario.ts"
import type { Process } from "./process.ts"
import { Requests } from "./requests.ts"
import { Draw } from "@x/testkit"

export class MixOfNodes {
  readonly counts: Partial<Record<MixFault, number>> = {}
  readonly #fanOut: FanOut
  readonly #requests: Requests

  constructor(seed: number, world: Omit<MixWorld, "draw" | "strike">) {
    const strike = (fault: MixFault): void => void (this.counts[fault] = (this.counts[fault] ?? 0) + 1)
    this.#fanOut = new FanOut({ ...world, strike, draw: new Draw(seed, "fan-out") })
    this.#requests = new Requests({ ...world, strike, draw: new Draw(seed, "requests") })
  }

  /** A process is bound, and has met nobody yet. */
  enter(process: Process): void {
    this.#fanOut.enter(process)
    this.#requests.enter(process)
  }

  actWithTopics(process: Process): void {
    this.#fanOut.act(process)
  }

  actWithRequests(process: Process): void {
    this.#requests.act(process)
  }

  /** After each turn of a process. */
  check(process: Process): void {
    this.#fanOut.check(process)
    this.#requests.check(process)
  }

  /** The network is whole: readers and handlers hurry. */
  hurry(): void {
    this.#fanOut.hurry()
    this.#requests.hurry()
  }

  /** Each topic has another message, and each node asks each other. */
  sayLast(): void {
    this.#fanOut.sayLast()
    this.#requests.sayLast()
  }

  /** What feeds have yet to get, by publisher. */
  get sending(): Sending[] {
    return this.#fanOut.sending
  }

  /** What of feeds hasn't come, or isn't given back; `undefined`: nothing. */
  get missingOfTopics(): string | undefined {
    return this.#fanOut.missing
  }

  /** What of requests has no end, or isn't given back; `undefined`: nothing. */
  get missingOfRequests(): string | undefined {
    return this.#requests.missing
  }

  /** Half of the topics and of the requests are closed by themselves, the others with their endpoints. */
  async end(): Promise<void> {
    this.#requests.end()
    await this.#fanOut.end()
  }

  /** An endpoint is closed. */
  checkOver(process: Process): void {
    this.#fanOut.checkOver(process)
    this.#requests.checkOver(process)
  }
}
