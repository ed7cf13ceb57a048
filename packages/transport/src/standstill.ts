/**
 * Tells a program that it waits for a simulated network of which it doesn't let time pass: it would wait for ever, and
 * nothing else would say why.
 *
 * @module
 */

/** What is looked at: a network in virtual time. */
export interface VirtualNetwork {
  /** Time is being let pass. */
  readonly isRunning: boolean
  /** A call of its hosts' users that waits, `"endpoint.join()"`. */
  readonly waitingCall: string | undefined
}

/** What is needed of the program. */
export interface Program {
  /**
   * Calls the function every so many milliseconds of real time, and when the program has nothing else to do; neither
   * keeps it alive. Returns what ends that.
   */
  watch(ms: number, look: () => void, lookIdle: () => void): () => void
  warn(text: string): void
}

const LOOK_MS = 500
/** A program may be busy with something else between two calls that let time pass. */
const LOOKS = 4

/** Looks at the network that was used last: earlier ones may have been left as they were, as tests leave them. */
export class Standstill {
  readonly #program: Program
  readonly #told = new WeakSet<VirtualNetwork>()
  #network: VirtualNetwork | undefined
  /** How often in a row a call waited and time stood still. */
  #looks = 0
  #end: (() => void) | undefined

  constructor(program: Program) {
    this.#program = program
  }

  /** Somebody does something with the network, or lets its time pass. */
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

  /** Nobody of the network can wait any more. */
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

// Kept from before a test replaces them.
const { setInterval: every, clearInterval: stop } = globalThis

/** Runtimes differ: a page has no `process`, and its timers keep nothing alive; Deno's are numbers. */
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

/** That of this program. */
export const standstill: Standstill = new Standstill(THIS_PROGRAM)
