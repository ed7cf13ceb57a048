// On a simulated network time stands still unless a test lets it pass: the network names the application's call that
// waits in vain.
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Endpoint, type Peer } from "@x/endpoint"
import { createNetwork, type Network } from "@x/transport/simulated"
import { beforeEach, describe, expect, test } from "vitest"
import { PORT } from "./world.ts"

let network: Network
let a: Endpoint
let b: Endpoint

beforeEach(async () => {
  network = createNetwork({ seed: 1, link: { delayMs: 5 } })
  a = await network.until(Endpoint.bind({ host: network.host("a"), windowPackets: 2, streamsMax: 2 }))
  b = await network.until(Endpoint.bind({ host: network.host("b"), port: PORT }))
})

function join(): Promise<Peer> {
  return network.until(a.join(`b:${PORT}`))
}

/** The call is named while it waits, and no longer once it has settled. */
async function waits(call: string, made: Promise<unknown>): Promise<void> {
  const settled = made.catch(() => {})
  await Promise.resolve()
  expect(network.waitingCall).toBe(call)
  await network.until(settled)
  expect(network.waitingCall).toBeUndefined()
}

describe("while it waits the network names", () => {
  test("a join, one that fails too", async () => {
    await waits("endpoint.join()", a.join(`b:${PORT}`))
    await waits("endpoint.join()", a.join("b:1", { timeoutMs: 100 }))
  })

  test("a connection's peer, and the end of the connection", async () => {
    const connection = a.connect(`b:${PORT}`)
    expect(network.waitingCall).toBeUndefined()
    await waits("connection.joined()", connection.joined())
    connection.stream({ label: "x" }).trySend(1, new Uint8Array(1))
    await waits("connection.close()", connection.close())
  })

  test("a ping, and a goodbye", async () => {
    const peer = await join()
    await waits("peer.ping()", peer.ping())
    await waits("peer.leave()", peer.leave())
  })

  test("a receipt, a flush, and an end", async () => {
    const stream = (await join()).open()
    await waits("stream.send()", stream.send(1, new Uint8Array(1), { receipt: true }))
    stream.trySend(1, new Uint8Array(1))
    await waits("stream.flush()", stream.flush())
    await waits("stream.end()", stream.end())
  })

  test("a message that waits for the window, and not one that nobody waits for", async () => {
    const stream = (await join()).open()
    for (let i = 0; i < 4; i++) stream.trySend(1, new Uint8Array(1_000))
    expect(stream.parked.messages).toBeGreaterThan(0)
    expect(network.waitingCall).toBeUndefined()
    await waits("stream.send()", stream.send(1, new Uint8Array(1_000)))
  })

  test("the end of the endpoint", async () => {
    await waits("endpoint.close()", a.close())
    await waits("endpoint.close()", b.close())
  })
})

test("a program that awaits a join as it would on a real network is told so", async () => {
  const module = `
    import { Endpoint } from "@x/endpoint"
    import { createNetwork } from "@x/transport/simulated"
    const network = createNetwork({ seed: 1 })
    await Endpoint.bind({ host: network.host("a"), port: 4000 })
    const b = await Endpoint.bind({ host: network.host("b") })
    await b.join("a:4000")`
  const cwd = fileURLToPath(new URL("..", import.meta.url))
  const err = await new Promise<string>((resolve) => {
    execFile(process.execPath, ["--input-type=module", "-e", module], { cwd }, (_, __, text) => resolve(text))
  })
  expect(err).toMatch(
    /\[X_TIME_STANDS_STILL\] TransportWarning: endpoint\.join\(\) waits, and time stands still: .*await network\.until\(promise\)/,
  )
})
