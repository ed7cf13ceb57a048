/**
 * Requests between the nodes: short and slow ones, some that are never answered, answers in parts, cancels and deadlines.
 * Each question says how it is to be answered.
 */

import { type Connection, type IncomingStream, type Peer, utf8 } from "@x/endpoint"
import { type Call, defineRequest, RequestError, Rpc, type RpcStats, stream } from "@x/rpc"
import type { MixWorld } from "./fan-out.ts"
import type { RequestFault } from "./mix-scenario.ts"
import { Overdue } from "./overdue.ts"
import { PlannedError } from "./planned-error.ts"
import { PORT, type Process } from "./process.ts"
import { OWN_REFUSAL, RequestLedger } from "./request-ledger.ts"

const ECHO = defineRequest(1, utf8, utf8)
const TAIL = defineRequest(2, utf8, stream(utf8))
const NOBODY = defineRequest(3, utf8, utf8)

const FLOOD = 40
const PARTS_MAX = 300
/** What is held is given back at the latest by the deadline of the last request. */
const TIMEOUT_MAX_MS = 10_000

export interface RequestsWorld extends Omit<MixWorld, "strike"> {
  strike(fault: RequestFault): void
}

interface Party {
  readonly process: Process
  readonly rpc: Rpc
  readonly asked: Set<RequestLedger>
  readonly incoming: Set<IncomingStream>
  readonly orphan: Overdue
  connection: Connection | undefined
}

export class Requests {
  readonly #world: RequestsWorld
  readonly #parties = new Map<Process, Party>()
  readonly #ledgers = new Map<number, RequestLedger>()
  #isHurrying = false

  constructor(world: RequestsWorld) {
    this.#world = world
  }

  /** Whether a fault happens now; it is counted. */
  #strikes(fault: RequestFault): boolean {
    const share = this.#world.mix.faults[fault]
    if (share === undefined || this.#isHurrying || this.#world.draw.whole(1, 100) > share) return false
    this.#world.strike(fault)
    return true
  }

