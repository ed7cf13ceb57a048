/**
 * Warns a program that waits for a simulated network without letting its time pass: it would wait for ever, and nothing
 * else would say why.
 *
 * @module
 */

/** A network in virtual time, to be watched. */
export interface VirtualNetwork {
  /** Whether a call is letting time pass. */
  readonly isRunning: boolean
  /** A waiting call of one of its hosts' users, such as `"endpoint.join()"`. */
  readonly waitingCall: string | undefined
}

/** The program that is warned. */
export interface Program {
  /**
   * Calls `look` every `ms` milliseconds of real time, and `lookIdle` when the program has nothing else to do; neither
   * keeps it alive. Returns a function that ends this.
   */
  watch(ms: number, look: () => void, lookIdle: () => void): () => void
  warn(text: string): void
}

const LOOK_MS = 500
/** Looks before the warning: a program may be busy with something else between two calls that let time pass. */
const LOOKS = 4

/** Watches the network used last: earlier ones may have been abandoned, as tests do. */
export class Standstill {
  readonly #program: Program
  readonly #told = new WeakSet<VirtualNetwork>()
  #network: VirtualNetwork | undefined
  /** Looks in a row at which a call waited and time stood still. */
  #looks = 0
  #end: (() => void) | undefined

  constructor(program: Program) {
    this.#program = program
  }

  /** The program uses the network, or lets its time pass. */
  use(network: VirtualNetwork): void {
    this.#looks = 0
    if (this.#network === network || this.#told.has(network)) return
    this.#network = network
    this.#end ??= this.#program.watch(
      LOOK_MS,
      () => this.#look(LOOKS),
      () => this.#look(1),
    )
  }

  /** No call of the network can wait any more. */
  leave(network: VirtualNetwork): void {
    if (this.#network === network) this.#stop()
  }

  #look(looksMax: number): void {
    const network = this.#network!
    const call = network.isRunning ? undefined : network.waitingCall
    this.#looks = call === undefined ? 0 : this.#looks + 1
    if (call === undefined || this.#looks < looksMax) return
    this.#told.add(network)
    this.#stop()
    this.#program.warn(
      `${call} waits, and time stands still: a simulated network lets it pass in network.advance(), network.until() and network.when() only; write await network.until(promise) with what ${call} returns`,
    )
  }

  #stop(): void {
    this.#end?.()
    this.#end = undefined
    this.#network = undefined
  }
}

// Saved before a test can replace them.
const { setInterval: every, clearInterval: stop } = globalThis

/** Runtimes differ: a page has no `process`, and its timers keep nothing alive; Deno's timers are numbers. */
const THIS_PROGRAM: Program = {
  watch(ms, look, lookIdle) {
    const { process: runtime, Deno: deno } = globalThis as {
      process?: Partial<Pick<NodeJS.Process, "on" | "off">>
      Deno?: { unrefTimer(id: unknown): void }
    }
    const timer: unknown = every(look, ms)
    if (typeof timer === "object") (timer as NodeJS.Timeout).unref()
    else deno?.unrefTimer(timer)
    runtime?.on?.("beforeExit", lookIdle)
    return () => {
      stop(timer as NodeJS.Timeout)
      runtime?.off?.("beforeExit", lookIdle)
    }
  },
  warn(text) {
    const { process: runtime } = globalThis as { process?: Partial<Pick<NodeJS.Process, "emitWarning">> }
    // oxlint-disable-next-line no-console
    if (runtime?.emitWarning === undefined) console.warn(text)
    else runtime.emitWarning(text, { type: "TransportWarning", code: "X_TIME_STANDS_STILL" })
  },
}

/** The standstill watch of this program. */
export const standstill: Standstill = new Standstill(THIS_PROGRAM)
