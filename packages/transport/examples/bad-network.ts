// A sample application on a bad network: a counter, repeated until it is acknowledged. The seed replays the run to the
// last byte.
import assert from "node:assert/strict"
import { createSendBatch } from "@x/transport"
import { createNetwork, PRESETS } from "@x/transport/simulated"

const network = createNetwork({ seed: Number(process.argv[2] ?? 42), link: PRESETS.hostile, recordLines: 20 })
const [hostA, hostB] = [network.host("a"), network.host("b")]
const [a, b] = [await network.until(hostA.bind({ port: 4000 })), await network.until(hostB.bind({ port: 4000 }))]

/** Sends one byte and its complement, so that a corrupted datagram shows. */
function makeSender(transport: typeof a, to: (typeof a.localAddresses)[number]): (value: number) => void {
  const bytes = new Uint8Array(2)
  const batch = createSendBatch(1)
  batch.slab[0] = transport.registerSlab(bytes)
  batch.length[0] = 2
  batch.address[0] = transport.internAddress(to)
  return (value) => {
    bytes.set([value, ~value])
    batch.count = 1
    transport.send(batch)
  }
}
/** Calls `take` with each value that arrived intact. */
function onValue(transport: typeof a, take: (value: number) => void): void {
  transport.onReceive(({ count, slabs, slab, offset, length }) => {
    for (let row = 0; row < count; row++) {
      const [value, complement] = slabs[slab[row]!]!.subarray(offset[row], offset[row]! + length[row]!)
      if (((value! ^ complement!) & 255) === 255) take(value!)
    }
  })
}

const ask = makeSender(a, b.localAddresses[0]!)
const acknowledge = makeSender(b, a.localAddresses[0]!)
const counted: number[] = []
let next = 0
onValue(b, (value) => {
  if (value === counted.length) counted.push(value)
  if (value < counted.length) acknowledge(value)
})
const finished = new Promise<void>((resolve) => {
  onValue(a, (value) => {
    if (value === next && ++next === 100) resolve()
  })
})
const repeat = hostA.wakeUp(() => {
  if (next < 100) ask(next)
  repeat.at(hostA.now() + 50)
})
repeat.at(hostA.now())

await network.until(finished, 600_000)
assert.deepEqual(counted, [...Array(100).keys()])
const { lost, burst } = network.linkOf("a", "b").counts
console.log(`counted to 100 in ${Math.round(network.now)} virtual ms; lost ${lost + burst}; trace ${network.traceHash}`)
