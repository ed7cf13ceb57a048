/**
 * Checks what callers pass in, at the entry: numbers, options, functions. An error names the wrong value and says what
 * would be right, before anything has changed. This package and those above it use these checks, each with errors of
 * its own class.
 *
 * @module
 */

export { isThenable, textOf } from "./user-values.ts"

/** A kind of value. */
export interface Kind<T = unknown> {
  /** The values it allows, in words that follow "must be". */
  readonly takes: string
  /** Errors must not show a value of this kind. */
  readonly isSecret?: boolean
  /** Whether a value is of this kind. */
  has(value: unknown): value is T
}

/** Numbers in a range, `min` and `max` included, and `Infinity` where that has a meaning. */
export interface NumberKind extends Kind<number> {
  /** The least number. */
  readonly min: number
  /** The greatest number, apart from `Infinity`. */
  readonly max: number
}

/** Options within an option. */
export interface GroupKind<T extends object> extends Kind<T> {
  /** The kinds of the options within it. */
  readonly kinds: Kinds<T>
}

/** The kind of a required option. */
export type RequiredKind<T> = Kind<T> & {
  /** Tells it from the kind of an optional one. */
  readonly isRequired: true
}

/**
 * The kind of each option. An option without a kind doesn't compile, nor does a required option whose kind isn't
 * required.
 */
export type Kinds<T> = {
  readonly [K in keyof T]-?: undefined extends T[K] ? Kind<Exclude<T[K], undefined>> : RequiredKind<T[K]>
}

/** Whole numbers. `unit` may add what they count: "of bytes". */
export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER, unit = ""): NumberKind {
  const takes = `a whole number${spaced(unit)} from ${min} to ${max}`
  return { takes, min, max, has: (value): value is number => Number.isInteger(value) && isWithin(value, min, max) }
}

/** Numbers with fractions. */
export function real(min: number, max: number = Number.MAX_SAFE_INTEGER, unit = ""): NumberKind {
  return {
    takes: `a number${spaced(unit)} from ${min} to ${max}`,
    min,
    max,
    has: (value): value is number => isWithin(value, min, max),
  }
}

/** Times with fractions. */
export function milliseconds(min = 0, max: number = Number.MAX_SAFE_INTEGER): NumberKind {
  return { ...real(min, max), takes: `milliseconds from ${min} to ${max}` }
}

/** Numbers with fractions, above 0. */
export function positive(max: number = Number.MAX_SAFE_INTEGER): NumberKind {
  const has = (value: unknown): value is number => isWithin(value, 0, max) && value > 0
  return { takes: `above 0 and at most ${max}`, min: 0, max, has }
}

/** Another kind, and `Infinity` with the given `meaning`, such as "never". */
export function orInfinity(kind: NumberKind, meaning: string): NumberKind {
  const has = (value: unknown): value is number => value === Infinity || kind.has(value)
  return { ...kind, takes: `${kind.takes}, or Infinity: ${meaning}`, has }
}

/** `true` or `false`. */
export const FLAG: Kind<boolean> = { takes: "true or false", has: (value) => typeof value === "boolean" }

/** Any text, the empty one too. */
export const TEXT: Kind<string> = { takes: "text", has: (value) => typeof value === "string" }

/** Functions with any parameters: those can't be checked. */
export function functionThat<T>(does: string): Kind<T> {
  return { takes: `a function that ${does}`, has: (value): value is T => typeof value === "function" }
}

/** The same kind, for a required option. */
export function required<T>(kind: Kind<T>): RequiredKind<T> {
  return { ...kind, isRequired: true }
}

/** One of these texts. */
export function oneOf<T extends string>(...names: readonly T[]): Kind<T> {
  const quoted = names.map((name) => `"${name}"`)
  return {
    takes: `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`,
    has: (value): value is T => (names as readonly unknown[]).includes(value),
  }
}

/** Objects of any class that have these functions. */
export function objectWith<T extends object>(what: string, ...functions: readonly (keyof T & string)[]): Kind<T> {
  const has = (value: unknown): value is T =>
    isObject(value) && functions.every((name) => typeof value[name] === "function")
  return { takes: `${what}, which has ${functions.join(", ")}`, has }
}

