import { constants } from "node:fs"
import { access, stat } from "node:fs/promises"
import { basename } from "node:path"
import type { Peer } from "@x/endpoint"
import { connect, type ConnectOptions } from "../connect.ts"
import { CommandError, describeFailure, EXIT } from "../failure.ts"
import { nameProblem } from "../file-name.ts"
import { FileSender, notAFile, remedyOf, type SentFile } from "../file-sender.ts"
import { formatBytes, formatRate, formatTook } from "../measure.ts"
import type { Output, Progress } from "../output.ts"
import { printable } from "../text.ts"

export interface SendOptions extends ConnectOptions {
  /** The name to send a single file under; a pipe has no name of its own. */
  readonly name: string | undefined
}

/** Stands for standard input, as usual. */
const PIPE = "-"

interface Item {
  readonly path: string
  readonly name: string
  readonly size: number | undefined
}

/** Sends files one after the other. If one is refused, the others are still sent. */
export async function send(files: readonly string[], target: string, { name, ...options }: SendOptions): Promise<void> {
  const items = await check(files, name)
  const { output, signal } = options
  const { endpoint, peer } = await connect(target, options)
  await using _ = endpoint
  const sender = new FileSender(endpoint)
  const exitCodes: number[] = []
  for (const item of items) {
    try {
      await sendOne(sender, peer, item, output, signal)
    } catch (error) {
      if (files.length === 1 || signal.aborted || peer.state === "left") throw error
      const { message, exitCode } = describeFailure(error)
      output.failure(`${printable(item.path)}: ${message}`, exitCode)
      exitCodes.push(exitCode)
    }
  }
  const [first] = exitCodes
  if (first !== undefined) throw new CommandError(first, `${exitCodes.length} of ${files.length} files were not sent`)
}

/** Checks before joining the peer: files that can't be sent are known here. */
async function check(files: readonly string[], name: string | undefined): Promise<Item[]> {
  if (files.length > 1 && files.includes(PIPE))
    throw new CommandError(
      EXIT.usage,
      `"${PIPE}", standard input, must be sent alone; send the files by a separate command`,
    )
  if (name !== undefined && files.length > 1)
    throw new CommandError(EXIT.usage, "--name is for one file; send the others by separate commands")
  const problem = name === undefined ? undefined : nameProblem(name)
  if (problem !== undefined) throw new CommandError(EXIT.usage, `"${name}" can't be the name of a file: ${problem}`)
  const items: Item[] = []
  for (const path of files) {
    if (path === PIPE) {
      if (name === undefined)
        throw new CommandError(EXIT.usage, "what comes from standard input needs a name: --name NAME")
      items.push({ path, name, size: undefined })
      continue
    }
    const status = await stat(path)
    if (!status.isFile()) throw new CommandError(EXIT.usage, notAFile(path, status))
    await access(path, constants.R_OK)
    items.push({ path, name: name ?? basename(path), size: status.size })
  }
  return items
}

async function sendOne(sender: FileSender, peer: Peer, item: Item, output: Output, signal: AbortSignal): Promise<void> {
  const { path, size } = item
  const progress = output.progress(item.name, size)
  let there = 0
  try {
    const onWritten = (written: number): void => void (there = written)
    const { bytes, kept, sha256 } = await sendItem(sender, peer, item, { progress, signal, onWritten })
    const { ms, rate } = progress.finish()
    const { rttMs, packetsSent, packetsResent } = peer.stats()
    const goesOn = kept === 0 ? "" : `, ${formatBytes(kept)} of it before`
    output.result(
      `sent ${printable(item.name)} (${formatBytes(bytes)}${goesOn}) in ${formatTook(ms)}, ${formatRate(rate)}, SHA-256 ${sha256}`,
      { event: "sent", file: path, name: item.name, bytes, kept, ms, sha256, rttMs, packetsSent, packetsResent },
    )
  } catch (error) {
    throw signal.aborted && error === signal.reason ? interrupted(size, there) : error
  } finally {
    progress.stop()
  }
}

/** `there`: what the receiver had written by then. */
function interrupted(size: number | undefined, there: number): CommandError {
  return new CommandError(EXIT.interrupted, `interrupted; ${remedyOf(size, there)}`)
}

interface Watching {
  readonly progress: Progress
  readonly signal: AbortSignal
  readonly onWritten: (written: number) => void
}

async function sendItem(
  sender: FileSender,
  peer: Peer,
  { path, name }: Item,
  { progress, signal, onWritten }: Watching,
): Promise<SentFile> {
  let isFirst = true
  const onProgress = (written: number): void => {
    onWritten(written)
    if (isFirst) progress.startFrom(written)
    else progress.update(written)
    isFirst = false
  }
  if (path !== PIPE) return sender.send(peer, path, { name, signal, onProgress })
  try {
    return await sender.sendFrom(peer, process.stdin, name, { signal, onProgress })
  } finally {
    // Nothing waits for the rest of its bytes.
    process.stdin.destroy()
  }
}
