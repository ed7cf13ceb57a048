/**
 * The labels of the streams: which of them is which, as PROTOCOL.md says.
 *
 * @module
 */

const PREFIX = "rpc/1/"
export const CANCEL_LABEL = "rpc/1/cancel"
export const ANSWER_LABEL = "rpc/1/answer"
/** The type of all messages: one that no application has for its own, which an endpoint without `Rpc` would give them to. */
export const MESSAGE = 65_282

export const SLOTS_MAX = 65_536
const GENERATION_MAX = 0xffff_ffff

export function askLabel(number: number): string {
  return `rpc/1/ask/${number}`
}

export function partsLabel(slot: number, generation: number): string {
  return `rpc/1/parts/${slot}/${generation}`
}

/** What a label says of its stream. */
export type Labelled =
  | { readonly kind: "ask"; readonly number: number }
  | { readonly kind: "cancel" | "answer" | "unknown" }
  | { readonly kind: "parts"; readonly slot: number; readonly generation: number }

const UNKNOWN: Labelled = { kind: "unknown" }

/** `undefined`: the stream is none of this layer. */
export function readLabel(label: string): Labelled | undefined {
  if (!label.startsWith(PREFIX)) return undefined
  if (label === CANCEL_LABEL) return { kind: "cancel" }
  if (label === ANSWER_LABEL) return { kind: "answer" }
  const [what, first, second, ...rest] = label.slice(PREFIX.length).split("/")
  if (rest.length > 0) return UNKNOWN
  if (what === "ask" && second === undefined) {
    const number = wholeOf(first, 65_535)
    return number === undefined ? UNKNOWN : { kind: "ask", number }
  }
  if (what !== "parts") return UNKNOWN
  const slot = wholeOf(first, SLOTS_MAX - 1)
  const generation = wholeOf(second, GENERATION_MAX)
  return slot === undefined || generation === undefined ? UNKNOWN : { kind: "parts", slot, generation }
}

/** Decimal without leading zeros: each number has one text. */
function wholeOf(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,9})$/.test(text)) return undefined
  const number = Number(text)
  return number <= max ? number : undefined
}
