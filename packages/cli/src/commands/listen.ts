import { constants } from "node:fs"
import { access, mkdir, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { formatAddress } from "@x/transport"
import { CommandError, EXIT } from "../failure.ts"
import { FileReceiver } from "../file-receiver.ts"
import { PERF } from "../file-protocol.ts"
import { formatBytes } from "../measure.ts"
import type { Output } from "../output.ts"
import { isPartName, PART_SUFFIX } from "../part-files.ts"
import { findProtection } from "../secret.ts"
import { printable } from "../text.ts"

/** How often it checks for datagrams of strangers; milliseconds. */
const STRANGERS_MS = 60_000

/** The default port of `x listen`. */
export const DEFAULT_PORT = 4_747

export interface ListenOptions {
  readonly dir: string
  readonly overwrite: boolean
  /** Make the folder if it doesn't exist. */
  readonly create: boolean
  readonly secretFile: string | undefined
  readonly output: Output
  readonly signal: AbortSignal
}

/** Accepts files, pings and measurements until the signal ends it. */
export async function listen(
  address: string | undefined,
  { dir, overwrite, create, secretFile, output, signal }: ListenOptions,
): Promise<void> {
  await checkFolder(dir, create, output)
  const protection = await findProtection(secretFile)
  if (protection?.note !== undefined) output.note(protection.note)
  const where = bindOptionsOf(address)
  const isNamed = where.v4 !== undefined || where.v6 !== undefined
  await using endpoint = await Endpoint.bind({
    // Without a secret any peer that reaches it may send: an explicit address shows that this is intended.
    ...(protection?.options ?? (isNamed ? { protection: "checksum" } : {})),
    ...where,
  })
  endpoint.on("error", ({ message }) => output.note(printable(message)))
  endpoint.handle(PERF, () => {})
  const receiver = new FileReceiver(endpoint, {
    dir,
    overwrite,
    onStored: ({ name, size, from }) =>
      output.result(`stored ${name} (${formatBytes(size)}) from ${formatAddress(from)}`, {
        event: "stored",
        name,
        bytes: size,
        from: formatAddress(from),
      }),
    onRefused: ({ name, from }, refusal, why) =>
      output.result(`refused ${printable(JSON.stringify(name))} from ${formatAddress(from)}: ${why}`, {
        event: "refused",
        name,
        refusal,
        why,
        from: formatAddress(from),
      }),
  })
  const addresses = endpoint.addresses.map(formatAddress)
  const how = protection === undefined ? "checksum" : "aead"
  const facts = { event: "listening", addresses, port: endpoint.port, dir, protection: how }
  output.result(
    `listening at ${addresses.join(" and ")}${how === "aead" ? ", encrypted" : ""}; files go to ${dir}`,
    facts,
  )
  if (protection === undefined)
    output.note(
      `anyone who reaches ${addresses.join(" or ")} may send files; --secret-file keeps out all without the secret`,
    )
  for (const note of endpoint.capabilities.notes) output.note(note)
  const strangers = new StrangerNotes(endpoint, output)
  const timer = setInterval(() => strangers.look(), STRANGERS_MS)
  if (!signal.aborted)
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
  clearInterval(timer)
  // First the senders are told why, then the endpoint says goodbye.
  await receiver.close()
  await endpoint.close()
}

/** Reports peers that get no answer, at most once a minute: a peer with the wrong secret sees nothing but silence. */
class StrangerNotes {
  readonly #endpoint: Endpoint
  readonly #output: Output
  #seen = 0

  constructor(endpoint: Endpoint, output: Output) {
    this.#endpoint = endpoint
    this.#output = output
  }

  look(): void {
    const { tag, profile } = this.#endpoint.stats().drops
    const count = tag + profile - this.#seen
    this.#seen += count
    if (count > 0)
      this.#output.note(
        `${count} datagrams under another secret or protection, or damaged, were dropped in the last minute`,
      )
  }
}

async function checkFolder(dir: string, create: boolean, output: Output): Promise<void> {
  if (create) await mkdir(dir, { recursive: true })
  const status = await stat(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT")
      throw new CommandError(EXIT.usage, `there is no folder "${dir}"; name another, or have it made by --create`)
    throw error
  })
  if (!status.isDirectory()) throw new CommandError(EXIT.usage, `"${dir}" is no folder; name one with --dir`)
  await access(dir, constants.W_OK)
  const parts = (await readdir(dir)).filter(isPartName).length
  if (parts > 0)
    output.note(
      `${parts} unfinished in "${dir}": sending the same file again resumes ${parts === 1 ? "it" : "them"}; otherwise remove ${join(dir, `.*${PART_SUFFIX}`)}`,
    )
}

/** `4000`, `127.0.0.1:4000`, `[::1]:4000`, or nothing for all addresses and the usual port. */
export function bindOptionsOf(address: string | undefined): Pick<EndpointOptions, "port" | "v4" | "v6"> {
  if (address === undefined) return { port: DEFAULT_PORT }
  const match = /^(?:(?:\[([\da-f:.%\w]+)\]|(\d+\.\d+\.\d+\.\d+)):)?(\d{1,5})$/i.exec(address)
  const port = Number(match?.[3])
  if (match === null || port > 65_535)
    throw new CommandError(
      EXIT.usage,
      `"${address}" is no address to listen at; give a port, 192.0.2.1:port or [2001:db8::1]:port`,
    )
  if (match[1] !== undefined) return { port, v4: false, v6: match[1] }
  return match[2] === undefined ? { port } : { port, v4: match[2], v6: false }
}
