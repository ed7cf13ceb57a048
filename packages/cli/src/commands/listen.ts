import { mkdir, stat } from "node:fs/promises"
import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { formatAddress } from "@x/transport"
import { FileReceiver } from "../file-receiver.ts"
import { PERF } from "../file-protocol.ts"
import { formatBytes, type Output } from "../output.ts"

/** Where `x listen` listens unless told otherwise. */
export const DEFAULT_PORT = 4_747

export interface ListenOptions {
  readonly dir: string
  readonly overwrite: boolean
  readonly create: boolean
}

/** Takes files, pings and measurements until the signal ends it. */
export async function listen(
  address: string | undefined,
  { dir, overwrite, create }: ListenOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  if (create) await mkdir(dir, { recursive: true })
  if (!(await stat(dir)).isDirectory()) throw Object.assign(new Error(`"${dir}" is no folder`), { code: "invalid-option" })
  await using endpoint = await Endpoint.bind(bindOptionsOf(address))
  endpoint.handle(PERF, () => {})
  const receiver = new FileReceiver(endpoint, {
    dir,
    overwrite,
    onStored: ({ name, size, peer }) =>
      output.result(`stored ${name} (${formatBytes(size)}) from ${formatAddress(peer.address)}`, {
        event: "stored",
        name,
        bytes: size,
        from: formatAddress(peer.address),
      }),
    onFailed: ({ name, peer }, why) =>
      output.result(`did not store ${name} from ${formatAddress(peer.address)}: ${why}`, {
        event: "failed",
        name,
        why,
        from: formatAddress(peer.address),
      }),
  })
  const addresses = endpoint.addresses.map(formatAddress)
  output.result(`listening at ${addresses.join(" and ")}; files go to ${dir}`, { event: "listening", addresses, port: endpoint.port, dir })
  for (const note of endpoint.capabilities.notes) process.stderr.write(`note: ${note}\n`)
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
  await endpoint.close()
  await receiver.idle()
}

/** `4000`, `127.0.0.1:4000`, `[::1]:4000`, or nothing for all addresses and the usual port. */
export function bindOptionsOf(address: string | undefined): EndpointOptions {
  if (address === undefined) return { port: DEFAULT_PORT }
  const match = /^(?:(?:\[([\da-f:.%\w]+)\]|(\d+\.\d+\.\d+\.\d+)):)?(\d{1,5})$/i.exec(address)
  const port = Number(match?.[3])
  if (match === null || port > 65_535)
    throw Object.assign(new Error(`"${address}" is no address to listen at; give a port, 192.0.2.1:port or [2001:db8::1]:port`), {
      code: "invalid-option",
    })
  if (match[1] !== undefined) return { port, v4: false, v6: match[1] }
  return match[2] === undefined ? { port } : { port, v4: match[2], v6: false }
}
