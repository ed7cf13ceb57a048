/**
 * The application's own congestion controllers. They are called in the middle of a machine, so their errors stop here,
 * and so do invalid numbers: a pace of NaN would never compare as over. A peer whose controller fails goes on with
 * `bbr()`.
 *
 * @module
 */

import { checkClass, functionThat, type NumberKind, objectWith, orInfinity, positive, real } from "../errors/check.ts"
import {
  type CongestionController,
  type CongestionFactory,
  type DeliverySample,
  isOwn,
} from "../congestion/controller.ts"
import { bbr } from "../congestion/bbr/bbr.ts"

const CONTROLLER = objectWith<CongestionController>("a congestion controller", "onSent", "onFeedback")
const WINDOW = orInfinity(real(1), "no limit")
const PACE = orInfinity(positive(), "as fast as the window opens")

/** `onFailure` is called once for each peer, and not from within a machine. */
export function guarded(factory: CongestionFactory, onFailure: (error: unknown) => void): CongestionFactory {
  checkClass.value("congestion", factory, functionThat("makes a controller"))
  return isOwn(factory)
    ? factory
    : (datagramBytes, random) => new GuardedController(factory, datagramBytes, random, onFailure)
}

class GuardedController implements CongestionController {
  #datagramBytes: number
  readonly #onFailure: (error: unknown) => void
  #controller: CongestionController
  readonly #random: () => number
  answersMarks = false

  constructor(
    factory: CongestionFactory,
    datagramBytes: number,
    random: () => number,
    onFailure: (error: unknown) => void,
  ) {
    this.#datagramBytes = datagramBytes
    this.#random = random
    this.#onFailure = onFailure
    this.#controller = bbr()(datagramBytes, random)
    this.#try(() => {
      const controller = checkClass.value("what congestion returns", factory(datagramBytes, random), CONTROLLER)
      this.#controller = controller
      this.answersMarks = controller.answersMarks === true
    })
    // Checks the initial values before they are used.
    void this.windowBytes
    void this.paceBytesPerMs
  }

  get windowBytes(): number {
    return this.#read("windowBytes", WINDOW)
  }

  get paceBytesPerMs(): number {
    return this.#read("paceBytesPerMs", PACE)
  }

  #read(name: "windowBytes" | "paceBytesPerMs", kind: NumberKind): number {
    try {
      return checkClass.value(`${name} of a controller`, this.#controller[name], kind)
    } catch (error) {
      this.#fail(error)
      return this.#controller[name]
    }
  }

  onSent(bytes: number, inFlightBytes: number, nowMs: number): void {
    this.#try(() => this.#controller.onSent(bytes, inFlightBytes, nowMs))
  }

  onFeedback(sample: DeliverySample): void {
    this.#try(() => this.#controller.onFeedback(sample))
  }

  onDatagramBytes(datagramBytes: number): void {
    this.#datagramBytes = datagramBytes
    this.#try(() => this.#controller.onDatagramBytes?.(datagramBytes))
  }

  onIdle(sinceMs: number, nowMs: number): void {
    this.#try(() => this.#controller.onIdle?.(sinceMs, nowMs))
  }

  onPathChange(nowMs: number): void {
    this.#try(() => this.#controller.onPathChange?.(nowMs))
  }

  #try(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#controller = bbr()(this.#datagramBytes, this.#random)
    this.#onFailure(error)
  }
}
