/**
 * The one loop: datagrams and time go into the protocol, datagrams come out, and one wake-up is set for the next
 * deadline.
 *
 * @module
 */

import type { Host, ReceiveBatch, SocketErrorCode, Transport, WakeUp } from "@x/transport/host"
import { ZERO } from "@x/wire"
import type { OutgoingState } from "./streams/outgoing-state.ts"
import type { PeerState } from "./peer/peer-state.ts"
import type { ProtocolEvent } from "./protocol/events.ts"
import type { Protocol } from "./protocol/protocol.ts"
import type { MessageSource } from "./streams/incoming-message.ts"

interface Waiter {
  readonly isDone: () => boolean
  readonly deadlineMs: number
  readonly call: string | undefined
  readonly resolve: () => void
}

/** Anything else with a deadline. */
interface Timed {
  readonly nextTimeoutMs: number
  handleTimeout(nowMs: number): void
}

/** What else has deadlines, beside the protocol. */
interface Deadlines {
  readonly unclaimed: Timed
  /** Those of layers above. */
  readonly alarms: Timed
}

/** The application, which is told about events between the machines. */
interface Application {
  /** Whether some events have not been told yet. */
  readonly isBehind: boolean
  /** `settle` has something to do. */
  readonly hasNews: boolean
  /** Tells the events so far. */
  catchUp(): void
  /** Does everything that waits for a place between machines. */
  settle(): void
}

/** Takes the protocol's results. */
export interface ProtocolConsumer {
  apply(event: ProtocolEvent): void
  /** Hands over a message and those that follow it at once; or answers whether one may come. */
  hand(source: MessageSource): void
}

/** Errors that say nothing of an address: there was no room just then, or the answer to an earlier datagram came. */
const PASSING: ReadonlySet<SocketErrorCode> = new Set<SocketErrorCode>([
  ...(["ENOBUFS", "EAGAIN", "ECONNREFUSED", "ECONNRESET"] as const),
])

export class Driver {
  readonly #host: Host
  readonly #application: Application
  readonly #unclaimed: Timed
  /** Deadlines of layers above. */
  readonly #alarms: Timed
  readonly #wakeUp: WakeUp
  readonly #waiters = new Set<Waiter>()
  /** Is told of each datagram that couldn't be sent. */
  onSendFailed: (code: SocketErrorCode) => void = () => {}
  /** Is told of each socket that moves nothing any more. */
  onSocketEnd: (cause: unknown) => void = () => {}
  #protocol: Protocol | undefined
  #consumer!: ProtocolConsumer
  #isAbsorbing = false
  #isRunning = false
  #isDeferred = false
  /** The time of the last run. */
  #nowMs = ZERO

