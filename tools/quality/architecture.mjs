// The arrows between the packages, the floors of a package's rooms, and which sources are pure. The one place that
// states them; layers.mjs checks the sources against it.

/**
 * What each package may import of its siblings. An arrow marked "dynamic" is followed by `import()` or by types only:
 * it may lead nowhere.
 */
export const ARROWS = {
  wire: {},
  fragment: { wire: "static" },
  stream: { wire: "static" },
  native: {},
  transport: { native: "dynamic" },
  endpoint: { wire: "static", fragment: "static", stream: "static", transport: "static" },
  cli: { endpoint: "static", transport: "static" },
}

/**
 * The rooms of a package from top to bottom: the folders and files of its `src`. A room imports from those below it,
 * types included, and from none above.
 */
export const FLOORS = {
  endpoint: [
    "index", // what the package exports
    "api", // what users hold, and the border to their code
    "driver", // the loop
    "protocol", // the endpoint without clock and sockets
    "join", // from an address to an association
    "peer", // one peer: its liveness, what is sent to it in which order
    "streams", // a peer's streams
    "datagram", // datagrams that are being composed or wait for the transport
    "path", // what is under one slot with a peer
    "keys", // the key exchange, and what comes of it
    "schedule", // whose turn it is, and how much of what all share
    "settings", // what an endpoint was set to
    "congestion", // how many datagrams may be under way
    "errors", // what callers are told
  ],
}

/**
 * Violations that there still are, as layers.mjs prints them up to the colon. The list may only shrink: an entry that
 * holds no more is a violation itself.
 */
export const KNOWN = []

/** Sources that know no clock, timer, entropy, socket or runtime: what they need of those is an argument. */
export const PURE = [
  "packages/wire/src/",
  "packages/fragment/src/",
  "packages/stream/src/",
  "packages/endpoint/src/",
  "packages/transport/src/simulated/",
]

/** Files under PURE that are let off, each with the reason. None so far. */
export const IMPURE = []

/** Packages that need nothing from the registry, but for what {@link FROM_REGISTRY} says. */
export const SELF_CONTAINED = ["wire", "fragment", "stream", "transport", "endpoint"]

/**
 * The one source of a self-contained package that needs others' packages. Nothing but the simulated network leads to
 * it.
 */
export const FROM_REGISTRY = {
  package: "transport",
  source: "packages/transport/src/simulated/crypto.ts",
  needs: ["@noble/ciphers", "@noble/curves", "@noble/hashes"],
}

/**
 * Globals that are the same everywhere: in a browser tab, in Deno, in Bun and in Node. Anything else in a pure source
 * is a violation.
 */
export const GLOBALS = words(`
  undefined NaN Infinity Object Array String Number Boolean Symbol BigInt Map Set WeakMap WeakSet Iterator Promise Reflect Proxy JSON Math
  Error RangeError TypeError AggregateError SuppressedError DOMException DisposableStack AsyncDisposableStack AsyncDisposable AsyncIterableIterator
  ArrayBuffer DataView Int8Array Uint8Array Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array BigInt64Array BigUint64Array
  TextEncoder TextDecoder AbortController AbortSignal ReadableStream WritableStream TransformStream
`)

/** What of Math gives the same bits on every engine. */
export const MATH = words("abs ceil clz32 floor fround imul max min round sign sqrt trunc E PI LN2")

/** Members of allowed globals that bring a clock in by the back door. */
export const MEMBERS = new Map([["AbortSignal", words("timeout")]])

/** What to use instead, for those that people reach for. */
export const INSTEAD = {
  Date: "time is an argument (nowMs)",
  performance: "time is an argument (nowMs)",
  setTimeout: "return the deadline (nextTimeoutMs); the host wakes the endpoint",
  setInterval: "return the deadline (nextTimeoutMs); the host wakes the endpoint",
  setImmediate: "use the host's defer",
  queueMicrotask: "use the host's defer",
  process: "the host stands for the runtime",
  Buffer: "use Uint8Array and DataView",
  crypto: "use the host's crypto and entropy",
  fetch: "a pure package opens no connection",
  console: "report by an event, an error or a counter",
  globalThis: "name the global that is meant",
}

function words(text) {
  return new Set(text.trim().split(/\s+/))
}
