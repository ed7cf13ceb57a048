/**
 * Text on the wire is UTF-8. Every runtime has an encoder and a decoder, though no ECMAScript library declares them.
 */
interface Encoder {
  encodeInto(text: string, bytes: Uint8Array): { written: number }
}
interface Decoder {
  decode(bytes: Uint8Array): string
}
declare const TextEncoder: new () => Encoder
declare const TextDecoder: new (label: string, options: { ignoreBOM: boolean }) => Decoder

export const ENCODER: Encoder = new TextEncoder()
/** A byte order mark is a character like any other: text arrives as it was sent. */
export const DECODER: Decoder = new TextDecoder("utf-8", { ignoreBOM: true })
