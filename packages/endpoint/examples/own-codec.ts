// A codec that writes into given memory and reads from the datagram: no buffer of its own, no object for a message.
import assert from "node:assert/strict"
import { Endpoint, type OutgoingStream, type SendResult } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"

/** An order: id (u32), quantity (i32), price (f64), little-endian. */
const ORDER = 1
const ORDER_BYTES = 16

class OrderWriter {
  id = 0
  quantity = 0
  price = 0
  #view: DataView = new DataView(new ArrayBuffer(0))

  send(stream: OutgoingStream): SendResult {
    return stream.write(ORDER, ORDER_BYTES, this.#fill)
  }

  // Made once: a function written inside `send` would be a new one for each message.
  readonly #fill = (bytes: Uint8Array, offset: number): void => {
    // The memory stays the same from call to call, except for large messages.
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view.setUint32(offset, this.id, true)
    this.#view.setInt32(offset + 4, this.quantity, true)
    this.#view.setFloat64(offset + 8, this.price, true)
  }
}

const network = createNetwork({ seed: 1, link: { delayMs: 1 } })
const exchange = await network.until(Endpoint.bind({ host: network.host("exchange"), port: 4_000 }))
const trader = await network.until(Endpoint.bind({ host: network.host("trader") }))

const book = { orders: 0, quantity: 0, value: 0 }
exchange.handle(ORDER, ({ view, offset, length }) => {
  // Bytes from elsewhere: the sender may have chosen any length.
  if (length !== ORDER_BYTES) return
  book.orders++
  book.quantity += view.getInt32(offset + 4, true)
  book.value += view.getInt32(offset + 4, true) * view.getFloat64(offset + 8, true)
})

const stream = (await network.until(trader.join("exchange:4000"))).open()
const order = new OrderWriter()
for (let id = 1; id <= 100_000; id++) {
  order.id = id
  order.quantity = id % 2 === 0 ? 3 : -1
  order.price = 0.5
  // Refused: the window is full, nothing was written.
  while (order.send(stream) !== "sent") await network.until(stream.flush())
}
await network.until(stream.end())
console.log(`${book.orders} orders, ${book.quantity} in all, worth ${book.value}`)
assert.deepEqual(book, { orders: 100_000, quantity: 100_000, value: 50_000 })
await network.until(Promise.all([trader.close(), exchange.close()]))
