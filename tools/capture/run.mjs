// What an observer on the path sees: `x` sends files while tshark captures, encrypted and, to show that the search
// finds something, in the clear. Needs Linux, the right to capture (root), and Debian's `tshark`; without them it says
// so and ends with code 77.
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const X = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url))
/** A mark in the file's name, and repeated throughout the file. */
const MARK = "TheMarkThatIsLookedFor"
const PREFIX_BYTES = 12
/**
 * If two sessions share a stretch of this many bytes, that is no coincidence: with 2^20 places in each, the chance is
 * one in 2^24.
 */
const LINK_BYTES = 8
const CAPTURE_MS = 1_500

for (const tool of ["dumpcap", "tshark"])
  if (spawnSync(tool, ["--version"]).status !== 0) leave(`${tool} is not there; Debian's package tshark has it`)

const folder = mkdtempSync(join(tmpdir(), "x-capture-"))
try {
  const secretFile = join(folder, "secret")
  if (spawnSync(process.execPath, [X, "keygen", secretFile]).status !== 0) throw new Error("no secret was made")
  const secret = readFileSync(secretFile, "utf8").trim()
  const open = await see("open", [])
  const sealed = await see("sealed", ["--secret-file", secretFile])
  const holds = [
    check("in the clear the mark is found", count(open, MARK) > 0),
    check(`encrypted it is not, in ${sealed.length} datagrams`, count(sealed, MARK) === 0),
    check("nor is the secret", count(sealed, secret) === 0),
    check("in the clear two sessions have something in common behind the prefix", links(open) > 0),
    check("encrypted they have nothing in common there", links(sealed) === 0),
  ]
  process.exitCode = holds.every(Boolean) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}

/** Captures two processes that send the same file to one listener. */
async function see(name, args) {
  const file = join(folder, `${MARK}.${name}`)
  writeFileSync(file, MARK.repeat(2_000))
  const listener = spawn(
    process.execPath,
    [X, "listen", "127.0.0.1:0", "--dir", folder, "--overwrite", "--json", ...args],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  )
  const [line] = await once(createInterface({ input: listener.stdout }), "line")
  const { port } = JSON.parse(line)
  const packets = join(folder, `${name}.pcapng`)
  const capture = spawn("dumpcap", ["-q", "-i", "lo", "-f", `udp port ${port}`, "-w", packets], {
    stdio: ["ignore", "ignore", "pipe"],
  })
  await Promise.race([once(capture.stderr, "data"), once(capture, "exit")])
  await sleep(CAPTURE_MS)
  if (capture.exitCode !== null) leave("dumpcap may not capture here")
  const source = join(folder, "sent")
  for (let session = 0; session < 2; session++) {
    const path = `${source}${session}-${name}`
    mkdirSync(path)
    writeFileSync(join(path, `${MARK}.txt`), readFileSync(file))
    const { status } = spawnSync(process.execPath, [X, "send", join(path, `${MARK}.txt`), `127.0.0.1:${port}`, ...args])
    if (status !== 0) throw new Error(`the file was not sent: exit code ${status}`)
  }
  await sleep(CAPTURE_MS)
  capture.kill("SIGINT")
  await once(capture, "exit")
  listener.kill("SIGINT")
  await once(listener, "exit")
  const fields = ["-T", "fields", "-e", "udp.srcport", "-e", "udp.dstport", "-e", "udp.payload"]
  const { stdout } = spawnSync("tshark", ["-r", packets, ...fields], { encoding: "utf8", maxBuffer: 1 << 28 })
  return stdout
    .trim()
    .split("\n")
    .map((row) => row.split("\t"))
    .map(([from, to, hex]) => ({ session: Number(from) === port ? to : from, bytes: Buffer.from(hex ?? "", "hex") }))
}

function count(datagrams, text) {
  return datagrams.filter(({ bytes }) => bytes.includes(text)).length
}

/** Stretches after the prefix that occur in both sessions. */
function links(datagrams) {
  const sessions = [...new Set(datagrams.map(({ session }) => session))]
  if (sessions.length !== 2) throw new Error(`${sessions.length} sessions were captured, and not 2`)
  const [first, second] = sessions.map((it) => {
    const stretches = new Set()
    for (const { session, bytes } of datagrams)
      if (session === it)
        for (let i = PREFIX_BYTES; i + LINK_BYTES <= bytes.length; i++)
          stretches.add(bytes.toString("latin1", i, i + LINK_BYTES))
    return stretches
  })
  return [...first].filter((stretch) => second.has(stretch)).length
}

function check(what, holds) {
  console.log(`${holds ? "yes" : "NO "}  ${what}`)
  return holds
}

function leave(why) {
  console.error(`left out: ${why}`)
  process.exit(77)
}
