/** Memory that changes its size or disappears, which the library's types of ES2023 don't include. */

interface Resizable<T> {
  new (bytes: number, options: { readonly maxByteLength: number }): T
}

export const ResizableBuffer = ArrayBuffer as unknown as Resizable<ArrayBuffer & { resize(bytes: number): void }>
export const GrowableBuffer = SharedArrayBuffer as unknown as Resizable<
  SharedArrayBuffer & { grow(bytes: number): void }
>

/** What `postMessage` with a transfer list does to the sender's buffer. */
export function transfer({ buffer }: Uint8Array): void {
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
}
