import type { Library } from "./link.ts"

/**
 * What `x-fixed` sends at where both processes keep up: more than the wire of W6 takes on the machine that was
 * measured.
 */
const RATE_BYTES_PER_MS = 500_000

/**
 * By name. Each is loaded in the processes that use it and nowhere else. `x-dgram` is `x` without the helper: its
 * processes get `X_TRANSPORT=dgram`, and so do those of `x-dgram-…`.
 */
export const LIBRARIES: Readonly<Record<string, () => Promise<Library>>> = {
  x: async () => (await import("./peers/x.ts")).x(),
  "x-dgram": async () => (await import("./peers/x.ts")).x(),
  "x-fixed": async () => (await import("./peers/x.ts")).x({ paceBytesPerMs: RATE_BYTES_PER_MS }),
  "x-mac": async () => (await import("./peers/x.ts")).x({ protection: "mac" }),
  "x-aead": async () => (await import("./peers/x.ts")).x({ protection: "aead" }),
  "x-dgram-mac": async () => (await import("./peers/x.ts")).x({ protection: "mac" }),
  "x-dgram-aead": async () => (await import("./peers/x.ts")).x({ protection: "aead" }),
  tcp: async () => (await import("./peers/tcp.ts")).tcp(true),
  "tcp-cubic": async () => (await import("./peers/tcp.ts")).tcp(true),
  "tcp-bbr": async () => (await import("./peers/tcp.ts")).tcp(true),
  "tcp-naive": async () => (await import("./peers/tcp.ts")).tcp(false),
  tls: async () => (await import("./peers/tls.ts")).tls(),
  ws: async () => (await import("./peers/ws.ts")).ws(),
  zeromq: async () => (await import("./peers/zeromq.ts")).zeromq(),
  kcp: async () => (await import("./peers/kcp.ts")).kcp(),
  udx: async () => (await import("./peers/udx.ts")).udx(),
  dgram: async () => (await import("./peers/dgram.ts")).dgram(),
}

export const environmentOf = (library: string): Record<string, string> =>
  library.startsWith("x-dgram") ? { X_TRANSPORT: "dgram" } : {}

/** Of TCP, by Linux's name, where a network of the bench's own is made for the library. */
export const congestionControlOf = (library: string): string | undefined =>
  ({ "tcp-cubic": "cubic", "tcp-bbr": "bbr" })[library]
