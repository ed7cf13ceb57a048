/**
 * Who may have another of the places for peers: no host and no static key takes those of all others (PROTOCOL.md §7).
 *
 * @module
 */

import type { Settings } from "../settings.ts"
import type { KnownPeers } from "./established.ts"
import type { HalfOpenTable } from "./half-open.ts"

/** Of the places that no host alone may take, one gets this part while they are short. */
const RESERVE_PART = 8

/** Returns why there is no place for another peer of this host and key, in words; `undefined`: there is one. */
export function whyNoPlace(
  { peersMax, peersPerHostMax, peersPerKeyMax }: Settings,
  peers: Pick<KnownPeers, "size" | "countOfHost" | "countOfKey">,
  halfOpen: Pick<HalfOpenTable, "joinsOf" | "joinsOfKey">,
  host: string,
  publicKey: Uint8Array | undefined,
): string | undefined {
  if (peers.size >= peersMax) return "too many peers"
  if (publicKey !== undefined && peers.countOfKey(publicKey) + halfOpen.joinsOfKey(publicKey) >= peersPerKeyMax)
    return "too many peers with this key"
  const ofHost = peers.countOfHost(host) + halfOpen.joinsOf(host)
  if (ofHost >= peersPerHostMax) return "too many peers at this host"
  // The rest is for hosts that have few.
  const reserve = Math.max(0, peersMax - peersPerHostMax)
  const isShort = peersMax - peers.size <= reserve
  if (isShort && ofHost >= Math.max(1, Math.floor(reserve / RESERVE_PART))) return "too many peers at this host"
  return undefined
}