  /** A process is bound, and has met nobody yet. */
  enter(process: Process): void {
    const { outstandingMax, concurrencyMax } = this.#world.mix
    const rpc = new Rpc(process.endpoint, { outstandingMax })
    const party: Party = {
      ...{ process, rpc, asked: new Set(), incoming: new Set(), orphan: new Overdue(), connection: undefined },
    }
    this.#parties.set(process, party)
    rpc.answer(ECHO, (question, call) => this.#echo(process, question, call), { concurrencyMax })
    rpc.answer(TAIL, (question, call) => this.#tail(process, question, call), { concurrencyMax })
    process.endpoint.on("stream", (incoming) => {
      if (!incoming.label.startsWith("rpc/")) return
      party.incoming.add(incoming)
      void incoming.closed.then(() => party.incoming.delete(incoming))
    })
  }

  #begin(process: Process, question: string, asker: Peer): readonly string[] {
    const words = question.split(" ")
    const ledger = this.#ledgers.get(Number(words[0]))
    this.#world.judge.check(
      ledger?.question === question && (ledger.isIdempotent || words[1] === process.unique),
      "request-answer",
      () => `${process.name} is asked "${question.slice(0, 40)}", which nobody asked it`,
    )
    this.#world.judge.check(
      process.isOver || process.peers.has(asker),
      "requests-held",
      () => `${process.name} begins "${question.slice(0, 40)}" of ${asker.unique}, which has left`,
    )
    ledger?.begin()
    return words.slice(2)
  }

  #echo(process: Process, question: string, { peer, signal }: Call): string | Promise<string> {
    const [how, ms, bytes] = this.#begin(process, question, peer)
    const answer = `answer to ${question}`.padEnd(Number(bytes), "!")
    switch (how) {
      case "later":
        return this.#world.consumers.sleep(Number(ms)).then(() => answer)
      case "deaf":
        return new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(new PlannedError("a deaf handler"))),
        )
      case "throws":
        throw new PlannedError("a handler")
      case "refuses":
        throw new RequestError(OWN_REFUSAL, "as planned", "not-done")
      default:
        return answer
    }
  }

  async *#tail(process: Process, question: string, { peer, signal }: Call): AsyncGenerator<string> {
    const [how, ms, bytes, parts] = this.#begin(process, question, peer)
    for (let i = 0; i < Number(parts) && !signal.aborted; i++) {
      if (how === "later" && i % 8 === 0) await this.#world.consumers.sleep(Number(ms))
      if (how === "throws" && i === Number(parts) >> 1) throw new PlannedError("a generator")
      yield `${i} ${question} `.padEnd(Number(bytes), "x")
    }
  }

  /** One doing of a process. */
  act(process: Process): void {
    const party = this.#parties.get(process)
    if (party === undefined || !process.isUp) return
    const { draw } = this.#world
    const streams = [...party.incoming]
    if (streams.length > 0 && this.#strikes("cut-requests")) return draw.pick(streams).stop()
    const others = this.#world.processes().filter((it) => it !== process && it.isUp)
    const other = others.length > 0 ? draw.pick(others) : undefined
    if (other === undefined) return
    if (this.#strikes("asked-while-down")) return this.#askByConnection(party, other)
    const peer = process.peerOf(other)
    if (peer === undefined) return
    for (let left = this.#strikes("ask-flood") ? FLOOD : 1; left > 0; left--) {
      if (draw.chance(0.3)) this.#askParts(party, peer)
      else this.#ask(party, peer)
    }
  }

  #how(): string {
    if (this.#strikes("slow-handler")) return "later"
    if (this.#strikes("deaf-handler")) return "deaf"
    if (this.#strikes("throwing-handler")) return "throws"
    return this.#strikes("refusing-handler") ? "refuses" : "at-once"
  }

  #question(how: string, to: string, bytes: number, answerBytes: number, parts = 0): string {
    const { draw } = this.#world
    // Whoever runs at the target by now, if it is a connection.
    const ms = Math.round(draw.scale(1, 4_000))
    return `${this.#ledgers.size + 1} ${to} ${how} ${ms} ${answerBytes} ${parts} `.padEnd(bytes, "?")
  }

  #note(party: Party, question: string, timeoutMs: number, isIdempotent: boolean): RequestLedger {
    const { judge } = this.#world
    const dueMs = party.process.endpoint.now() + timeoutMs
    const ledger = new RequestLedger(this.#ledgers.size + 1, question, dueMs, isIdempotent, judge)
    this.#ledgers.set(ledger.id, ledger)
    party.asked.add(ledger)
    return ledger
  }

  #askByConnection(party: Party, other: Process): void {
    const { process } = party
    if (party.connection?.isClosed !== false)
      party.connection = process.endpoint.connect(`${other.name}:${PORT}`, { retry: { minMs: 100, maxMs: 1_000 } })
    const { peer } = party.connection
    // It can't be known who will be asked of one that is down.
    if (peer !== undefined && peer.state !== "left") this.#ask(party, peer, party.connection)
  }

  #ask(party: Party, peer: Peer, target: Peer | Connection = peer): void {
    const { draw, messageBytesMax } = this.#world
    const how = this.#how()
    const timeoutMs = this.#strikes("short-deadline") ? draw.scale(1, 200) : draw.scale(500, TIMEOUT_MAX_MS)
    const isOversized = this.#strikes("oversized-answer")
    const bytes = draw.weighted([
      [80, 60],
      [18, 1_500],
      [2, 20_000],
    ])
    const question = this.#question(how, peer.unique, draw.whole(0, bytes), isOversized ? messageBytesMax + 100 : 0)
    const idempotent = this.#strikes("asked-again")
    const { signal, abort } = this.#signal()
    const request = this.#strikes("no-handler") ? NOBODY : ECHO
    const ledger = this.#note(party, question, timeoutMs, idempotent)
    const answer = party.rpc.request(target, request, question, { timeoutMs, signal, idempotent })
    abort?.()
    answer
      .then(
        (text) => ledger.answered(text.startsWith(`answer to ${question}`) && request === ECHO),
        (error: unknown) => ledger.failed(error),
      )
      .finally(() => party.asked.delete(ledger))
      .catch(() => {})
  }

  #signal(): { readonly signal: AbortSignal; readonly abort: (() => void) | undefined } {
    const aborting = new AbortController()
    const { signal } = aborting
    if (!this.#strikes("cancelled-request")) return { signal, abort: undefined }
    const { draw } = this.#world
    // In the same turn, or later.
    if (draw.chance(0.2)) return { signal, abort: () => aborting.abort() }
    this.#world.after(draw.scale(1, 2_000), () => aborting.abort())
    return { signal, abort: undefined }
  }

  #askParts(party: Party, peer: Peer): void {
    const { draw } = this.#world
    const how = this.#strikes("throwing-parts") ? "throws" : this.#strikes("slow-handler") ? "later" : "at-once"
    const parts = draw.whole(0, draw.pick([3, 30, PARTS_MAX]))
    const timeoutMs = this.#strikes("short-deadline") ? draw.scale(1, 500) : draw.scale(1_000, TIMEOUT_MAX_MS)
    const question = this.#question(how, peer.unique, 0, draw.pick([0, 0, 500]), parts)
    const { signal, abort } = this.#signal()
    const ledger = this.#note(party, question, timeoutMs, false)
    const answer = party.rpc.request(peer, TAIL, question, { timeoutMs, signal })
    abort?.()
    void this.#read(party, ledger, answer, parts)
  }

  async #read(party: Party, ledger: RequestLedger, answer: AsyncIterable<string>, promised: number): Promise<void> {
    const { draw, consumers } = this.#world
    let hasLeft = false
    try {
      for await (const part of answer) {
        if (party.process.isOver) return
        ledger.part(part.startsWith(`${ledger.parts} ${ledger.question} `))
        if (this.#strikes("left-parts")) {
          hasLeft = true
          break
        }
        if (!this.#strikes("slow-parts")) continue
        ledger.isAwaited = false
        await consumers.sleep(draw.scale(1, 2_000))
        ledger.isAwaited = true
      }
      ledger.ended(hasLeft ? ledger.parts : promised)
    } catch (error) {
      ledger.failed(error)
    } finally {
      party.asked.delete(ledger)
    }
  }

  /** Checks what must hold after each turn of a process. */
  check(process: Process): void {
    const party = this.#parties.get(process)
    if (party === undefined || process.isOver) return
    const nowMs = process.endpoint.now()
    for (const ledger of party.asked) ledger.check(nowMs)
    const { outstanding, running, waiting, peers } = party.rpc.stats()
    const { judge, mix } = this.#world
    judge.check(
      running <= 2 * mix.concurrencyMax && waiting >= 0 && outstanding >= 0,
      "requests-held",
      () => `${process.name}: ${running} are being answered, ${waiting} wait, ${outstanding} are outstanding`,
    )
    const living = process.endpoint.peers.length
    judge.check(
      !party.orphan.see(peers > living, nowMs),
      "requests-held",
      () => `${process.name}: requests of ${peers} peers are held, and there are ${living}`,
    )
  }

  /** The network is whole: nothing is slow any more, and nobody leaves. */
  hurry(): void {
    this.#isHurrying = true
  }

  /** Each node asks each of its peers for a last time. */
  sayLast(): void {
    for (const party of this.#living) for (const peer of party.process.peers) this.#ask(party, peer)
  }

  get #living(): Party[] {
    return this.#world.processes().flatMap((process) => this.#parties.get(process) ?? [])
  }

  /** What is held once all has been answered; `undefined`: nothing. */
  get missing(): string | undefined {
    for (const { process, rpc, asked } of this.#living) {
      const { outstanding, waitingForPeer, running, waiting, unsentAnswers, unsentAnswerBytes } = rpc.stats()
      const held = { outstanding, waitingForPeer, running, waiting, unsentAnswers, unsentAnswerBytes }
      if (asked.size > 0) return `${process.name}: ${[...asked][0]!.name} is one of ${asked.size} without an end`
      if (Object.values(held).some((it) => it !== 0)) return `${process.name}: ${JSON.stringify(held)}`
    }
    return undefined
  }

  /** Closes the requests of half of the processes. */
  end(): void {
    this.#living.forEach(({ rpc }, i) => {
      if (i % 2 === 1) rpc.close()
    })
  }

  /** Its endpoint is closed: each request has ended, and nothing is held. */
  checkOver(process: Process): void {
    const party = this.#parties.get(process)
    if (party === undefined) return
    const stats = party.rpc.stats()
    this.#world.judge.check(
      party.asked.size === 0 && isEmpty(stats),
      "nothing-left",
      () => `${process.name}: ${party.asked.size} requests have no end; ${JSON.stringify(stats)}`,
    )
  }
}

function isEmpty({ dropped: _dropped, ...sizes }: RpcStats): boolean {
  return Object.values(sizes).every((size) => size === 0)
}
