/**
 * The main job, shown: a file goes from one process to another over UDP, first over v4 and then over v6, on a path that drops 2 % of the
 * datagrams in each direction; its SHA-256 is checked. The exit code says whether it held.
 */
import { type ChildProcess, fork } from "node:child_process"
import { createHash, randomFillSync } from "node:crypto"
import { once } from "node:events"
import { createReadStream } from "node:fs"
import { mkdir, mkdtemp, open, rm } from "node:fs/promises"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Command } from "commander"
import { createOutput, formatBytes, formatRate } from "../output.ts"
import type { FromParty, Result } from "./party.ts"

const PARTY = fileURLToPath(new URL("party.js", import.meta.url))
const MIB = 1_048_576

const { size, loss, seed } = new Command("npm start --")
  .option("--size <MiB>", "of the file", Number, 64)
  .option("--loss <percent>", "of the datagrams in each direction", Number, 2)
  .option("--seed <number>", "of the losses", Number, 1)
  .parse()
  .opts<{ size: number; loss: number; seed: number }>()

const folder = await mkdtemp(join(tmpdir(), "x-demo-"))
const children: ChildProcess[] = []
try {
  process.exitCode = (await demo()) ? 0 : 1
} finally {
  for (const child of children) child.kill()
  await rm(folder, { recursive: true, force: true })
}

async function demo(): Promise<boolean> {
  const source = join(folder, "source.bin")
  await makeFile(source, size * MIB)
  const digest = await sha256(source)
  console.log(
    `A file of ${formatBytes(size * MIB)}, SHA-256 ${digest.slice(0, 16)}…, over a path that drops ${loss} % of the datagrams each way.`,
  )
  const rows: Record<string, Record<string, string | number>> = {}
  let holds = true
  for (const [family, host] of [
    ["v4", "127.0.0.1"],
    ["v6", "::1"],
  ] as const) {
    if (!hasAddress(host)) {
      console.log(`${family} is left out: this machine has no ${host}.`)
      continue
    }
    const { result, isGood } = await transfer(family, host, source, digest)
    holds &&= isGood
    rows[family] = {
      rate: formatRate(result.bytes, result.ms),
      seconds: (result.ms / 1_000).toFixed(2),
      packets: result.packetsSent,
      "datagrams lost": result.lost,
      resent: result.packetsResent,
      NAKs: result.naksReceived,
      "RTT ms": result.rttMs.toFixed(3),
      "SHA-256": isGood ? "agrees" : "DIFFERS",
    }
  }
  console.table(rows)
  console.log(holds ? "Every byte arrived." : "It did not hold.")
  return holds
}

async function transfer(family: string, host: string, source: string, digest: string): Promise<{ result: Result; isGood: boolean }> {
  const dir = join(folder, family)
  await mkdir(dir)
  const listener = start("listen", host, dir)
  const { port } = await message(listener, "listening")
  const sender = start("send", host, String(port), source, String(loss / 100), String(seed))
  const bar = createOutput(false).progress(family, size * MIB)
  let shown = 0
  sender.on("message", (it: FromParty) => {
    if (it.kind !== "progress") return
    bar.update(it.written)
    // Where nobody watches a bar, a line for each quarter.
    const quarter = Math.floor((4 * it.written) / (size * MIB))
    if (!process.stderr.isTTY && quarter > shown) console.log(`${family}: ${formatBytes(it.written)} written`)
    shown = Math.max(shown, quarter)
  })
  const result = await message(sender, "done")
  bar.stop()
  for (const child of [sender, listener]) child.send("stop")
  for (const child of [sender, listener]) if (child.exitCode === null) await once(child, "exit")
  return { result, isGood: (await sha256(join(dir, "source.bin"))) === digest }
}

function start(...args: string[]): ChildProcess {
  const child = fork(PARTY, args)
  children.push(child)
  return child
}

/** The first message of a kind; rejects when the process ends before. */
function message<K extends FromParty["kind"]>(child: ChildProcess, kind: K): Promise<Extract<FromParty, { kind: K }>> {
  return new Promise((resolve, reject) => {
    child.on("message", (it: FromParty) => it.kind === kind && resolve(it as Extract<FromParty, { kind: K }>))
    child.once("exit", (code) => reject(new Error(`a process ended with exit code ${code} before it was done`)))
  })
}

function hasAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((it) => it.address === address))
}

async function makeFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, "wx")
  const chunk = new Uint8Array(MIB)
  for (let left = bytes; left > 0; left -= chunk.length) await file.write(randomFillSync(chunk), 0, Math.min(left, chunk.length))
  await file.close()
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest("hex")
}
