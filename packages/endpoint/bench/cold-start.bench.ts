/**
 * How long a new process takes until it has its first answer: import, bind, join, ask. Beside one that does the same by
 * TCP (`node:net`), and one that imports nothing. In turn, since a busy machine affects all of them alike; medians.
 */
import { Endpoint } from "@x/endpoint"
import { execFileSync, fork } from "node:child_process"
import { once } from "node:events"
import { createServer, type AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"

const ROUNDS = Number(process.env["X_ROUNDS"] ?? 21)
const RATIO_MAX = 1.5
const TYPE = 1

const self = fileURLToPath(import.meta.url)
const [, , role, port] = process.argv
const done = (): never => {
  console.log(performance.now().toFixed(2))
  process.exit(0)
}

if (role === "ours") {
  const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
  endpoint.handle(TYPE, done)
  const peer = await endpoint.join(`127.0.0.1:${port}`)
  peer.open().trySend(TYPE, new Uint8Array(64))
} else if (role === "server") {
  const endpoint = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
  endpoint.handle(TYPE, (message) => message.reply(TYPE, message.bytes))
  const server = createServer((socket) => socket.setNoDelay(true).on("data", (bytes) => socket.write(bytes)))
  await once(server.listen(0, "127.0.0.1"), "listening")
  process.send!({ ours: endpoint.port, net: (server.address() as AddressInfo).port })
} else {
  const server = fork(self, ["server"])
  const [ports] = (await once(server, "message")) as [{ ours: number; net: number }]
  // Modules of our own aren't imported there, nor is TypeScript.
  const net = `import { connect } from "node:net"
const socket = connect(${ports.net}, "127.0.0.1", () => socket.setNoDelay(true).write(new Uint8Array(64)))
socket.on("data", () => { console.log(performance.now().toFixed(2)); process.exit(0) })`
  const ways: Record<string, string[]> = {
    nothing: ["--input-type=module", "-e", "console.log(performance.now().toFixed(2))"],
    net: ["--input-type=module", "-e", net],
    ours: [self, "ours", String(ports.ours)],
  }
  const times: Record<string, number[]> = {}
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, args] of Object.entries(ways)) {
      const ms = Number(execFileSync(process.execPath, args, { encoding: "utf8", timeout: 10_000 }))
      if (round > 0) (times[name] ??= []).push(ms)
    }
  server.kill()
  const median: Record<string, number> = {}
  for (const [name, all] of Object.entries(times)) {
    all.sort((a, b) => a - b)
    median[name] = all[all.length >> 1]!
    console.log(
      `${name.padEnd(8)} ${median[name].toFixed(1)} ms from the start of the process (${all[0]!.toFixed(1)} to ${all.at(-1)!.toFixed(1)})`,
    )
  }
  const ratio = median["ours"]! / median["net"]!
  console.log(`a cold start takes ${ratio.toFixed(2)} x that of node:net (goal: at most ${RATIO_MAX})`)
  process.exit(ratio <= RATIO_MAX ? 0 : 1)
}
