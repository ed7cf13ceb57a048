// Shared by the commands of tools/run.mjs: the closing line, how it is passed to tools/ci.mjs, and which skips are
// allowed where.
import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * What a machine may lack: each function tells whether this one lacks it. A test may be skipped only for lack of one of
 * these.
 */
const LACKS = {
  Linux: () => process.platform !== "linux",
  "C compiler": () =>
    process.platform === "win32" ||
    ![process.env.CC, "cc", "gcc", "clang"].some((cc) => cc && succeeds(cc.trim().split(/\s+/)[0], ["--version"])),
  git: () => !succeeds("git", ["--version"]),
  "gcc with its sanitizers": () => !answers("gcc", ["-print-file-name=libasan.so"]).startsWith("/"),
  // For a test file that is still to come: remove the entry once the file exists.
  "test file": () => true,
  "network namespaces": () => !makesNamespace(`x-probe-${process.pid}`),
  "IPv4 loopback": () => !binds("udp4", "127.0.0.1"),
  "IPv6 loopback": () => !binds("udp6", "::1"),
}

/**
 * Splits skips into those that tools/allowed-skips.json allows on this machine, and the others. An entry matches every
 * test whose file and name contain the text of `test`.
 */
export function judgeSkips(skips, entries = JSON.parse(readFileSync(join(root, "tools/allowed-skips.json"), "utf8"))) {
  const lacking = new Map()
  const lacks = (need) => {
    if (LACKS[need] === undefined)
      throw new RangeError(
        `tools/allowed-skips.json: unknown need "${need}"; there are: ${Object.keys(LACKS).join(", ")}`,
      )
    if (!lacking.has(need)) lacking.set(need, LACKS[need]())
    return lacking.get(need)
  }
  const allowed = []
  const refused = []
  for (const { name: title, note = reasonIn(title) } of skips) {
    const name = note === undefined ? title : title.replace(` (skipped: ${note})`, "")
    const matching = entries.filter((entry) => name.includes(entry.test))
    const entry = matching.find((candidate) => lacks(candidate.needs))
    if (entry !== undefined) allowed.push({ name, reason: note ?? `${entry.reason} (there is no ${entry.needs} here)` })
    else if (matching.length === 0) refused.push({ name, reason: `${quoted(note)}not in tools/allowed-skips.json` })
    else
      refused.push({
        name,
        reason: `${quoted(note)}this machine has ${matching.map((candidate) => candidate.needs).join(", ")}`,
      })
  }
  return { allowed, refused }
}

export function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`
}

/**
 * Prints the closing line. Within `ci` it passes the numbers on instead, so that the closing line of `ci` is the only
 * one.
 */
export function writeSummary(summary) {
  const file = process.env.X_SUMMARY
  if (file === undefined) console.log(line(summary))
  else writeFileSync(file, JSON.stringify(summary))
}

/** A suite has no note: its title gives the reason, as in "sockets (skipped: there is no compiler)". */
function reasonIn(name) {
  return /\(skipped: (.+?)\)(?= >|$)/.exec(name)?.[1]
}

function quoted(note) {
  return note === undefined ? "" : `"${note}"; `
}

function succeeds(file, args) {
  // Some tools are in folders that only root's PATH may contain.
  return (
    spawnSync(file, args, { stdio: "ignore", env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } })
      .status === 0
  )
}

function makesNamespace(name) {
  if (!succeeds("ip", ["netns", "add", name])) return false
  const joins = succeeds("ip", ["-n", name, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"])
  succeeds("ip", ["netns", "delete", name])
  return joins
}

function answers(file, args) {
  return spawnSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).stdout ?? ""
}

function binds(type, address) {
  const code = `const s=require("node:dgram").createSocket(${JSON.stringify(type)});s.on("error",()=>process.exit(1));s.bind(0,${JSON.stringify(address)},()=>process.exit(0))`
  return succeeds(process.execPath, ["-e", code])
}
