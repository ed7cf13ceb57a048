import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { namespaceEnv, NamespacePair, noNamespaces } from "./support/namespaces.ts"
import { noHelper, titled } from "./support/skip.ts"

const MTU = 1400
/** What is left of the MTU after the IP header and the 8 bytes of UDP. */
const FITS = { 4: MTU - 20 - 8, 6: MTU - 40 - 8 } as const
/** Datagrams of one flow keep their order on a veth: any that hasn't come before this one never will. */
const LAST = 7

const peer = fileURLToPath(new URL("./support/peer.mjs", import.meta.url))
const why = noHelper ?? noNamespaces()

interface Sent {
  length: number
  result: string
}

interface Received {
  length: number
  intact: boolean
}

describe.skipIf(why !== undefined)(titled("over a wire of MTU 1400 between two network namespaces", why), () => {
  const pair = new NamespacePair()

  beforeAll(() => pair.create(MTU))
  afterAll(() => pair.remove())

  /**
   * Sends datagrams of these lengths from a to b, then a last one; returns the sender's results and the datagrams that
   * arrived before the last.
   */
  async function exchange(
    family: 4 | 6,
    mode: "probe" | "do" | "plain",
    ...lengths: number[]
  ): Promise<{ sent: Sent[]; received: Received[] }> {
    const host = pair.addresses.b[family]
    const child = spawn(...pair.command(pair.b, process.execPath, peer, "receive", `${family}`, host), {
      env: namespaceEnv,
      stdio: ["ignore", "pipe", "inherit"],
    })
    try {
      const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
      const next = async () => JSON.parse((await lines.next()).value as string) as Received & { port: number }
      const { port } = await next()
      const sent = send(family, host, port, mode, [...lengths, LAST])
      const received: Received[] = []
      for (let datagram = await next(); datagram.length !== LAST; datagram = await next()) received.push(datagram)
      return { sent: sent.slice(0, -1), received }
    } finally {
      await end(child)
    }
  }

  function send(family: 4 | 6, host: string, port: number, mode: string, lengths: number[]): Sent[] {
    const [program, args] = pair.command(
      pair.a,
      process.execPath,
      peer,
      "send",
      `${family}`,
      host,
      `${port}`,
      mode,
      ...lengths.map(String),
    )
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", env: namespaceEnv })
    if (status !== 0) throw new Error(`the sender failed: ${stderr}`)
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Sent)
  }

  async function end(child: ChildProcess): Promise<void> {
    const exited = once(child, "exit")
    child.kill()
    await exited
  }

  /** Fragments made by the sender, and fragments seen by the receiver. */
  function fragments(): { made: number; seen: number } {
    return { made: pair.counter(pair.a, "FragCreates"), seen: pair.counter(pair.b, "ReasmReqds") }
  }

  test.each([4, 6] as const)(
    "one byte too long is EMSGSIZE and never arrives, the exact length arrives whole, over v%i",
    async (family) => {
      const fits = FITS[family]
      const { sent, received } = await exchange(family, "probe", fits + 1, fits, 9000, 60_000)
      expect(sent).toEqual([
        { length: fits + 1, result: "EMSGSIZE" },
        { length: fits, result: "sent" },
        { length: 9000, result: "EMSGSIZE" },
        { length: 60_000, result: "EMSGSIZE" },
      ])
      expect(received).toEqual([{ length: fits, intact: true }])
      expect(fragments()).toEqual({ made: 0, seen: 0 })
    },
  )

  test("a smaller path MTU that the kernel believes in is not obeyed, for the search for the real one is not the kernel's", async () => {
    pair.narrowRoute(1300)
    for (const family of [4, 6] as const) {
      const fits = FITS[family]
      expect(await exchange(family, "probe", fits, fits + 1)).toEqual({
        sent: [
          { length: fits, result: "sent" },
          { length: fits + 1, result: "EMSGSIZE" },
        ],
        received: [{ length: fits, intact: true }],
      })
      expect((await exchange(family, "do", fits)).sent).toEqual([{ length: fits, result: "EMSGSIZE" }])
    }
    expect(fragments()).toEqual({ made: 0, seen: 0 })
  })

  test("the counters would show a fragment: a plain dgram socket makes them", async () => {
    for (const family of [4, 6] as const) {
      const before = fragments()
      const tooLong = FITS[family] + 1
      expect(await exchange(family, "plain", tooLong)).toEqual({
        sent: [{ length: tooLong, result: "sent" }],
        received: [{ length: tooLong, intact: true }],
      })
      expect(fragments().made).toBeGreaterThan(before.made)
      expect(fragments().seen).toBeGreaterThan(before.seen)
    }
  })
})
