/**
 * Copies state machines, and describes their states. Their sources are loaded with private fields made public
 * (`load.mjs`), so that no state is missed.
 */

/** Fields that machines only read while the model runs: all copies share them. */
const SHARED = new Set(["options", "rtt", "metadata", "bytes", "scope"])

/** A deep copy; an object shared by two fields is shared in the copy too. */
export function copyOf<T>(value: T, copies: Map<object, object> = new Map()): T {
  if (typeof value !== "object" || value === null || (Object.isFrozen(value) && !ArrayBuffer.isView(value)))
    return value
  const known = copies.get(value)
  if (known !== undefined) return known as T
  const copy = emptyOf(value)
  copies.set(value, copy)
  if (value instanceof Set) for (const entry of value) (copy as Set<unknown>).add(copyOf(entry, copies))
  else if (!ArrayBuffer.isView(value))
    for (const [name, field] of Object.entries(value))
      Reflect.set(copy, name, SHARED.has(plainName(name)) ? field : copyOf(field as unknown, copies))
  return copy as T
}

function emptyOf(value: object): object {
  if (Array.isArray(value)) return []
  if (value instanceof Set) return new Set()
  // Of whatever kind a column of numbers is.
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return (value as Uint8Array).slice()
  return Object.create(Object.getPrototypeOf(value) as object) as object
}

/** Times: they count by their distance from now. */
const INSTANTS =
  /^(dueMs|lastMs|idleMs|noticedMs|askedMs|statusDueMs|lastArrivalMs|lastNakMs|lastToldMs|fullUntilMs|nowMs|sentMs|writtenMs|followMs|askFromMs)$/
/** Statistics, and positions in the pool: nothing depends on them. */
const IGNORED =
  /^(resent|naksSent|duplicates|sent|pool|options|rtt|metadata|segments|spare|steps|mask|slot|oldestFrom|lostNext|lostPackets|found)$/
/** No deadline of the machines is further in the past. */
const PAST_MS_MAX = 2_000

export function plainName(name: string): string {
  return name.startsWith("p$") ? name.slice(2) : name
}

/** The fields of a machine as text; `special` describes those that need special treatment. */
export function describe(
  value: unknown,
  nowMs: number,
  special: (name: string, owner: object, field: unknown) => string | undefined,
  name = "",
): string {
  if (typeof value === "number")
    return INSTANTS.test(name) && Number.isFinite(value) ? `@${Math.max(value - nowMs, -PAST_MS_MAX)}` : String(value)
  if (typeof value !== "object" || value === null) return String(value)
  // A view says nothing beside its memory, and a copy of one reads otherwise.
  if (value instanceof DataView) return ""
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return `[${Array.from(value as ArrayLike<unknown>, (entry) => describe(entry, nowMs, special)).join()}]`
  const fields: string[] = []
  for (const [key, field] of Object.entries(value)) {
    const plain = plainName(key)
    if (IGNORED.test(plain)) continue
    fields.push(`${plain}:${special(plain, value, field) ?? describe(field as unknown, nowMs, special, plain)}`)
  }
  return `{${fields.join()}}`
}
