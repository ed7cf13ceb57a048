// The arrows between the packages, the floors of a package's rooms, and which sources are pure. This is the only
// definition; layers.mjs checks the sources against it.

/**
 * Which siblings each package may import. An arrow marked "dynamic" stands for `import()` and imports of types only:
 * the sibling may be missing at run time.
 */
export const ARROWS = {
  wire: {},
  fragment: { wire: "static" },
  stream: { wire: "static" },
  native: {},
  transport: { native: "dynamic" },
  endpoint: { wire: "static", fragment: "static", stream: "static", transport: "static" },
  topics: { wire: "static", endpoint: "static", transport: "static" },
  rpc: { endpoint: "static", transport: "static" },
  cli: { endpoint: "static", topics: "static", transport: "static" },
}

/**
 * The rooms of a package from top to bottom: the folders and files of its `src`. A room may import from those below it,
 * types included, but not from those above.
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
    "path", // the state under one slot with a peer
    "keys", // the key exchange, and its keys
    "schedule", // whose turn it is, and shares of common resources
    "settings", // the settings of an endpoint
    "congestion", // how many datagrams may be in flight
    "errors", // the errors that callers get
  ],
}

/**
 * Remaining violations, as layers.mjs prints them up to the colon. The list may only shrink: an entry without a
 * violation is itself a violation.
 */
export const KNOWN = []

/** Sources without clock, timer, entropy, socket or runtime: they get these as arguments. */
export const PURE = [
  "packages/wire/src/",
  "packages/fragment/src/",
  "packages/stream/src/",
  "packages/endpoint/src/",
  "packages/rpc/src/",
  "packages/topics/src/",
  "packages/transport/src/simulated/",
]

/** Files under PURE that are exempt, each with the reason. None so far. */
export const IMPURE = []

/** Packages that need nothing from the registry, except as {@link FROM_REGISTRY} says. */
export const SELF_CONTAINED = ["wire", "fragment", "stream", "transport", "endpoint", "topics", "rpc"]

/**
 * The only source of a self-contained package that needs third-party packages. Only the simulated network imports it.
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
  TextEncoder TextDecoder AbortController AbortSignal ReadableStream WritableStream TransformStream structuredClone
`)

/** The functions of Math that give the same bits on every engine. */
export const MATH = words("abs ceil clz32 floor fround imul max min round sign sqrt trunc E PI LN2")

/** Members of allowed globals that contain a clock after all. */
export const MEMBERS = new Map([["AbortSignal", words("timeout")]])

/** What to use instead of common globals that aren't allowed. */
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
