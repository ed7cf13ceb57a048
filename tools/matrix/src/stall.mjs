// After the program was blocked, datagrams that wait in the socket are delivered before a due wake-up: no time-out is
// handled before the answer.
import { createSendBatch, systemHost } from "@x/transport"

const COUNT = 50
const host = systemHost()
const receiver = await host.bind({ v4: "127.0.0.1", v6: false })
const sender = await systemHost().bind({ v4: "127.0.0.1", v6: false })
let received = 0
receiver.onReceive((batch) => (received += batch.count))

const batch = createSendBatch(COUNT)
batch.slab.fill(sender.registerSlab(new Uint8Array(100)))
batch.length.fill(100)
batch.address.fill(sender.internAddress(receiver.localAddresses[0]))
batch.count = COUNT
// From here on the event loop makes no turn until the program is no longer blocked.
const woken = new Promise((resolve) => host.wakeUp(() => resolve(received)).at(host.now() + 1))
sender.send(batch)
for (const end = host.now() + 100; host.now() < end;);
const before = await woken
await Promise.all([sender.close(), receiver.close()])
if (before !== COUNT) throw new Error(`${before} of ${COUNT} datagrams came before the wake-up`)
console.log(JSON.stringify({ before }))
