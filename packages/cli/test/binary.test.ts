// The built command itself, on real sockets: a few tests, and only of what the tests of its parts can't show.
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { once } from "node:events"
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface, type Interface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url))
const DEMO = fileURLToPath(new URL("../dist/demo/main.js", import.meta.url))

let folder: string
let listener: ChildProcess
/** All lines of the listener so far. */
const told: string[] = []
let lines: Interface
let target: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "x-binary-"))
  listener = start("listen", "127.0.0.1:0", "--dir", join(folder, "in"), "--create", "--json")
  lines = createInterface({ input: listener.stdout! }).on("line", (line) => told.push(line))
  await hasTold('"listening"')
  target = `127.0.0.1:${(JSON.parse(told[0]!) as { port: number }).port}`
})

afterAll(async () => {
  listener.kill("SIGKILL")
  await rm(folder, { recursive: true })
})

/** Waits until the listener has printed a line with these words. */
async function hasTold(...words: string[]): Promise<void> {
  while (!told.some((line) => words.every((word) => line.includes(word)))) await once(lines, "line")
}

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] })
}

/** The port of a listener with `--json`. */
async function portOf(child: ChildProcess): Promise<number> {
  const lines = createInterface({ input: child.stdout! })
  const [line] = (await once(lines, "line")) as [string]
  return (JSON.parse(line) as { port: number }).port
}

function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return runFile(MAIN, ...args)
}

function runFile(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    )
  })
}

/** An unused port: it was free just now. */
async function freePort(): Promise<number> {
  const child = start("listen", "127.0.0.1:0", "--dir", folder, "--json")
  const port = await portOf(child)
  child.kill("SIGINT")
  await once(child, "exit")
  return port
}

test("a file is sent, told about in one line of JSON, and is there byte for byte", async () => {
  const bytes = randomFillSync(new Uint8Array(1_000_000))
  await writeFile(join(folder, "file.bin"), bytes)
  const { code, out, err } = await run("send", join(folder, "file.bin"), target, "--json")
  expect([code, err]).toEqual([0, ""])
  expect(JSON.parse(out)).toMatchObject({
    event: "sent",
    bytes: 1_000_000,
    sha256: expect.stringMatching(/^[\da-f]{64}$/),
  })
  expect(Buffer.compare(await readFile(join(folder, "in/file.bin")), bytes)).toBe(0)
})

test("of several files those that are refused are named, and the others sent", async () => {
  await writeFile(join(folder, "other.bin"), "other")
  const { code, out, err } = await run("send", join(folder, "file.bin"), join(folder, "other.bin"), target)
  expect([code, out]).toEqual([5, expect.stringMatching(/^sent other.bin /)])
  expect(err).toMatch(
    /^error: .*file.bin: refused by the receiver: .*--overwrite\nerror: 1 of 2 files were not sent\n$/,
  )
})

test("an error is a line of JSON too where that was asked for", async () => {
  const { code, out } = await run("send", join(folder, "file.bin"), target, "--json")
  expect(JSON.parse(out)).toEqual({ event: "error", message: expect.stringContaining("--overwrite"), exitCode: 5 })
  expect(code).toBe(5)
})

test("progress is shown where it was asked for, on standard error", async () => {
  await writeFile(join(folder, "third.bin"), new Uint8Array(1_000_000))
  const { out, err } = await run("send", join(folder, "third.bin"), target, "--progress")
  expect([out, err]).toEqual([
    expect.stringMatching(/^sent third.bin/),
    expect.stringMatching(/^third.bin 100 % +[\d.]+ [kM]B\/s\n$/),
  ])
  // There is one measurement: the last rate of the progress line is the rate in the result.
  expect(out).toContain(`, ${/[\d.]+ [kM]B\/s/.exec(err)![0]}, SHA-256`)
})

test("ping tells round trips, and what they come to", async () => {
  const { code, out } = await run("ping", target, "--count", "2", "--interval", "0")
  expect(code).toBe(0)
  expect(out).toMatch(/^answer 1 from .* ms\nanswer 2 .*\n2 of 2 answered: least/)
})

test("perf tells what a listener took", async () => {
  const { code, out } = await run("perf", target, "--seconds", "0.1", "--size", "100", "--json")
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ event: "perf", size: 100, messagesPerSecond: expect.any(Number) })
})

