/** What `peer.explain()` tells. */

import type { Limiting, SendLimit } from "../path/limiting.ts"

/** What limited what was sent to a peer, since the last call or since it joined. */
export interface SendLimits {
  /** Milliseconds since then. */
  readonly ms: number
  /** What limits now. */
  readonly now: SendLimit
  /** What limited for the longest time; `application` only if nothing else did. */
  readonly most: SendLimit
  /** The part of the time for which each thing was the limit; together 1, or 0 if no time has passed. */
  readonly shares: Readonly<Record<SendLimit, number>>
  /** What `most` means, and which option changes it: one sentence. */
  readonly advice: string
}

const ADVICE: Readonly<Record<SendLimit, string>> = {
  application: "nothing held it back: the application had nothing more to send",
  window: "the window of a stream was full: windowBytes and windowPackets make it larger",
  congestion: "the path was full, as far as the congestion controller knows: congestion chooses another one",
  pace: "the path takes no more in this time, as far as the congestion controller knows: congestion chooses another one",
  cap: "a cap of the rate was reached: here sendRateBytesPerSecondMax, sendRateBytesPerSecondPerPeer and peer.limit() set it, at the other end receiveRateBytesPerSecondMax, receiveRateBytesPerSecondPerPeer and peer.limit()",
  consumer:
    "the consumers at the other end are behind: there queuedMessagesMax and queuedBytesMax say how far they may be",
  memory: "there was no memory for packets: sendPoolPacketsPerPeer and sendPoolPacketsMax are its bounds",
  socket: "our socket was full: the system sends no faster",
  peer: "as much was on its way as the other end can take at once: inFlightMax there, and its socket buffer, say how much",
}

export function sendLimitsOf(limiting: Limiting, nowMs: number): SendLimits {
  const { ms, heldMs } = limiting.take(nowMs)
  const limits = Object.keys(heldMs) as SendLimit[]
  const shares = Object.fromEntries(limits.map((limit) => [limit, ms > 0 ? heldMs[limit] / ms : 0])) as Record<
    SendLimit,
    number
  >
  const most = limits
    .filter((limit) => limit !== "application")
    .reduce<SendLimit>((longest, limit) => (heldMs[limit] > heldMs[longest] ? limit : longest), "window")
  const found = heldMs[most] > 0 ? most : "application"
  return { ms, now: limiting.limit, most: found, shares, advice: ADVICE[found] }
}
