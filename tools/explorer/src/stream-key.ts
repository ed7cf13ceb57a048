/**
 * A state of the stream model as text: two that read the same behave alike. It reads fields of the machines, which
 * `load.mjs` has made plain.
 */
import type { ReceiveStream, SendStream } from "@x/stream"
import { describe, plainName } from "./snapshot.ts"
import { nameOf, type Packet } from "./stream-packet.ts"

/** What decides how a stream goes on. */
export interface StreamSides {
  readonly nowMs: number
  readonly sender: SendStream
  readonly receiver: ReceiveStream
  readonly inFlight: readonly Packet[]
  readonly delivered: readonly number[]
  readonly gone: number
  readonly written: number
  readonly edge: number
  readonly low: number
  readonly acknowledged: ReadonlySet<number>
}

export function describeStream(sides: StreamSides): string {
  const { nowMs, sender, receiver, inFlight, delivered, gone, written, edge, low, acknowledged } = sides
  const parts = new Set<unknown>([...partsOf(sender), ...partsOf(receiver)])
  const special = (name: string, owner: object, field: unknown): string | undefined => {
    // A part's references to the other parts are left out: those describe themselves.
    if (owner !== sender && owner !== receiver && parts.has(field)) return ""
    if (name === "ring") return ringOf(sender, nowMs)
    if (name === "lost") return String(fieldOf<number[]>(owner, "lost").slice(fieldOf<number>(owner, "lostNext")))
    return undefined
  }
  const say = (value: unknown): string => describe(value, nowMs, special)
  const packets = inFlight.map((packet) => nameOf(packet)).toSorted()
  const kept = keptOf(receiver)
  return [
    say(sender),
    say(receiver),
    kept,
    ...packets,
    delivered,
    gone,
    written,
    edge,
    low,
    [...acknowledged].toSorted((a, b) => a - b),
  ].join(";")
}

/** Which of the packets from the edge on are kept. */
function keptOf(receiver: ReceiveStream): string {
  const kept = fieldOf<{ has(number: number): boolean }>(receiver, "kept")
  const { next, high } = fieldOf<{ next: number; high: number }>(receiver, "edges")
  return Array.from({ length: Math.max(0, high - next) }, (_, i) => (kept.has(next + i) ? 1 : 0)).join("")
}

function fieldOf<T>(owner: object, name: string): T {
  const found = Object.entries(owner).find(([key]) => plainName(key) === name)
  if (found === undefined) throw new Error(`no field ${name}: was the model loaded by load.mjs?`)
  return found[1] as T
}

function ringOf(sender: SendStream, nowMs: number): string {
  const rows: string[] = []
  const { ledger } = plainFieldsOf(sender) as { ledger: object }
  const { ring } = plainFieldsOf(ledger) as { ring: Ring }
  for (let number = sender.low; number < sender.high; number++) {
    const at = ring.index(number)
    const ageMs = ring.hasAges ? nowMs - ring.writtenMs[at]! : 0
    rows.push([ring.state[at], ring.sends[at], ring.begun[at], nowMs - ring.sentMs[at]!, ageMs].join(":"))
  }
  return rows.join("|")
}

function plainFieldsOf(owner: object): object {
  return Object.fromEntries(Object.entries(owner).map(([key, value]) => [plainName(key), value as unknown]))
}

/** The parts of a stream. */
function partsOf(stream: object): unknown[] {
  return Object.values(stream).filter((field) => typeof field === "object")
}

interface Ring {
  readonly state: Uint8Array
  readonly sends: Uint16Array
  readonly begun: Uint32Array
  readonly sentMs: Float64Array
  readonly hasAges: boolean
  readonly writtenMs: Float64Array
  index(number: number): number
}