test.each([
  [["send", "/nonexistent/file", "127.0.0.1:1"], "there is no file"],
  [["send", "."], "where to send it"],
  [["send", MAIN, "127.0.0.1"], "name:port"],
  [["listen", "somewhere", "--dir", "."], "is no address to listen at"],
  [["listen", "0", "--dir", "/nonexistent"], "--create"],
  [["listen", "0", "--dir", MAIN], "is no folder"],
  [["send", MAIN, MAIN, "127.0.0.1:1", "--name", "other"], "--name is for one file"],
  [["send", MAIN, "127.0.0.1:1", "--name", "a/b"], "it contains a path"],
  [["send", "-", "127.0.0.1:1"], "--name NAME"],
  [["send", "-", MAIN, "127.0.0.1:1", "--name", "other"], "alone"],
  [["send", "/dev/null", "127.0.0.1:1"], "is no plain file"],
  [["perf", "127.0.0.1:1", "--seconds", "0"], "above 0"],
  [["ping", "127.0.0.1:1", "--count", "1.5"], "whole number from 1"],
  [["dance"], "unknown command"],
])("x %j is wrong use and says %j", async (args, message) => {
  const { code, err } = await run(...args)
  expect([code, err]).toEqual([2, expect.stringContaining(message)])
})

test("what can't be sent is told before anybody is asked", async () => {
  await writeFile(join(folder, "good.bin"), "good")
  // Nothing listens there: joining would take the five seconds, and end with 3.
  for (const [path, message] of [
    [folder, "is a folder; send its files, or all of it as one: tar c"],
    [join(folder, "nowhere"), "there is no file"],
  ] as const) {
    const { code, err } = await run("send", join(folder, "good.bin"), path, "127.0.0.1:1")
    expect([code, err]).toEqual([2, expect.stringContaining(message)])
  }
})

test("what comes from a pipe is sent under the name that it is given", async () => {
  const child = spawn(process.execPath, [MAIN, "send", "-", target, "--name", "piped.bin", "--json"], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  const lines = createInterface({ input: child.stdout! })
  child.stdin!.end("from a pipe")
  const [[line], [code]] = (await Promise.all([once(lines, "line"), once(child, "exit")])) as [[string], [number]]
  expect([code, JSON.parse(line)]).toEqual([
    0,
    expect.objectContaining({ event: "sent", name: "piped.bin", bytes: 11, kept: 0 }),
  ])
  expect(await readFile(join(folder, "in/piped.bin"), "utf8")).toBe("from a pipe")
  await rm(join(folder, "in/piped.bin"))
})

test("files go to the current folder where none is named", async () => {
  const child = spawn(process.execPath, [MAIN, "listen", "127.0.0.1:0", "--json"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"],
  })
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string]
  child.kill("SIGKILL")
  expect(JSON.parse(line)).toMatchObject({ event: "listening", dir: await realpath(folder) })
})

test.each([
  [["--json", "lisen"]],
  [["send", "--json"]],
  [["ping", "--count", "x", "127.0.0.1:1", "--json"]],
  [["--json"]],
])("wrong use is a line of JSON too where that was asked for: x %j", async (args) => {
  const { code, out } = await run(...args)
  expect([code, JSON.parse(out)]).toEqual([
    2,
    { event: "error", message: expect.stringMatching(/^[^\n]+$/), exitCode: 2 },
  ])
})

test("help names the exit codes, for each command too", async () => {
  for (const args of [["--help"], ["send", "--help"]]) {
    const { code, out } = await run(...args)
    expect([code, out]).toEqual([0, expect.stringMatching(/--json[^]*Exit codes:[^]*3 {2}nobody answers/)])
  }
})

test("a port where nobody listens is told from a wrong one", async () => {
  const { code, err } = await run("ping", `127.0.0.1:${await freePort()}`, "--timeout", "0.3")
  expect([code, err]).toEqual([3, expect.stringMatching(/^error: nobody answered at 127.0.0.1:\d+ within 300 ms.*\n$/)])
})

test("a taken port is an error that names the cure", async () => {
  const { code, err } = await run("listen", target, "--dir", folder)
  expect([code, err]).toEqual([1, expect.stringContaining("choose another")])
})

