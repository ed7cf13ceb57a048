/** Texts made safe and short for a terminal. */
import stringWidth from "string-width"

const SHOWN_MAX = 500

/** A peer's text or a file's name, made safe: nothing in it moves the cursor or goes on for pages. */
export function printable(text: string): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Surrogate}]/gu, "\u{fffd}")
  return shown.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX)}…` : shown
}

const graphemes = new Intl.Segmenter()

/** Columns that a text takes: two for most of CJK and for emoji. */
export function widthOf(text: string): number {
  return stringWidth(text)
}

/**
 * A text in at most this many columns: one that is too long loses its middle, so that the end of a file's name stays.
 */
export function shorten(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  if (columns < 1) return ""
  const parts = Array.from(graphemes.segment(text), ({ segment }) => segment)
  const end = take(parts.toReversed(), Math.floor((columns - 1) / 2)).toReversed()
  const start = take(parts, columns - 1 - widthOf(end.join("")))
  return `${start.join("")}…${end.join("")}`
}

/** As many parts as fit, from the first. */
function take(parts: readonly string[], columns: number): string[] {
  let used = 0
  const end = parts.findIndex((part) => (used += widthOf(part)) > columns)
  return parts.slice(0, end === -1 ? parts.length : end)
}
