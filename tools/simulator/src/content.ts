/** The content of messages: bytes that identify the message, so that a mixed, shifted or foreign one shows. */

import { Random } from "@x/transport/simulated"

/** The largest message of a simulation. */
export const MESSAGE_BYTES_MAX = 4_194_304
/** Messages at least as long as this begin with the key of their stream and their index in it. */
export const HEADER_BYTES = 8

const STARTS = 1_048_573
const BASE = makeBase()

export function fillContent(out: Uint8Array, offset: number, bytes: number, key: number, index: number): void {
  const start = startOf(key, index)
  out.set(BASE.subarray(start, start + bytes), offset)
  if (bytes < HEADER_BYTES) return
  write32(out, offset, key)
  write32(out, offset + 4, index)
}

export function makeContent(bytes: number, key: number, index: number): Uint8Array {
  const out = new Uint8Array(bytes)
  fillContent(out, 0, bytes, key, index)
  return out
}

export function isContent(given: Uint8Array, offset: number, bytes: number, key: number, index: number): boolean {
  const start = startOf(key, index)
  if (bytes < HEADER_BYTES) return BASE.compare(given, offset, offset + bytes, start, start + bytes) === 0
  return (
    read32(given, offset) === key &&
    read32(given, offset + 4) === index &&
    BASE.compare(given, offset + HEADER_BYTES, offset + bytes, start + HEADER_BYTES, start + bytes) === 0
  )
}

export function read32(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0
}

function write32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

/** Where in the common bytes a message begins: far from where its neighbours begin. */
function startOf(key: number, index: number): number {
  return ((Math.imul(key, 0x9e37_79b1) ^ Math.imul(index, 0x85eb_ca6b)) >>> 0) % STARTS
}

function makeBase(): Buffer {
  const words = new Uint32Array(Math.ceil((MESSAGE_BYTES_MAX + STARTS) / 4))
  const random = new Random(1, "content")
  for (let i = 0; i < words.length; i++) words[i] = random.uint32()
  return Buffer.from(words.buffer)
}
