import { access } from "node:fs/promises"
import { basename } from "node:path"
import type { Peer } from "@x/endpoint"
import { connect, type ConnectOptions } from "../connect.ts"
import { CommandError, describeFailure } from "../failure.ts"
import { FileSender } from "../file-sender.ts"
import { formatBytes, formatRate, type Output, type Progress } from "../output.ts"

/** Sends files one after the other. One that isn't taken doesn't keep the others from being sent. */
export async function send(files: readonly string[], target: string, options: ConnectOptions): Promise<void> {
  for (const file of files) await access(file)
  const { output, signal } = options
  const { endpoint, peer } = await connect(target, options)
  await using _ = endpoint
  const sender = new FileSender(endpoint)
  const exitCodes: number[] = []
  for (const file of files) {
    try {
      await sendOne(sender, peer, file, output, signal)
    } catch (error) {
      if (files.length === 1 || signal.aborted || peer.state === "left") throw error
      const { message, exitCode } = describeFailure(error)
      output.failure(`${file}: ${message}`, exitCode)
      exitCodes.push(exitCode)
    }
  }
  const [first] = exitCodes
  if (first !== undefined) throw new CommandError(first, `${exitCodes.length} of ${files.length} files were not sent`)
}

async function sendOne(sender: FileSender, peer: Peer, file: string, output: Output, signal: AbortSignal): Promise<void> {
  const startMs = performance.now()
  let progress: Progress | undefined
  try {
    const { bytes, sha256 } = await sender.send(peer, file, {
      signal,
      onProgress: (written, size) => {
        progress ??= output.progress(basename(file), size)
        progress.update(written)
      },
    })
    progress?.stop()
    const ms = performance.now() - startMs
    const { rttMs, packetsSent, packetsResent } = peer.stats()
    output.result(
      `sent ${basename(file)} (${formatBytes(bytes)}) in ${(ms / 1_000).toFixed(2)} s, ${formatRate(bytes, ms)}, SHA-256 ${sha256}`,
      { event: "sent", file, bytes, ms, sha256, rttMs, packetsSent, packetsResent },
    )
  } finally {
    progress?.stop()
  }
}
