/**
 * One of the two processes of the demo. It talks to the main process by messages of `child_process`, and ends with it.
 */
import { once } from "node:events"
import { Endpoint, fixed, type EndpointOptions, type PeerStats } from "@x/endpoint"
import { systemHost, withFaults } from "@x/transport"
import { describeFailure } from "../failure.ts"
import { FileReceiver } from "../file-receiver.ts"
import { FileSender } from "../file-sender.ts"
import { findProtection } from "../secret.ts"

/** Its task: its one argument, in JSON. */
export type Task =
  | { readonly role: "listen"; readonly host: string; readonly dir: string; readonly secretFile: string | undefined }
  | {
      readonly role: "send"
      readonly host: string
      readonly port: number
      readonly path: string
      readonly secretFile: string | undefined
      /** Share of the datagrams lost in each direction. */
      readonly lossRate: number
      readonly seed: number
    }

/** Its reports. */
export type Report =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "progress"; readonly written: number }
  | { readonly kind: "stored"; readonly name: string }
  | Result
  | { readonly kind: "failed"; readonly why: string }

export interface Result extends PeerStats {
  readonly kind: "sent"
  readonly bytes: number
  readonly ms: number
  /** Datagrams lost by the faults on the way to the listener, and back. */
  readonly lostThere: number
  readonly lostBack: number
}

const task = JSON.parse(process.argv[2]!) as Task
const stop = Promise.race([once(process, "message"), once(process, "disconnect")])
// Ctrl-C reaches all processes of a terminal; the main process tells this one to stop.
process.on("SIGINT", () => {})

try {
  if (task.role === "listen") await listen(task)
  else await send(task)
} catch (error) {
  tell({ kind: "failed", why: describeFailure(error).message })
  process.exitCode = 1
}
if (process.connected) process.disconnect()

async function listen({ host, dir, secretFile }: Task & { role: "listen" }): Promise<void> {
  await using endpoint = await Endpoint.bind({
    ...addressOptions(host),
    ...(await protectionOf(secretFile)),
    congestion: fixed(),
  })
  const receiver = new FileReceiver(endpoint, {
    dir,
    onStored: ({ name }) => tell({ kind: "stored", name }),
    onRefused: (_, __, why) => tell({ kind: "failed", why }),
  })
  tell({ kind: "listening", port: endpoint.port })
  await stop
  await receiver.close()
}

/**
 * All faults are on this side: datagrams that it sends are lost on their way there, and those to it on their way back.
 */
async function send({ host, port, path, secretFile, lossRate, seed }: Task & { role: "send" }): Promise<void> {
  const lossy = withFaults(systemHost(), { seed, lossRate })
  const protection = await protectionOf(secretFile)
  await using endpoint = await Endpoint.bind({
    ...addressOptions(host),
    ...protection,
    host: lossy,
    congestion: fixed(),
  })
  const peer = await endpoint.join({ host, port })
  const startMs = performance.now()
  const { bytes } = await new FileSender(endpoint).send(peer, path, {
    onProgress: (written) => tell({ kind: "progress", written }),
  })
  const { sendLost: lostThere, receiveLost: lostBack } = lossy.faults
  tell({ kind: "sent", bytes, ms: performance.now() - startMs, lostThere, lostBack, ...peer.stats() })
  await stop
}

async function protectionOf(secretFile: string | undefined): Promise<EndpointOptions> {
  return secretFile === undefined ? {} : (await findProtection(secretFile))!.options
}

function addressOptions(host: string): EndpointOptions {
  return host.includes(":") ? { v4: false, v6: host } : { v4: host, v6: false }
}

function tell(report: Report): void {
  if (process.connected) process.send!(report)
}