  constructor(host: Host, transport: Transport, application: Application, { unclaimed, alarms }: Deadlines) {
    this.#host = host
    this.#application = application
    this.#unclaimed = unclaimed
    this.#alarms = alarms
    this.#wakeUp = host.wakeUp(() => this.#run(true))
    transport.onReceive((batch) => this.#receive(batch))
    transport.onWritable(() => this.#run(false))
    // Other errors mean a lost datagram, which the protocol notices by itself.
    transport.onError(({ code, operation, address, bytes, cause }) => {
      if (operation === "send") this.onSendFailed(code)
      else if (operation === "socket") this.onSocketEnd(cause)
      if (code === "EMSGSIZE") host.defer(() => this.#handleTooLong(address, bytes))
      else if (operation === "send" && !PASSING.has(code) && this.#protocol?.isJoining === true) {
        // The id is valid during the call.
        transport.retainAddress(address)
        host.defer(() => {
          this.#protocol?.handleUnsent(address, cause, host.now())
          transport.releaseAddress(address)
        })
      }
    })
  }

  start(protocol: Protocol, consumer: ProtocolConsumer): void {
    this.#protocol = protocol
    this.#consumer = consumer
  }

  /** Sets whether the next wake-up keeps the program alive, on a host that can do that. */
  ref(): void {
    this.#wakeUp.ref?.()
  }

  unref(): void {
    this.#wakeUp.unref?.()
  }

  /** How often the system had no precise timer. */
  get timerFallbacks(): number {
    return this.#wakeUp.fallbacks ?? 0
  }

  /** Nothing is driven any more. */
  stop(): void {
    this.absorb()
    this.#protocol = undefined
    this.#wakeUp.at(Infinity)
    this.#wakeUp.close?.()
    for (const { resolve } of this.#waiters) resolve()
    this.#waiters.clear()
  }

  /**
   * There is something to send: it is sent at the end of the turn, so that everything written in one turn goes
   * together.
   */
  work(): void {
    if (this.#protocol !== undefined) this.news()
  }

  /** There is something for the application's functions, possibly nothing else: it is done at the end of the turn. */
  news(): void {
    if (this.#isRunning || this.#isDeferred) return
    this.#isDeferred = true
    this.#host.defer(this.#turn)
  }

  /** Sends what a stream has written, before the end of the turn. The other work of the turn is done at its end. */
  push(peer: PeerState, state: OutgoingState): void {
    const protocol = this.#protocol
    if (protocol === undefined || this.#isRunning) return
    this.#isRunning = true
    try {
      protocol.push(peer, state, this.#host.now())
      this.absorb()
    } finally {
      this.#isRunning = false
    }
    if (this.#application.hasNews) this.news()
  }

  readonly #turn = (): void => {
    this.#isDeferred = false
    this.#run(false)
  }

  /**
   * Settles when a condition holds, checked after each turn, or after `timeoutMs`. `call`: the application's call that
   * waits for this.
   */
  until(isDone: () => boolean, timeoutMs: number, call?: string): Promise<void> {
    if (isDone() || this.#protocol === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiters.add({ isDone, deadlineMs: this.#host.now() + timeoutMs, call, resolve })
      this.work()
    })
  }

  /** The name of a call that waits here. */
  get waitingCall(): string | undefined {
    for (const { call } of this.#waiters) if (call !== undefined) return call
    return undefined
  }

  #handleTooLong(address: number, bytes: number): void {
    this.#protocol?.handleTooLong(address, bytes, this.#host.now())
    this.absorb()
  }

  /**
   * Takes the events out of the protocol, which has returned, and applies them to the application's objects; calls no
   * function of the application.
   */
  absorb(): void {
    const protocol = this.#protocol
    if (protocol === undefined || this.#isAbsorbing) return
    this.#isAbsorbing = true
    try {
      if (protocol.hasStarved) protocol.feed(this.#host.now())
      for (let event = protocol.pollEvent(); event !== undefined; event = protocol.pollEvent())
        this.#consumer.apply(event)
    } finally {
      this.#isAbsorbing = false
    }
  }

  /** Hands over messages one at a time, and tells the events before each. */
  #handOver(protocol: Protocol, nowMs: number): void {
    const consumer = this.#consumer
    const application = this.#application
    // A listener may close the endpoint.
    while (this.#protocol === protocol) {
      if (application.isBehind) application.catchUp()
      // It returns no message while an event has not been told yet.
      if (protocol.pollMessage(nowMs)) consumer.hand(protocol)
      else if (protocol.hasEvents) this.absorb()
      else return
    }
  }

  #receive(batch: ReceiveBatch): void {
    const protocol = this.#protocol
    if (protocol === undefined) return
    this.#isRunning = true
    try {
      const nowMs = this.#host.now()
      protocol.receive(batch, nowMs)
      this.#handOver(protocol, nowMs)
    } finally {
      this.#isRunning = false
    }
    this.#run(false)
  }

  /**
   * Tells events to the application, handles what is due, and sends. Whether peers are alive is judged only after a
   * wake-up: then the host has read everything in its sockets, which after a stall may be much.
   */
  #run(mayJudge: boolean): void {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      this.#application.settle()
      this.#drive(mayJudge)
    } finally {
      this.#isRunning = false
    }
    if (this.#protocol !== undefined) this.#arm(this.#protocol, mayJudge)
    if (this.#application.hasNews) this.news()
  }

  #drive(mayJudge: boolean): void {
    const protocol = this.#protocol
    if (protocol === undefined) return
    this.#nowMs = this.#host.now()
    this.#handOver(protocol, this.#nowMs)
    // What layers above send now goes with the rest.
    this.#alarms.handleTimeout(this.#nowMs)
    protocol.closePackets()
    protocol.poll(this.#nowMs, mayJudge)
    this.absorb()
    this.#unclaimed.handleTimeout(this.#nowMs)
    this.#application.settle()
  }

  #arm(protocol: Protocol, hasJudged: boolean): void {
    const nowMs = this.#nowMs
    let next = Math.min(protocol.nextTimeoutMs, this.#unclaimed.nextTimeoutMs, this.#alarms.nextTimeoutMs)
    for (const waiter of this.#waiters) {
      if (waiter.isDone() || waiter.deadlineMs <= nowMs) {
        this.#waiters.delete(waiter)
        waiter.resolve()
      } else {
        next = Math.min(next, waiter.deadlineMs)
      }
    }
    // There is more to do now. If something is overdue although everything was handled, it is a judgement that waits
    // until the sockets were read.
    if (next <= nowMs && hasJudged) this.work()
    else this.#wakeUp.at(next)
  }
}
