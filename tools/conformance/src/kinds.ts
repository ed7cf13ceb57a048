/** The table of §3. */
export interface Kind {
  number: number
  name:
    | "sequenced"
    | "part"
    | "fire-and-forget"
    | "open"
    | "end"
    | "reset"
    | "stop"
    | "status"
    | "sync"
    | "feedback"
    | "heartbeat"
    | "goodbye"
    | "path-challenge"
    | "path-response"
    | "mtu-probe"
    | "rate"
    | "join"
    | "challenge"
    | "accept"
    | "refuse"
    | "hint"
    | "loose"
  option: "none" | "W" | "A"
  /** It must be the only packet of its datagram. */
  alone: boolean
}

export const KINDS: Kind[] = [
  { number: 1, name: "sequenced", option: "W", alone: false },
  { number: 2, name: "part", option: "none", alone: true },
  { number: 3, name: "fire-and-forget", option: "none", alone: false },
  { number: 8, name: "open", option: "none", alone: false },
  { number: 9, name: "end", option: "none", alone: false },
  { number: 10, name: "reset", option: "none", alone: false },
  { number: 11, name: "stop", option: "none", alone: false },
  { number: 12, name: "status", option: "none", alone: false },
  { number: 13, name: "sync", option: "W", alone: false },
  { number: 14, name: "feedback", option: "none", alone: false },
  { number: 15, name: "heartbeat", option: "W", alone: false },
  { number: 16, name: "goodbye", option: "W", alone: false },
  { number: 17, name: "path-challenge", option: "none", alone: false },
  { number: 18, name: "path-response", option: "none", alone: false },
  { number: 19, name: "mtu-probe", option: "W", alone: true },
  { number: 20, name: "rate", option: "W", alone: false },
  { number: 24, name: "join", option: "A", alone: true },
  { number: 25, name: "challenge", option: "none", alone: true },
  { number: 26, name: "accept", option: "A", alone: true },
  { number: 27, name: "refuse", option: "none", alone: true },
  { number: 28, name: "hint", option: "none", alone: true },
  { number: 29, name: "loose", option: "none", alone: true },
]

export function classOf(kind: Kind): "data" | "control" | "handshake" {
  if (kind.number < 8) return "data"
  if (kind.number < 24) return "control"
  return "handshake"
}
