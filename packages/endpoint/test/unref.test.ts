// Only a process can show whether it ends. Real sockets, and the built packages.
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { createNetwork } from "@x/transport/simulated"
import { Endpoint } from "@x/endpoint"
import { describe, expect, test } from "vitest"

const cwd = fileURLToPath(new URL("..", import.meta.url))

/**
 * A process that nothing else keeps is watched for this long, milliseconds: then it reports that it is still there, and
 * lets go.
 */
const WATCHED_MS = 400

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a module with two endpoints, and the rest of a program. */
function run(program: string, env: Record<string, string>): Promise<Ended> {
  const module = `
    import { Endpoint } from "@x/endpoint"
    import { systemHost, withFaults } from "@x/transport"
    const a = await Endpoint.bind()
    const b = await Endpoint.bind()
    const join = () => a.join("127.0.0.1:" + b.port)
    const watch = () => setTimeout(() => {
      console.log("still there")
      process.exit()
    }, ${WATCHED_MS}).unref()
    ${program}`
  const { X_TRANSPORT: _, ...inherited } = process.env
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--input-type=module", "-e", module],
      { cwd, env: { ...inherited, ...env } },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), out: out.trim(), err })
      },
    )
  })
}

const ENDS = { code: 0, out: "", err: "" }
const STAYS = { code: 0, out: "still there", err: "" }
const UNSETTLED = 13

describe.concurrent.each([
  ["in batches", {}],
  ["with dgram", { X_TRANSPORT: "dgram" }],
] as const)("over sockets %s a process", (_, env) => {
  test.each([
    ["stays for an open endpoint", "watch()", STAYS],
    ["stays for one of two", "a.unref(); watch()", STAYS],
    ["ends when both were told that it may", "a.unref(); b.unref(); watch()", ENDS],
    ["ends though they are joined, and heartbeats are due", "await join(); a.unref(); b.unref(); watch()", ENDS],
    [
      "ends though they join after they were told",
      "a.unref(); b.unref(); const timer = setTimeout(() => {}, 10_000); await join(); clearTimeout(timer); watch()",
      ENDS,
    ],
    [
      "stays when one was told again that it may not",
      "a.unref(); b.unref(); b.unref(); await 0; b.ref(); watch()",
      STAYS,
    ],
    [
      "ends when the last word was that it may",
      "for (const it of [a, b]) it.ref().unref().ref().ref().unref(); watch()",
      ENDS,
    ],
    [
      "ends after both were closed, whatever they were told before and after",
      "a.unref(); await Promise.all([b.close(), a.ref().close()]); for (const it of [a, b]) it.ref().unref().ref(); watch()",
      ENDS,
    ],
    [
      "doesn't wait for a promise of an endpoint that was told so",
      'a.unref(); b.unref(); await a.join("127.0.0.1:1")',
      { code: UNSETTLED, out: "" },
    ],
    [
      "ends through a host with faults",
      "await Promise.all([a.close(), b.close()]); (await Endpoint.bind({ host: withFaults(systemHost(), { seed: 1 }) })).unref(); watch()",
      ENDS,
    ],
    [
      "gets messages as ever, as long as something else keeps it",
      `const peer = await join()
       a.unref()
       b.handle(1, ({ bytes }) => { console.log(bytes[0]); void b.close() })
       peer.open().trySend(1, Uint8Array.of(7))`,
      { code: 0, out: "7", err: "" },
    ],
  ] as const)("%s", async (_, program, ended) => {
    expect(await run(program, env)).toMatchObject(ended)
  })
})

test("a simulated endpoint takes both words, and nothing changes", async () => {
  const network = createNetwork({ seed: 1 })
  const a = await network.until(Endpoint.bind({ host: network.host("a"), port: 1 }))
  const b = await network.until(Endpoint.bind({ host: network.host("b") }))
  expect([a.unref(), b.ref().unref()]).toEqual([a, b])
  expect((await network.until(b.join("a:1"))).state).toBe("joined")
  await network.until(Promise.all([a.close(), b.close()]))
  expect(a.ref().unref()).toBe(a)
})
