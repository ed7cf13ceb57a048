/** What the bench needs of a library: messages one way and back, in order, and to be told when there is room. */

/** A message that came: where its bytes are, valid during the call. */
export type MessageHandler = (view: DataView, offset: number, length: number) => void

export interface Link {
  /**
   * Sends a message whose bytes may change afterwards where they are few, and after the next sixteen where they are
   * many; `false`: wait until `writable`.
   */
  send(bytes: Uint8Array): boolean
  onMessage(handler: MessageHandler): void
  onWritable(writable: () => void): void
}

export interface LinkOptions {
  /** IPv4 addresses of this process and of the other. */
  readonly own: string
  readonly other: string
  readonly messageBytes: number
  /** Of datagrams, where the library lets one choose. */
  readonly datagramBytes: number
}

export interface Library {
  /** How it was set up, for the reader of the table. */
  settings(options: LinkOptions): string
  /** Answers the port on `own`. */
  listen(options: LinkOptions, onLink: (link: Link) => void): Promise<number>
  connect(options: LinkOptions, port: number): Promise<Link>
}

/** From so many bytes on messages are written as they are, without a copy into a chunk. */
export const LARGE_BYTES = 65_536
