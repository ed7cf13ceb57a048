// Calls every function of a compiled helper under a memory checker, with valid and with arbitrary arguments. Usage:
// node exercise.mjs FILE.node [rounds]
import { readdirSync } from "node:fs"
import { createRequire } from "node:module"
import { Worker, isMainThread } from "node:worker_threads"
import {
  alarmOnce,
  alarmTrouble,
  channelOnce,
  channelThreads,
  channelTraffic,
  channelTrouble,
} from "./exercise-channel.mjs"

const binding = createRequire(import.meta.url)(process.argv[2])
const rounds = Number(process.argv[3] ?? 2000)

const numbers = [
  0,
  1,
  4,
  6,
  5,
  -1,
  0.5,
  65_535,
  65_536,
  2 ** 30 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  Number.NaN,
  Infinity,
  -Infinity,
  -0,
]
const hosts = [
  "127.0.0.1",
  "::1",
  "::",
  "0.0.0.0",
  "192.0.2.1",
  "fe80::1%lo",
  "::1%1",
  "::1%",
  `::1%${"9".repeat(40)}`,
  "%",
  "%lo",
  `${":".repeat(60)}%1`,
]
const names = [
  "SOL_SOCKET",
  "IPPROTO_IP",
  "IPPROTO_IPV6",
  "SO_RCVBUF",
  "SO_RCVBUFFORCE",
  "IP_MTU_DISCOVER",
  "IP_DONTFRAG",
  "IPV6_V6ONLY",
]
const others = [
  "",
  "x".repeat(15),
  "x".repeat(31),
  "x".repeat(32),
  "é".repeat(40),
  "x".repeat(100_000),
  "a\0b",
  "\ud800",
  true,
  false,
  null,
  undefined,
]
const strange = [{}, [], Symbol("s"), 10n, () => 0, new Proxy({}, {}), { valueOf: () => 4 }]
const all = [...numbers, ...hosts, ...names, ...others, ...strange]

/** A fixed seed, so that a report of the checker can be reproduced. */
let state = 1
function pick(list) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return list[Math.floor((state / 2 ** 32) * list.length)]
}

/** Mostly valid arguments, so that calls get past the first check. */
function mostly(list) {
  return pick([0, 1, 2, 3]) === 0 ? pick(all) : pick(list)
}

function attempt(fn) {
  try {
    return fn()
  } catch (error) {
    if (error?.code === undefined) throw error
    return undefined
  }
}

function openOnce() {
  const flags = [true, false]
  const list = [
    mostly([4, 6]),
    mostly(hosts),
    mostly([0, 0, 0, 9]),
    mostly(flags),
    mostly(flags),
    mostly([0, 4096, 1 << 20]),
    mostly([0, 4096]),
  ]
  return attempt(() => binding.open(...list.slice(0, pick([7, 7, 7, 7, 7, 7, 3, 0]))))
}

function optionsOnce(fd) {
  const target = () =>
    pick([0, 1, 2]) === 0 ? pick(all.filter((value) => typeof value !== "number" || value < 0 || value > 1e6)) : fd
  attempt(() => binding.getOption(target(), mostly(names), mostly(names)))
  attempt(() => binding.setOption(target(), mostly(names), mostly(names), mostly([0, 1, 2, 3, 65_536])))
}

for (let i = 0; i < rounds; i++) {
  const before = readdirSync("/proc/self/fd").length
  const opened = openOnce()
  if (opened !== undefined) {
    optionsOnce(opened.fd)
    binding.close(opened.fd)
    attempt(() => binding.close(opened.fd))
  }
  attempt(() => binding.close(pick([-1, 0.5, Number.NaN, 1e6, "1", null])))
  if (binding.batch && i % 10 === 0) {
    channelOnce(binding, attempt, mostly, pick, all)
    alarmOnce(binding, attempt, mostly, all)
  }
  if (readdirSync("/proc/self/fd").length !== before) throw new Error(`round ${i} lost a descriptor`)
}

async function channels() {
  await channelTraffic(binding, pick)
  await channelTrouble(binding)
  await alarmTrouble(binding)
  if (isMainThread) await channelThreads(process.argv[2])
}

if (binding.batch) {
  // Descriptors that Node opens for itself the first time aren't leaks.
  await channels()
  const before = readdirSync("/proc/self/fd").length
  await channels()
  // A thread closes its descriptors some time after it has reported its end.
  for (let i = 0; i < 1_000 && readdirSync("/proc/self/fd").length > before; i++)
    await new Promise((resolve) => setImmediate(resolve))
  if (readdirSync("/proc/self/fd").length > before) throw new Error("channels lost a descriptor")
}

// Loads the module again in a thread; it is unloaded when the thread ends.
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: [process.argv[2], "50"] })
  worker.on("error", (error) => {
    throw error
  })
  worker.on("exit", () => console.log(`${rounds} rounds`))
}
