import type { Library } from "./link.ts"

/** The rate of `x-fixed` where both processes keep up: more than the wire of W6 carries on the measured machine. */
const RATE_BYTES_PER_MS = 500_000

/**
 * The libraries by name. Each is loaded only in the processes that use it. `x-default` is `x` as users get it;
 * `x` has larger windows; `x-try` and `x-transfer` send large messages by `trySend`, and not by `send`. `x-dgram` is `x` without the helper: its processes get `X_TRANSPORT=dgram`, and so do those of
 * `x-dgram-…`.
 */
export const LIBRARIES: Readonly<Record<string, () => Promise<Library>>> = {
  x: async () => (await import("./peers/x.ts")).x(),
  "x-default": async () => (await import("./peers/x.ts")).x({ isDefault: true }),
  "x-try": async () => (await import("./peers/x.ts")).x({ isDefault: true, large: "trySend" }),
  "x-transfer": async () => (await import("./peers/x.ts")).x({ isDefault: true, large: "transfer" }),
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

/** TCP's congestion control, by its Linux name, for libraries that get a network of the bench's own. */
export const congestionControlOf = (library: string): string | undefined =>
  ({ "tcp-cubic": "cubic", "tcp-bbr": "bbr" })[library]
