/** One of the two processes of the demo; speaks with the first by messages of `child_process`. */
import { once } from "node:events"
import { Endpoint, type EndpointOptions, type PeerStats } from "@x/endpoint"
import { systemHost, withFaults } from "@x/transport"
import { FileReceiver } from "../file-receiver.ts"
import { FileSender } from "../file-sender.ts"

export interface Result extends PeerStats {
  readonly kind: "done"
  readonly bytes: number
  readonly ms: number
  /** Datagrams that the faults took, both ways. */
  readonly lost: number
}

export type FromParty =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "progress"; readonly written: number }
  | Result

const [role, host = "", ...rest] = process.argv.slice(2)
const family: EndpointOptions = host.includes(":") ? { v4: false, v6: host } : { v4: host, v6: false }
const stop = once(process, "message")

if (role === "listen") await listen(rest[0]!)
else await send(Number(rest[0]), rest[1]!, Number(rest[2]), Number(rest[3]))
process.disconnect()

async function listen(dir: string): Promise<void> {
  await using endpoint = await Endpoint.bind(family)
  const receiver = new FileReceiver(endpoint, { dir })
  tell({ kind: "listening", port: endpoint.port })
  await stop
  await receiver.idle()
}

async function send(port: number, path: string, lossRate: number, seed: number): Promise<void> {
  const lossy = withFaults(systemHost(), { seed, sendLossRate: lossRate, receiveLossRate: lossRate })
  await using endpoint = await Endpoint.bind({ ...family, host: lossy })
  const peer = await endpoint.join({ host, port })
  const startMs = performance.now()
  const { bytes } = await new FileSender(endpoint).send(peer, path, { onProgress: (written) => tell({ kind: "progress", written }) })
  tell({ kind: "done", bytes, ms: performance.now() - startMs, lost: lossy.faults.sendLost + lossy.faults.receiveLost, ...peer.stats() })
  await stop
}

function tell(message: FromParty): void {
  process.send!(message)
}