test("output that nobody reads on ends a command without a trace", async () => {
  const child = start("ping", target, "--count", "1000", "--interval", "1")
  await once(createInterface({ input: child.stdout! }), "line")
  child.stdout!.destroy()
  let err = ""
  child.stderr!.on("data", (chunk: Buffer) => (err += chunk.toString()))
  const [code] = (await once(child, "close")) as [number]
  expect([code, err]).toEqual([130, "error: interrupted\n"])
})

test("an interrupted sender says goodbye, and goes on where it was when it sends again", async () => {
  // Too large to be written before the signal comes.
  const path = join(folder, "large.bin")
  await writeFile(path, new Uint8Array(256_000_000))
  const child = start("send", path, target, "--progress")
  const told: string[] = []
  const lines = createInterface({ input: child.stderr! })
  lines.on("line", (line) => {
    // A second signal would end it without a word.
    if (line.includes("ETA") && !told.some((before) => before.includes("ETA"))) child.kill("SIGINT")
    told.push(line)
  })
  const [code] = (await once(child, "close")) as [number]
  expect([code, told.at(-1)]).toEqual([
    130,
    "error: interrupted; what came is kept, and sending the file again goes on from there",
  ])
  await hasTold('"refused"', "large.bin", "what came is kept")
  const stored = ["file.bin", "other.bin", "third.bin"]
  expect((await readdir(join(folder, "in"))).toSorted()).toEqual([expect.stringMatching(/^\..*\.x-part$/), ...stored])
  const { out } = await run("send", path, target, "--json")
  const { kept, bytes } = JSON.parse(out) as { kept: number; bytes: number }
  expect([kept > 0, bytes]).toEqual([true, 256_000_000])
  expect((await readdir(join(folder, "in"))).toSorted()).toEqual([
    ...stored.slice(0, 1),
    "large.bin",
    ...stored.slice(1),
  ])
})

test("an interrupted listener ends by itself, and keeps what came to go on with", async () => {
  const dir = join(folder, "in2")
  await mkdir(dir)
  const child = start("listen", "127.0.0.1:0", "--dir", dir, "--json")
  const port = await portOf(child)
  const sender = start("send", join(folder, "large.bin"), `127.0.0.1:${port}`, "--progress")
  for await (const line of createInterface({ input: sender.stderr! })) if (line.includes("ETA")) break
  child.kill("SIGINT")
  const codes = await Promise.all([child, sender].map(async (it) => ((await once(it, "exit")) as [number])[0]))
  expect(codes).toEqual([0, 3])
  expect(await readdir(dir)).toEqual([expect.stringMatching(/^\..*\.x-part$/)])
})

test("the demo holds on a path that loses a tenth, and cleans up", async () => {
  const { code, out } = await runFile(DEMO, "--size", "2", "--loss", "10")
  expect([code, out]).toEqual([0, expect.stringMatching(/v4 .* agrees\n[^]*It held/)])
})

test("a secret is made in a file that only its owner may read, and none is replaced", async () => {
  const file = join(folder, "made.secret")
  expect(await run("keygen", file)).toMatchObject({ code: 0, err: "" })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const secret = (await readFile(file, "utf8")).trim()
  expect(secret).toMatch(/^[\w-]{43}$/)
  expect(await run("keygen", file)).toMatchObject({ code: 2, err: expect.stringContaining("is left as it is") })
  expect((await readFile(file, "utf8")).trim()).toBe(secret)
})

test("who has the secret is served, who has another is not answered, and neither is told of it", async () => {
  const [ours, theirs] = [join(folder, "ours.secret"), join(folder, "theirs.secret")]
  await run("keygen", ours)
  await run("keygen", theirs)
  const child = start("listen", "127.0.0.1:0", "--dir", folder, "--json", "--secret-file", ours)
  try {
    const at = `127.0.0.1:${await portOf(child)}`
    expect(await run("ping", at, "--count", "1", "--secret-file", ours)).toMatchObject({ code: 0, err: "" })
    const outsider = await run("ping", at, "--count", "1", "--timeout", "0.5", "--secret-file", theirs)
    const plain = await run("ping", at, "--count", "1", "--timeout", "0.5")
    expect([outsider.code, plain.code]).toEqual([3, 3])
    for (const { out, err } of [outsider, plain])
      expect(out + err).not.toContain((await readFile(theirs, "utf8")).trim())
  } finally {
    child.kill("SIGKILL")
  }
})

