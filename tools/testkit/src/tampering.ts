/**
 * A host whose datagrams are rewritten on their way to the socket, before they are sealed: what it sends has the tag,
 * the counter and the slot of a member, and says what no endpoint would say.
 */
import type { Host, SendBatch, Transport } from "@x/transport/host"
import { PacketCursor, PacketWriter, prefixHandshake, PREFIX_BYTES, type Profile, TAG_BYTES } from "@x/wire"

/**
 * Gets the packets of a datagram of an association, a writer that stands behind the prefix of another one, and the bytes
 * that the packets are in. Returns whether the other one goes instead.
 */
export type Rewrite = (packets: PacketCursor, writer: PacketWriter, bytes: Uint8Array) => boolean

/** The most that a datagram may be that goes instead, less its tag. */
export const REWRITTEN_BYTES_MAX = 1_100
const SLOT_BYTES = 1_504

export function tampering(host: Host, profile: Profile, rewrite: Rewrite): Host {
  return {
    crypto: host.crypto,
    now: () => host.now(),
    random: () => host.random(),
    entropy: (out) => host.entropy(out),
    resolve: (name, signal) => host.resolve(name, signal),
    wakeUp: (wake) => host.wakeUp(wake),
    defer: (run) => host.defer(run),
    bind: async (options) => tamper(await host.bind(options), profile, rewrite),
  }
}

function tamper(transport: Transport, profile: Profile, rewrite: Rewrite): Transport {
  const slabs = new Map<number, Uint8Array>()
  const register = transport.registerSlab.bind(transport)
  const send = transport.send.bind(transport)
  transport.registerSlab = (bytes) => {
    const id = register(bytes)
    slabs.set(id, bytes)
    return id
  }
  let room = new Uint8Array(0)
  let own = 0
  const cursor = new PacketCursor()
  transport.send = (batch) => {
    if (room.length < batch.capacity * SLOT_BYTES) {
      room = new Uint8Array(batch.capacity * SLOT_BYTES)
      own = register(room)
    }
    const before = copyOf(batch)
    const writer = new PacketWriter(room)
    for (let row = 0; row < batch.count; row++) {
      const [slab, offset, length] = [slabs.get(batch.slab[row]!), batch.offset[row]!, batch.length[row]!]
      if (slab === undefined) continue
      const view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength)
      if (prefixHandshake(view, offset)) continue
      const at = row * SLOT_BYTES
      const prefixBytes = PREFIX_BYTES[profile]!
      room.set(slab.subarray(offset, offset + prefixBytes), at)
      cursor.start(view, offset, length + TAG_BYTES[profile]!, profile)
      writer.start(at + prefixBytes)
      if (!rewrite(cursor, writer, slab)) continue
      batch.slab[row] = own
      batch.offset[row] = at
      batch.length[row] = writer.end - at
    }
    const taken = send(batch)
    // Who waits for the socket goes on with its own.
    for (let row = 0; row < batch.count; row++) {
      batch.slab[row] = before.slab[row]!
      batch.offset[row] = before.offset[row]!
      batch.length[row] = before.length[row]!
    }
    return taken
  }
  return transport
}

function copyOf({ slab, offset, length }: SendBatch): Pick<SendBatch, "slab" | "offset" | "length"> {
  return { slab: slab.slice(), offset: offset.slice(), length: length.slice() }
}
