/**
 * How long the event loop looks at its sockets again and again before it sleeps.
 *
 * @module
 */

/**
 * Between processes on two CPUs a process that sleeps is woken some 16 µs after a datagram has come, in a virtual machine
 * 30 µs, and both CPUs are busy with that (measured, tools/bench/NOTES.md, Kernel ways). So to look for 40 µs costs as
 * much as two wake-ups, and an answer that comes meanwhile is there at once.
 */
export const LOOKOUT_MS = 0.04
/** Answers come one by one. More datagrams at a time are a stream, and the more of them wait, the less each costs. */
const DATAGRAMS_MAX = 2
/** After so many failures in a row the lookout is kept once in 2 to the power of it. */
const FAILURES_MAX = 10

/** Pure: time is an argument. It is kept where answers come in time; each time in vain makes it rarer. */
export class Lookout {
  /** Until when it is kept; −Infinity: it isn't. */
  #untilMs = -Infinity
  #failures = 0
  /** How many reads pass without one. */
  #toPass = 0

  /** Datagrams were read, and what they led to was sent. Returns whether to look again now. */
  begin(datagrams: number, nowMs: number): boolean {
    if (this.#untilMs !== -Infinity) this.#failures = 0
    this.#untilMs = -Infinity
    if (datagrams > DATAGRAMS_MAX) return false
    if (this.#toPass > 0) {
      this.#toPass--
      return false
    }
    this.#untilMs = nowMs + LOOKOUT_MS
    return true
  }

  /** Nothing has come in this turn. Returns whether to look again. */
  goesOn(nowMs: number): boolean {
    if (this.#untilMs === -Infinity) return false
    if (nowMs < this.#untilMs) return true
    this.#untilMs = -Infinity
    if (this.#failures < FAILURES_MAX) this.#failures++
    this.#toPass = (1 << this.#failures) - 1
    return false
  }
}