test("a secret that is too short, and a file without one, are errors that don't show it", async () => {
  const [short, empty] = [join(folder, "short.secret"), join(folder, "empty.secret")]
  await writeFile(short, "hunter2\n", { mode: 0o600 })
  await writeFile(empty, "\n", { mode: 0o600 })
  const refused = await run("ping", target, "--secret-file", short)
  expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/16 bytes or more, not 7; x keygen makes one/) })
  expect(refused.out + refused.err).not.toContain("hunter2")
  expect(await run("ping", target, "--secret-file", empty)).toMatchObject({
    code: 2,
    err: expect.stringContaining("there is no secret"),
  })
})

test.each([
  ["a folder", () => folder, /is a folder; name a file/],
  ["what has no end", () => "/dev/zero", /too long for a file with secrets/],
  ["a file that isn't there", () => join(folder, "nowhere.secret"), /there is no file/],
])("%s is no file with a secret, for x and for the demo, which say so at once", async (_, path, message) => {
  const expected = { code: 2, err: expect.stringMatching(message) }
  expect(await run("ping", target, "--secret-file", path())).toMatchObject(expected)
  expect(await runFile(DEMO, "--secret-file", path())).toMatchObject(expected)
})

test("a secret on the command line is refused, and isn't shown", async () => {
  for (const arg of [["--secret=hunter2hunter2hunter2"], ["--secret", "hunter2hunter2hunter2"]]) {
    for (const refused of [await run("ping", target, ...arg), await runFile(DEMO, ...arg)]) {
      expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/no secret is taken from the command line/) })
      expect(refused.out + refused.err).not.toContain("hunter2")
    }
  }
})

test("a listener without a secret or an address is on loopback, says who may send, and with a secret that it encrypts", async () => {
  const file = join(folder, "listen.secret")
  await run("keygen", file)
  const [open, sealed] = [
    start("listen", "0", "--dir", folder, "--json"),
    start("listen", "127.0.0.1:0", "--dir", folder, "--secret-file", file),
  ]
  try {
    const [line] = (await once(createInterface({ input: open.stdout! }), "line")) as [string]
    expect(JSON.parse(line)).toMatchObject({
      protection: "checksum",
      addresses: expect.arrayContaining([expect.stringMatching(/^127\.0\.0\.1:/)]),
    })
    const [said] = (await once(createInterface({ input: sealed.stdout! }), "line")) as [string]
    expect(said).toMatch(/^listening at 127\.0\.0\.1:\d+, encrypted; files go to/)
  } finally {
    open.kill("SIGKILL")
    sealed.kill("SIGKILL")
  }
})

test("an interrupted demo says so once, and leaves without a trace", async () => {
  const child = start("demo", "topics", "--seconds", "60", "--progress")
  const told: string[] = []
  const lines = createInterface({ input: child.stderr! })
  lines.on("line", (line) => {
    if (told.length === 0) child.kill("SIGINT")
    told.push(line)
  })
  const [code] = (await once(child, "close")) as [number]
  expect([code, told.filter((line) => !line.startsWith("demo topics"))]).toEqual([130, ["error: interrupted"]])
})

test("the demo of topics holds: only the slow one skips, and all accounts balance", async () => {
  const { code, out, err } = await run("demo", "topics", "--seconds", "2", "--json")
  expect([code, err]).toEqual([0, ""])
  const [topics, held] = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(held).toEqual({ event: "held" })
  expect(topics).toMatchObject({ event: "topics" })
  const subscribers = topics!["subscribers"] as { name: string; begun: number; delivered: number; gone: number }[]
  expect(subscribers).toHaveLength(10)
  for (const { name, begun, delivered, gone } of subscribers) {
    expect(delivered + gone).toBe(begun)
    if (name === "slow") expect(gone).toBeGreaterThan(0)
    else expect(gone).toBe(0)
  }
})

test("the demo holds encrypted", async () => {
  const secret = join(folder, "demo.secret")
  await run("keygen", secret)
  const { code, out } = await runFile(DEMO, "--size", "4", "--loss", "5", "--secret-file", secret)
  expect([code, out]).toEqual([0, expect.stringMatching(/encrypted[\s\S]*It held/)])
})
