/**
 * One of the two processes of a run with many peers or streams: `receive` is the hub, one endpoint; `send` is the
 * crowd, an endpoint for each peer, all in one process. A stream gets as many messages as fill a packet, then the next
 * one has its turn. This compares the cost of a message whose packet is for another peer or stream than the packet
 * before. Either the number of messages under way is constant, or they are sent at a rate; then the hub wakes up
 * equally often in each run, however slow the crowd is.
 */

import { Endpoint, type EndpointOptions, type Message, type OutgoingStream, type Peer } from "@x/endpoint"
import { setTimeout as wait } from "node:timers/promises"
import { check, Content } from "./content.ts"
import { countFromNow, tell } from "./measure.ts"
import type { Task } from "./run.ts"

const DATA = 1
/** A message that says how many more have come. */
const CREDIT = 2
const CREDIT_EVERY = 1_024
const UNDER_WAY = 8_192
/** Messages of 64 B that fill a packet. */
const BURST = 16
const DATAGRAM_BYTES = 1_200
/** The most joins at a time. */
const JOINS = 50

const [role, text] = process.argv.slice(2)
const job = JSON.parse(text!) as Task
const { peers = 1, streams = 1, direction = "in" } = job
const isHub = role === "receive"
const isSender = isHub === (direction === "out")
const OPTIONS: EndpointOptions = {
  ...{ v4: "127.0.0.1", v6: false, datagramBytes: DATAGRAM_BYTES, joinTimeoutMs: 20_000 },
  ...{ halfOpenPerHostMax: 1_024, streamsMax: 65_536, windowBytes: 4 << 20, windowPackets: 4_096 },
}
const load = job.perSecond === 0 ? `${UNDER_WAY} under way` : `${job.perSecond} a second`
/** A timed hub doesn't wait by turning its event loop: that CPU would count. */
const isTimed = isHub && job.perSecond > 0
const settings = `packets of ${BURST} messages in turn, ${load}, datagrams of ${DATAGRAM_BYTES} B`

let underWay = 0
let received = 0
const expected = new Uint32Array(peers * streams)
const joined: Peer[] = []
let credits: OutgoingStream | undefined

if (isHub) await beHub()
else await beCrowd(job.port!)

async function beHub(): Promise<void> {
  const hub = await bind(8 << 20)
  hub.on("joined", (peer) => {
    joined.push(peer)
    if (joined.length === peers) start()
  })
  tell({ port: hub.addresses[0]!.port, settings })
}

async function beCrowd(port: number): Promise<void> {
  for (let from = 0; from < peers; from += JOINS) {
    const some = Array.from({ length: Math.min(JOINS, peers - from) }, async () =>
      (await bind(peers === 1 ? 8 << 20 : 1 << 18)).join(`127.0.0.1:${port}`),
    )
    joined.push(...(await Promise.all(some)))
  }
  start()
}

async function bind(receiveBufferBytes: number): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ ...OPTIONS, receiveBufferBytes })
  endpoint.handle(DATA, receive)
  endpoint.handle(CREDIT, () => (underWay -= CREDIT_EVERY))
  return endpoint
}

/** All peers have joined. The sender waits until the other side knows that too. */
function start(): void {
  credits = joined[0]!.open()
  if (isSender) void wait(200).then(send)
}

function receive({ view, offset, length }: Message): void {
  const index = view.getUint32(offset + 8, true)
  check(view, offset, length, job.bytes, expected[index]!++)
  if (received++ === 0) countFromNow(job, () => received)
  if (received % CREDIT_EVERY === 0) offer(credits!, CREDIT, new Uint8Array(1))
}

function send(): void {
  const content = new Content(job.bytes)
  const all = joined.flatMap((peer) => Array.from({ length: streams }, () => peer.open()))
  const numbers = new Uint32Array(all.length)
  let [sent, next] = [0, 0]
  countFromNow(job, () => sent)
  const startMs = performance.now()
  const late = (): number =>
    job.perSecond === 0 ? UNDER_WAY : ((performance.now() - startMs) / 1_000) * job.perSecond - sent
  const turn = (): void => {
    for (let left = Math.min(UNDER_WAY - underWay, late()); left >= BURST; left -= BURST) {
      content.view.setUint32(8, next, true)
      for (let i = 0; i < BURST; i++) offer(all[next]!, DATA, content.number(numbers[next]!++))
      sent += BURST
      underWay += BURST
      next = (next + 1) % all.length
    }
    if (isTimed) setTimeout(turn, 1)
    else setImmediate(turn)
  }
  turn()
}

function offer(stream: OutgoingStream, type: number, bytes: Uint8Array): void {
  const result = stream.trySend(type, bytes)
  if (result !== "sent" && result !== "parked") throw new Error(`a message was not taken: ${result}`)
}