/** An object with options of these kinds, and no others. */
export function group<T extends object>(kinds: Kinds<T>): GroupKind<T> {
  return {
    takes: `an object with ${Object.keys(kinds).join(", ")}`,
    kinds,
    has: (value): value is T => isObject(value),
  }
}

/** Checked by its members, since there may be several classes of that name. */
export const ABORT_SIGNAL: Kind<AbortSignal> = {
  takes: "an AbortSignal",
  has: (value): value is AbortSignal =>
    isObject(value) && typeof value["aborted"] === "boolean" && typeof value["addEventListener"] === "function",
}

type AnyKind = Kind & Partial<RequiredKind<unknown> & GroupKind<object>>

/** Checks that fail with errors of one class. */
export class Checks {
  readonly #fail: (message: string) => Error

  constructor(fail: (message: string) => Error) {
    this.#fail = fail
  }

  /** The value, if it is of the kind; −0 is 0. */
  value<T>(name: string, value: unknown, kind: Kind<T>): T {
    if (!kind.has(value))
      throw this.#fail(`${name} must be ${kind.takes}, not ${kind.isSecret === true ? describe(value) : show(value)}`)
    return value === 0 ? (0 as T) : value
  }

  /** The error to throw for a value. */
  wrong(name: string, should: string, is: unknown): Error {
    return this.#fail(`${name} must be ${should}, not ${show(is)}`)
  }

  /**
   * The options of a call, each read once: a copy that later changes don't reach. Refuses names that aren't among
   * `kinds`, and suggests the nearest; an option that is `undefined` counts as not given. `of`: the name of the call;
   * `within`: a prefix for the options' names.
   */
  options<T extends object>(of: string, given: T, kinds: Kinds<T>, within = ""): T {
    if (!isObject(given)) throw this.wrong(`what ${of} is given`, `an object of options`, given)
    // Inherited ones too: they are read like any others.
    for (const name in given) if (!Object.hasOwn(kinds, name)) throw this.#unknown(of, name, Object.keys(kinds))
    const taken: Record<string, unknown> = {}
    for (const name in kinds) {
      const kind = kinds[name] as AnyKind
      const value = (given as Readonly<Record<string, unknown>>)[name]
      if (value === undefined && kind.isRequired !== true) continue
      const path = within + name
      const checked = this.value(path, value, kind)
      taken[name] = kind.kinds === undefined ? checked : this.options(path, checked, kind.kinds, `${path}.`)
    }
    return taken as T
  }

  #unknown(of: string, name: string, known: readonly string[]): Error {
    const near = nearest(name, known)
    return this.#fail(
      `there is no option ${show(name)} of ${of}${near === undefined ? "." : `; did you mean ${near}?`} There are ${known.toSorted().join(", ")}`,
    )
  }
}

function spaced(unit: string): string {
  return unit === "" ? "" : ` ${unit}`
}

function isWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && value >= min && value <= max
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

const SHOWN_MAX = 60

/** A value as an error text shows it: short, for any value at all. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > SHOWN_MAX ? `${value.slice(0, SHOWN_MAX)}…` : value)
    case "bigint":
      return `${value}n`
    case "function":
    case "object":
      return describe(value)
    default:
      return Object.is(value, -0) ? "-0" : String(value)
  }
}

/** What kind of value it is, without its content. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (value instanceof Uint8Array) return `a Uint8Array of ${value.length} bytes`
  if (Array.isArray(value)) return `a list of ${value.length}`
  return typeof value === "string" ? "text" : `${typeof value === "object" ? "an" : "a"} ${typeof value}`
}

/** The name that was probably meant: the one with the fewest letters to change, unless even these are too many. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let found: string | undefined
  let least = Math.max(2, name.length / 3) + 1
  for (const other of known) {
    const distance = editDistance(name.toLowerCase(), other.toLowerCase())
    if (distance < least) {
      least = distance
      found = other
    }
  }
  return found
}

/** Letters to add, take away or replace (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
