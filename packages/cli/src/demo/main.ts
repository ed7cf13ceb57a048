/**
 * Demonstrates the main job: a file goes from one process to another over UDP, first over v4 and then over v6, on a
 * path that drops 2 % of the datagrams in each direction; its SHA-256 is checked. The exit code tells whether it
 * succeeded.
 */
import { createHash, randomFillSync } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, mkdtemp, open, readdir, rm } from "node:fs/promises"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import { Command, InvalidArgumentError, Option } from "commander"
import { describeFailure } from "../failure.ts"
import { formatRate, rateOf } from "../measure.ts"
import { interruptBySignals } from "../interrupt.ts"
import { createOutput, type Progress } from "../output.ts"
import { findProtection } from "../secret.ts"
import type { Result } from "./party.ts"
import { PartyProcess } from "./party-process.ts"
import { formatTable } from "./table.ts"

const MIB = 1_048_576
/** A run takes seconds; one that takes this many milliseconds has failed. */
const TIME_MAX = 120_000
const FAMILIES = [
  ["v4", "127.0.0.1"],
  ["v6", "::1"],
] as const
const COLUMNS = ["family", "rate", "packets", "lost out", "lost in", "resent", "NAKs", "RTT", "SHA-256"]

const { size, loss, seed, secretFile, secret } = new Command("npm start --")
  .description("Sends a file from one process to another over a lossy path, and checks it.")
  .option("--size <MiB>", "of the file", number(1, 65_536), 64)
  .option("--loss <percent>", "of the datagrams in each direction", number(0, 50), 2)
  .option("--seed <number>", "of the losses", number(0, 0xffff_ffff), 1)
  .option("--secret-file <file>", "encrypt with the secret in this file, which npm run x -- keygen FILE makes")
  .addOption(new Option("--secret [value]").hideHelp())
  .parse()
  .opts<{ size: number; loss: number; seed: number; secretFile?: string; secret?: unknown }>()

const bytes = Math.round(size * MIB)
const name = "source.bin"
const abort = new AbortController()
const output = createOutput({ isProgressWanted: true })
interruptBySignals(abort, () => output.close())
const timer = setTimeout(() => abort.abort(new Error(`it took longer than ${TIME_MAX / 1_000} seconds`)), TIME_MAX)

if (secret !== undefined)
  fail("no secret is taken from the command line, which all users can read; use --secret-file FILE")
if (secretFile !== undefined) {
  const found = await findProtection(secretFile).catch((error: unknown) => fail(describeFailure(error).message))
  if (found?.note !== undefined) console.error(`note: ${found.note}`)
}
const folder = await mkdtemp(join(tmpdir(), "x-demo-"))
try {
  process.exitCode = (await demo()) ? 0 : 1
} catch (error) {
  const { message, exitCode } = describeFailure(error)
  output.failure(message, exitCode)
  process.exitCode = exitCode
} finally {
  clearTimeout(timer)
  await rm(folder, { recursive: true, force: true })
}

async function demo(): Promise<boolean> {
  const path = join(folder, name)
  console.log(
    `A file of ${size} MiB goes from one process to another; the path drops ${loss} % of the datagrams each way.`,
  )
  const digest = await makeFile(path)
  console.log(`SHA-256 ${digest}`)
  console.log(
    secretFile === undefined
      ? "Datagrams are not encrypted: --secret-file does that."
      : "Datagrams are encrypted (AES-256-GCM).",
  )
  const rows: string[][] = []
  let [holds, areTried] = [true, true]
  for (const [family, host] of FAMILIES) {
    if (!hasAddress(host)) {
      console.log(
        `${family} is left out: this machine has no ${host}; give its loopback interface that address to see it.`,
      )
      continue
    }
    const { result, isSame } = await transfer(family, host, path, digest)
    // Without losses the run has demonstrated nothing.
    const isTried = loss === 0 || (result.lostThere > 0 && result.lostBack > 0)
    areTried &&= isTried
    holds &&= isSame
    rows.push(row(family, result, isSame))
  }
  console.log(formatTable(COLUMNS, rows))
  holds &&= rows.length > 0
  if (!holds) console.log("It did not hold.")
  else if (!areTried)
    console.log(
      "Every byte arrived, but in one direction nothing was dropped: a larger --size or --loss is needed to show something.",
    )
  else console.log("It held: every byte arrived.")
  return holds && areTried
}

function row(family: string, result: Result, isSame: boolean): string[] {
  const { ms, packetsSent, packetsResent, lostThere, lostBack, naksReceived, rttMs } = result
  const counts = [packetsSent, lostThere, lostBack, packetsResent, naksReceived].map((count) =>
    count.toLocaleString("en"),
  )
  return [
    family,
    formatRate(rateOf(result.bytes, ms)),
    ...counts,
    `${rttMs.toFixed(1)} ms`,
    isSame ? "agrees" : "DIFFERS",
  ]
}

async function transfer(
  family: string,
  host: string,
  path: string,
  digest: string,
): Promise<{ result: Result; isSame: boolean }> {
  console.log(`${family}: to ${host}`)
  const progress = output.progress(family, bytes)
  try {
    return await transferTo(join(folder, family), host, path, digest, progress)
  } finally {
    progress.stop()
  }
}

async function transferTo(
  dir: string,
  host: string,
  path: string,
  digest: string,
  progress: Progress,
): Promise<{ result: Result; isSame: boolean }> {
  await mkdir(dir)
  await using listener = new PartyProcess({ role: "listen", host, dir, secretFile }, abort.signal)
  const { port } = await listener.report("listening")
  await using sender = new PartyProcess(
    { role: "send", host, port, path, secretFile, lossRate: loss / 100, seed },
    abort.signal,
  )
  sender.onProgress = (written) => progress.update(written)
  const [result] = await Promise.all([sender.report("sent"), listener.report("stored")])
  progress.update(bytes)
  progress.finish(result.ms)
  // Nothing else is left in the folder: no temporary file, no second file.
  const isAlone = (await readdir(dir)).join() === name
  return { result, isSame: isAlone && result.bytes === bytes && (await sha256(join(dir, name))) === digest }
}

function fail(why: string): never {
  clearTimeout(timer)
  console.error(`error: ${why}`)
  process.exit(2)
}

function hasAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((it) => it.address === address))
}

/** Makes the file of random bytes; returns its SHA-256. */
async function makeFile(path: string): Promise<string> {
  const hash = createHash("sha256")
  await using file = await open(path, "wx")
  const chunk = new Uint8Array(MIB)
  for (let left = bytes; left > 0; left -= chunk.length) {
    const part = randomFillSync(chunk).subarray(0, left)
    hash.update(part)
    await file.writeFile(part)
  }
  return hash.digest("hex")
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest("hex")
}

function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === "" || !(value >= min && value <= max))
      throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`)
    return value
  }
}
