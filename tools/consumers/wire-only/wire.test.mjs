// A datagram is encoded, sealed, opened, checked and read with @x/wire alone; a broken one is refused with a reason.
import assert from "node:assert/strict"
import { test } from "node:test"
import {
  checkPackets,
  checkPrefix,
  deliveryByte,
  describeDatagram,
  FORM,
  formOf,
  KIND,
  MessageCursor,
  MODE,
  openChecksum,
  PacketCursor,
  PacketWriter,
  PREFIX_BYTES,
  prefixCounter,
  prefixSlot,
  PROFILE,
  pseudoHeaderSeed,
  readPacketNumber,
  readSequencedDelivery,
  readStream,
  sealChecksum,
  SEQUENCED_HEADER_BYTES,
  TAG_BYTES,
  writePrefix,
  writeSequencedBody,
  writeWholeHeader,
} from "@x/wire"

const profile = PROFILE.checksum
const seed = pseudoHeaderSeed({ receiverUnique: new Uint8Array(8).fill(1), senderUnique: new Uint8Array(8).fill(2) })
const texts = ["first", "", "third, and the last of its packet"]

/** Two packets of stream 9 in one datagram: numbers 40 and 41, with all texts each. */
function encode() {
  const bytes = new Uint8Array(1_200)
  const writer = new PacketWriter(bytes)
  writePrefix(writer.view, 0, profile, false, 0xabcdef01, 77)
  writer.start(PREFIX_BYTES[profile])
  for (const number of [40, 41]) {
    let at = writeSequencedBody(
      writer.view,
      writer.begin(KIND.sequenced),
      9,
      number,
      deliveryByte(MODE.reliable, FORM.whole),
    )
    for (const [type, text] of texts.entries()) {
      at = writeWholeHeader(writer.view, at, type, text.length)
      at += new TextEncoder().encodeInto(text, bytes.subarray(at)).written
    }
    writer.finish(at)
  }
  sealChecksum(bytes, 0, writer.end, seed)
  return bytes.subarray(0, writer.end + TAG_BYTES[profile])
}

/** Checks like a receiver: prefix, tag, packets; only then is anything read. */
function refusal(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const reason = checkPrefix(view, 0, bytes.length, profile, 1_200)
  if (reason !== undefined) return reason
  return openChecksum(bytes, 0, bytes.length, seed) ? checkPackets(view, 0, bytes.length, profile) : "tag"
}

test("a datagram comes out as it went in", () => {
  const bytes = encode()
  assert.equal(refusal(bytes), undefined)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  assert.deepEqual([prefixSlot(view, 0), prefixCounter(view, 0)], [0xabcdef01, 77])
  const packets = new PacketCursor()
  const messages = new MessageCursor()
  const read = []
  packets.start(view, 0, bytes.length, profile)
  while (packets.next()) {
    const { kind, body, end } = packets
    assert.deepEqual(
      [kind, readStream(view, body), formOf(readSequencedDelivery(view, body))],
      [KIND.sequenced, 9, FORM.whole],
    )
    messages.start(view, body + SEQUENCED_HEADER_BYTES, end)
    while (messages.next()) {
      const { type, offset, length } = messages
      read.push([readPacketNumber(view, body), type, new TextDecoder().decode(bytes.subarray(offset, offset + length))])
    }
  }
  assert.deepEqual(
    read,
    [40, 41].flatMap((number) => texts.map((text, type) => [number, type, text])),
  )
  assert.equal(describeDatagram(view, 0, bytes.length, profile).packets.length, 2)
})

test("any flipped bit and any cut is refused, and nothing throws", () => {
  const bytes = encode()
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const broken = bytes.slice()
    broken[bit >> 3] ^= 1 << (bit & 7)
    assert.notEqual(refusal(broken), undefined, `bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++)
    assert.notEqual(refusal(bytes.slice(0, length)), undefined, `cut to ${length}`)
})
