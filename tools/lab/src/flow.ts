/**
 * One of the two processes of a flow: `receive` or `send`, according to its arguments. It goes on, and says why at the
 * end, when its connection fails: what was received until then is part of the result.
 */

import { nowMs } from "@x/bench/clock"
import { check } from "@x/bench/content"
import { LIBRARIES } from "@x/bench/libraries"
import type { Link } from "@x/bench/link"
import { cpuUs } from "@x/bench/measure"
import type { Role } from "@x/bench/network"
import { percentiles } from "@x/bench/percentiles"
import { DUE_AT, sendAtRate, sendFlatOut } from "@x/bench/senders"
import { Arrivals } from "./arrivals.ts"
import type { FlowTask, Order, Said } from "./flow-messages.ts"

const [role, text] = process.argv.slice(2) as [Role, string]
const task = JSON.parse(text) as FlowTask
const tell = (message: Said): void => void process.send!(message)
/** The first failure: others follow from it. */
let failure: string | undefined
process.on("uncaughtException", ({ message }) => {
  failure ??= message
  if (role === "send") tell({ what: "failed", why: failure })
})

const library = await LIBRARIES[task.library]!().catch(({ message }: Error) => {
  tell({ what: "missing", why: message })
  // The process that started this one ends it.
  return new Promise<never>(() => {})
})
const { own, other, bytes, options } = task
const linkOptions = { own, other, messageBytes: bytes, datagramBytes: task.datagramBytes, options }

if (role === "receive") {
  const port = await library.listen(linkOptions, receive)
  tell({ what: "ready", port, settings: library.settings(linkOptions) })
} else {
  const link = await library.connect(linkOptions, task.port!)
  onOrder("go", () => {
    if (task.perSecond > 0) sendAtRate(link, bytes, task.perSecond)
    else sendFlatOut(link, bytes)
  })
  tell({ what: "connected" })
}

function receive(link: Link): void {
  let expected = 0
  let arrivals: Arrivals | undefined
  let latenciesMs: number[] = []
  link.onMessage((view, offset, length) => {
    check(view, offset, length, bytes, expected++)
    if (arrivals === undefined) return
    const atMs = nowMs()
    arrivals.add(atMs)
    if (task.perSecond > 0) latenciesMs.push(atMs - view.getFloat64(offset + DUE_AT, true))
  })
  onOrder("measure", ({ runMs }) => {
    const fromCpuUs = cpuUs()
    arrivals = new Arrivals(nowMs())
    latenciesMs = []
    setTimeout(() => {
      const measured = arrivals!
      arrivals = undefined
      const result = measured.end(nowMs())
      tell({ what: "report", ...result, cpuUs: cpuUs() - fromCpuUs, ...percentiles(latenciesMs), failure })
    }, runMs)
  })
}

function onOrder(what: Order["what"], act: (order: Order) => void): void {
  process.on("message", (order: Order) => {
    if (order.what === what) act(order)
  })
}
