import type { Library } from "./link.ts"

/** By name. Each is loaded in the processes that use it and nowhere else. `x-dgram` is `x` without the helper: its processes get `X_TRANSPORT=dgram`. */
export const LIBRARIES: Readonly<Record<string, () => Promise<Library>>> = {
  x: async () => (await import("./peers/x.ts")).x(),
  "x-dgram": async () => (await import("./peers/x.ts")).x(),
  tcp: async () => (await import("./peers/tcp.ts")).tcp(true),
  "tcp-naive": async () => (await import("./peers/tcp.ts")).tcp(false),
  tls: async () => (await import("./peers/tls.ts")).tls(),
  ws: async () => (await import("./peers/ws.ts")).ws(),
  zeromq: async () => (await import("./peers/zeromq.ts")).zeromq(),
  kcp: async () => (await import("./peers/kcp.ts")).kcp(),
  udx: async () => (await import("./peers/udx.ts")).udx(),
  dgram: async () => (await import("./peers/dgram.ts")).dgram(),
}

export const environmentOf = (library: string): Record<string, string> => (library === "x-dgram" ? { X_TRANSPORT: "dgram" } : {})
