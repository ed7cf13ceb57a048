// The built command itself, on real sockets: few, and only what its parts can't show.
import { type ChildProcess, spawn } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url))

let folder: string
let listener: ChildProcess
let port: number

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] })
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = start(...args)
  let [out, err] = ["", ""]
  child.stdout!.on("data", (chunk: Buffer) => (out += chunk.toString()))
  child.stderr!.on("data", (chunk: Buffer) => (err += chunk.toString()))
  const [code] = (await once(child, "close")) as [number]
  return { code, out, err }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "x-binary-"))
  listener = start("--json", "listen", "127.0.0.1:0", "--dir", join(folder, "in"), "--create")
  for await (const line of createInterface({ input: listener.stdout! })) {
    port = (JSON.parse(line) as { port: number }).port
    break
  }
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

test("a file is sent, told about in one line of JSON, and is there byte for byte", async () => {
  const bytes = randomFillSync(new Uint8Array(1_000_000))
  await writeFile(join(folder, "file.bin"), bytes)
  const { code, out, err } = await run("--json", "send", join(folder, "file.bin"), `127.0.0.1:${port}`)
  expect([code, err]).toEqual([0, ""])
  expect(JSON.parse(out)).toMatchObject({ bytes: 1_000_000, sha256: expect.stringMatching(/^[\da-f]{64}$/) })
  expect(Buffer.compare(await readFile(join(folder, "in/file.bin")), bytes)).toBe(0)
})

test("a file that is there already is refused with exit code 4 and the cure", async () => {
  const { code, err } = await run("send", join(folder, "file.bin"), `127.0.0.1:${port}`)
  expect(code).toBe(4)
  expect(err).toMatch(/^error: .*--overwrite\n$/)
})

test("ping tells round trips", async () => {
  const { code, out } = await run("ping", `127.0.0.1:${port}`, "--count", "2", "--interval", "0")
  expect(code).toBe(0)
  expect(out).toMatch(/answer 1 from .* ms\nanswer 2 .*\n2 answers: least/)
})

test.each([
  [["send", "/nonexistent/file", "127.0.0.1:1"], 2, "there is no file"],
  [["send", MAIN], 2, "where to send it"],
  [["send", MAIN, "127.0.0.1"], 2, "name:port"],
  [["listen", "somewhere", "--dir", "."], 2, "is no address to listen at"],
  [["listen", "0", "--dir", "/nonexistent"], 2, "no file or folder"],
  [["perf", "127.0.0.1:1", "--seconds", "0"], 2, "whole number from 1"],
  [["dance"], 2, "unknown command"],
  [["--help"], 0, ""],
])("x %j ends with %d and says %j", async (args, expected, message) => {
  const { code, err } = await run(...args)
  expect([code, err.includes(message)]).toEqual([expected, true])
})

test("a taken port is an error that names the cure", async () => {
  const { code, err } = await run("listen", `127.0.0.1:${port}`, "--dir", folder)
  expect([code, err]).toEqual([1, expect.stringContaining("choose another")])
})

test("an interrupted listener ends by itself and leaves no part of a file", async () => {
  listener.kill("SIGINT")
  const [code] = (await once(listener, "exit")) as [number]
  expect(code).toBe(0)
  expect((await readdir(join(folder, "in"))).toSorted()).toEqual(["file.bin"])
})
