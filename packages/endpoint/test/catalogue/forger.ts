/** Datagrams as bytes: recorded on their way, altered, and sent again from anywhere. */
import type { Endpoint } from "@x/endpoint"
import type { Address } from "@x/transport/host"
import type { Network } from "@x/transport/simulated"
import { type DatagramDescription, describeDatagram } from "@x/wire"

export interface Recorded {
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
}

/** Records what the network carries from now on. */
export function record(network: Network): Recorded[] {
  const recorded: Recorded[] = []
  network.filter(({ from, to, bytes }) => {
    recorded.push({ from, to, bytes: bytes.slice() })
    return true
  })
  return recorded
}

export function describeBytes(bytes: Uint8Array, profile: 0 | 1): DatagramDescription {
  return describeDatagram(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length, profile)
}

/** An address where nobody is. */
export function forgedSource(i: number): Address {
  return { family: 4, host: `172.16.${(i >>> 8) & 255}.${i & 255}`, port: 1_024 + ((i >>> 16) & 0x7fff) }
}

export function v4Of(endpoint: Endpoint): Address {
  return endpoint.addresses.find(({ family }) => family === 4)!
}

/** All drops, for whatever reason. */
export function dropped(endpoint: Endpoint): number {
  return Object.values(endpoint.stats().drops).reduce((sum, count) => sum + count, 0)
}
