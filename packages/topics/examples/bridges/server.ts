// A server of another system for an example, on a port of its own. Where the machine has none, the example ends as
// skipped: it has shown nothing.
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, connect, createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

/** How an example ends that can't be run here: `npm run examples` counts it as skipped. */
export const SKIPPED = 77

const READY_MS = 10_000

/** `argsOf`: what the program is started with, for a port. */
export async function startServer(
  program: string,
  argsOf: (port: string) => readonly string[],
): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> {
  if (spawnSync(program, ["--version"]).error !== undefined) skip(`there is no ${program} here`)
  const port = await freePort()
  const child = spawn(program, argsOf(String(port)), { stdio: "ignore" })
  process.once("exit", () => child.kill())
  await answering(port)
  return { port, stop: () => stop(child) }
}

export function skip(reason: string): never {
  console.log(`skipped: ${reason}`)
  process.exit(SKIPPED)
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit")
  child.kill()
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

async function answering(port: number): Promise<void> {
  for (const endMs = performance.now() + READY_MS; ; await sleep(50)) {
    const socket = connect(port, "127.0.0.1")
    try {
      await once(socket, "connect")
      return
    } catch (error) {
      if (performance.now() > endMs) throw error
    } finally {
      socket.destroy()
    }
  }
}
