// Sends one datagram to another socket on this machine and back, over real sockets.
import { createSendBatch, systemHost } from "@x/transport"

const loopback = { v4: "127.0.0.1", v6: false } as const
const [client, server] = [await systemHost().bind(loopback), await systemHost().bind(loopback)]

const buffer = new Uint8Array(2_048)
const slab = server.registerSlab(buffer)
const answer = createSendBatch(1)
server.onReceive((batch) => {
  const [offset, length] = [batch.offset[0]!, batch.length[0]!]
  buffer.set(batch.slabs[batch.slab[0]!]!.subarray(offset, offset + length))
  answer.slab[0] = slab
  answer.length[0] = length
  answer.address[0] = batch.address[0]!
  answer.count = 1
  server.send(answer)
})

const question = createSendBatch(1)
question.slab[0] = client.registerSlab(new TextEncoder().encode("hello"))
question.length[0] = 5
question.address[0] = client.internAddress(server.localAddresses[0]!)
question.count = 1
client.onReceive(({ slabs, slab, offset, length }) => {
  const bytes = slabs[slab[0]!]!.subarray(offset[0], offset[0]! + length[0]!)
  console.log(`echoed: ${new TextDecoder().decode(bytes)}`)
  void client.close()
  void server.close()
})
client.send(question)
