// Where it is measured: network namespaces of this run's own, and a machine that others leave alone.
import { execFileSync, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

export const near = { name: `xkw-${process.pid}-a`, host: "10.87.0.1", device: "kwa", hardware: "02:00:00:00:87:01" }
export const far = { name: `xkw-${process.pid}-b`, host: "10.87.0.2", device: "kwb", hardware: "02:00:00:00:87:02" }

/** Others may use this much of one core while it is measured. */
export const QUIET_CORES = 0.3
/** For how long they are looked at, and then left to finish. */
const LOOK_MS = 1_000
const PAUSE_MS = 5_000
const NS_PER_TICK = 10_000_000

function ip(...words) {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] })
}

/**
 * Two namespaces with a veth pair that passes no segmented runs: datagrams arrive one by one and are joined.
 * `setOffload` is that program.
 */
export function makeLink(setOffload, { threaded }) {
  removeNamespaces()
  for (const { name } of [near, far]) ip("netns", "add", name)
  ip("-n", near.name, "link", "add", near.device, "type", "veth", "peer", "name", far.device, "netns", far.name)
  for (const [{ name, host, device, hardware }, other] of [
    [near, far],
    [far, near],
  ]) {
    ip("-n", name, "link", "set", device, "address", hardware)
    ip("-n", name, "address", "add", `${host}/24`, "dev", device)
    ip("-n", name, "link", "set", device, "gso_max_segs", "1")
    ip("netns", "exec", name, setOffload, device)
    ip("-n", name, "link", "set", device, "up")
    // While an address is looked up few packets may wait.
    ip("-n", name, "neighbour", "replace", other.host, "lladdr", other.hardware, "dev", device)
    if (threaded) setDevice(name, device, "threaded", 1)
  }
}

/** What preferred busy polling is made for: the device's own work is put off while somebody polls. */
export function deferInterrupts(isDeferred) {
  for (const { name, device } of [near, far]) {
    setDevice(name, device, "napi_defer_hard_irqs", isDeferred ? 100 : 0)
    setDevice(name, device, "gro_flush_timeout", isDeferred ? 200_000 : 0)
  }
}

function setDevice(name, device, file, value) {
  ip("netns", "exec", name, "sh", "-c", `echo ${value} > /sys/class/net/${device}/${file}`)
}

/** A namespace whose loopback has an fq qdisc. Returns why it hasn't, if so. */
export function makeQdisc() {
  removeNamespaces()
  ip("netns", "add", near.name)
  ip("-n", near.name, "link", "set", "lo", "up")
  const result = spawnSync("tc", ["-n", near.name, "qdisc", "add", "dev", "lo", "root", "fq"], { encoding: "utf8" })
  return result.status === 0 ? undefined : `no fq qdisc: tc says "${(result.stderr || String(result.error)).trim()}"`
}

export function removeNamespaces() {
  for (const { name } of [near, far]) spawnSync("ip", ["netns", "delete", name], { stdio: "ignore" })
}

/** CPU of the threads that poll devices: they belong to no process. */
function napiThreadNs() {
  let ns = 0
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("napi/kw")) continue
      ns += Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0])
    } catch {
      // It has ended.
    }
  }
  return ns
}

/** What the machine's CPUs have done so far, and what of it was this program's. */
export function usage() {
  const lines = readFileSync("/proc/stat", "utf8").split("\n")
  const numbers = lines[0].split(/\s+/).slice(1, 9).map(Number)
  const all = numbers.reduce((total, number) => total + number, 0)
  // Behind the name, which may have spaces: its own and its children's time.
  const own = readFileSync("/proc/self/stat", "utf8").replace(/.*\)/, "").split(" ").slice(12, 16).map(Number)
  return {
    all,
    // Idle, and idle while a disk works.
    busy: all - numbers[3] - numbers[4],
    own: own.reduce((total, number) => total + number, 0),
    cpus: lines.filter((line) => /^cpu\d/.test(line)).length,
    threadNs: napiThreadNs(),
  }
}

/** How many cores others have used between two looks. */
export function coresOfOthers(before, after) {
  const threads = (after.threadNs - before.threadNs) / NS_PER_TICK
  const others = after.busy - before.busy - (after.own - before.own) - threads
  return (others / (after.all - before.all)) * after.cpus
}

/** Waits, at most `waitMs`, until others leave the machine alone. Returns how long it may wait the next time. */
export async function waitUntilQuiet(waitMs) {
  for (let leftMs = waitMs; leftMs > 0; leftMs -= PAUSE_MS + LOOK_MS) {
    const before = usage()
    await pause(LOOK_MS)
    if (coresOfOthers(before, usage()) <= QUIET_CORES) return leftMs
    await pause(PAUSE_MS)
  }
  return 0
}

export function pause(pauseMs) {
  return new Promise((resolve) => setTimeout(resolve, pauseMs))
}
