/** What the bench needs of a library: messages in both directions, in order, and a signal when there is room. */

/** Called with a received message: where its bytes are, valid during the call. */
export type MessageHandler = (view: DataView, offset: number, length: number) => void

export interface Link {
  /**
   * Sends a message. The bytes of a small one may change afterwards, those of a large one after the next sixteen
   * messages. `false`: wait until `writable`.
   */
  send(bytes: Uint8Array): boolean
  onMessage(handler: MessageHandler): void
  onWritable(writable: () => void): void
}

export interface LinkOptions {
  /** The IPv4 addresses of this process and of the other. */
  readonly own: string
  readonly other: string
  readonly messageBytes: number
  /** The size of datagrams, where the library lets it be chosen. */
  readonly datagramBytes: number
  /** Options of this library's endpoint, for `x-default`; `congestion`: the name of a controller, and its options. */
  readonly options?: Readonly<Record<string, unknown>>
}

export interface Library {
  /** How it was set up, for the reader of the table. */
  settings(options: LinkOptions): string
  /** Returns the port on `own`. */
  listen(options: LinkOptions, onLink: (link: Link) => void): Promise<number>
  connect(options: LinkOptions, port: number): Promise<Link>
}

/** Messages of this many bytes or more are written directly, without a copy into a chunk. */
export const LARGE_BYTES = 65_536
