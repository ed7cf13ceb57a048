import { access } from "node:fs/promises"
import { basename } from "node:path"
import { Endpoint } from "@x/endpoint"
import { FileSender } from "../file-sender.ts"
import { formatBytes, formatRate, type Output } from "../output.ts"

/** Sends files one after the other; the first that fails ends it. */
export async function send(files: readonly string[], target: string, output: Output, signal: AbortSignal): Promise<void> {
  for (const file of files) await access(file)
  await using endpoint = await Endpoint.bind()
  const peer = await endpoint.join(target, { signal })
  const sender = new FileSender(endpoint)
  for (const file of files) {
    const startMs = performance.now()
    let bar: ReturnType<Output["progress"]> | undefined
    try {
      const { bytes, sha256 } = await sender.send(peer, file, {
        signal,
        onProgress: (written, size) => {
          bar ??= output.progress(basename(file), size)
          bar.update(written)
        },
      })
      bar?.stop()
      const ms = performance.now() - startMs
      output.result(
        `sent ${basename(file)} (${formatBytes(bytes)}) in ${(ms / 1_000).toFixed(2)} s, ${formatRate(bytes, ms)}, SHA-256 ${sha256}`,
        { file, bytes, seconds: ms / 1_000, sha256, ...peer.stats() },
      )
    } finally {
      bar?.stop()
    }
  }
}
