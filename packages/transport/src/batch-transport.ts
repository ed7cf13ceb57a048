/**
 * A v4 and a v6 socket on one port, presented as one transport, over the native helper, which moves datagrams in
 * batches.
 *
 * @module
 */

import type { Channel, openChannel } from "@x/native"
import { AddressTable } from "./address-table.ts"
import { type Address, parseHost } from "./addresses.ts"
import type { Reopen, Sockets } from "./reopen.ts"
import type { BindOptions } from "./bind-options.ts"
import type { SocketFacts } from "./bound-socket.ts"
import { DATAGRAM_BYTES_MAX, TOO_LONG } from "./datagram-transport.ts"
import { HelperTables } from "./helper-tables.ts"
import { type Capabilities, createSendBatch, type ReceiveBatch, type Sealer, type SendBatch } from "./transport.ts"
import { checkScope } from "./scope.ts"
import { openBatch, RowSealer } from "./seal.ts"
import { checkOften, FailedReads, isEnd } from "./socket-ends.ts"
import { surface } from "./surface.ts"
import { TIMER_MS } from "./timer.ts"
import { TransportBase } from "./transport-base.ts"
import type { TurnEnd } from "./turn-end.ts"

/** The most rows in one call of the helper. */
const ROWS_MAX = 64
/** How long rows wait where the helper had no memory, before it is asked again. */
const SHORTAGE_MS = 100

/** A socket that the helper opened, bound. */
export interface OpenedSocket {
  readonly fd: number
  readonly address: Address
  readonly facts: SocketFacts
  close(): Promise<void>
  /** Whether a transport has taken it over, to read from it and to close it. */
  isTaken: boolean
}

export interface BatchTransportParts extends Sockets<OpenedSocket> {
  readonly reopen: Reopen<OpenedSocket>
  readonly turnEnd: TurnEnd
  readonly openChannel: typeof openChannel
}

export class BatchTransport extends TransportBase {
  #capabilities!: Capabilities
  #localAddresses: readonly Address[] = []
  #channel!: Channel
  readonly #parts: Pick<BatchTransportParts, "reopen" | "openChannel">
  readonly #turnEnd: TurnEnd
  #batch!: ReceiveBatch & { count: number }
  #isReferenced = true
  /** The families whose sockets work. */
  readonly #open = new Set<4 | 6>()
  readonly #failedReads = new FailedReads()
  readonly #endChecks: () => void
  readonly #tables: HelperTables
  #shortage: NodeJS.Timeout | undefined
  readonly #one: SendBatch = createSendBatch(1)
  readonly #row = new RowSealer(this.sealers, DATAGRAM_BYTES_MAX)
  #hasStaging = false
  #hasRead = false
  readonly #reader = (): boolean => {
    const hasRead = this.#hasRead
    this.#hasRead = false
    return hasRead
  }

  /** Takes over the sockets, one or one of each family. If it throws, it has closed those it had taken over. */
  constructor(parts: BatchTransportParts) {
    const tables = new HelperTables()
    super(
      new AddressTable({
        named: (id, address) => tables.setAddress(id, address),
        forgotten: (id) => tables.clearAddress(id),
      }),
    )
    this.#tables = tables
    this.#turnEnd = parts.turnEnd
    this.#parts = parts
    // Reserves a slab id; its memory follows when it is needed.
    this.#one.slab[0] = this.slabs.register(new Uint8Array(0))
    this.#use(parts)
    this.#turnEnd.addReader(this.#reader)
    this.#endChecks = checkOften(() => this.#check())
  }

  get capabilities(): Capabilities {
    return this.#capabilities
  }

  get localAddresses(): readonly Address[] {
    return this.#localAddresses
  }

  /** Hands the sockets to the helper. If it throws, those that the helper had taken are closed, and nothing has changed. */
  #use({ sockets, notes }: Sockets<OpenedSocket>): void {
    const channel = this.#parts.openChannel({
      received: (count, dropped) => this.#received(count, dropped),
      writable: () => this.writable(),
      failed: (errno, family) => this.#readFailed(family, this.#errorOf(errno, "recvmmsg")),
    })
    const abilities = sockets.map((socket) => take(channel, socket))
    this.#channel = channel
    this.#tables.use(channel)
    this.#failedReads.clear()
    this.#open.clear()
    for (const { address } of sockets) this.#open.add(address.family)
    const { slab, ...columns } = channel.rows
    this.#batch = { count: 0, slabs: [slab], slab: new Int32Array(columns.offset.length), ...columns }
    this.#localAddresses = sockets.map(({ address }) => address)
    this.#capabilities = {
      families: sockets.map(({ address }) => address.family),
      dontFragment: sockets.every(({ facts }) => facts.dontFragment),
      gso: abilities.every(({ gso }) => gso),
      gro: abilities.every(({ gro }) => gro),
      batch: true,
      ecn: abilities.every(({ ecn }) => ecn),
      timerMs: TIMER_MS,
      datagramBytesMax: DATAGRAM_BYTES_MAX,
      receiveBufferBytes: Math.min(...sockets.map(({ facts }) => facts.receiveBufferBytes)),
      sendBufferBytes: Math.min(...sockets.map(({ facts }) => facts.sendBufferBytes)),
      notes,
    }
    if (!this.#isReferenced) this.#channel.unref()
  }

  #readFailed(family: 4 | 6, cause: unknown): void {
    if (this.#failedReads.add(cause)) this.#end(family, cause)
    else this.failed(cause, "receive", 0, 0)
  }

  #check(): void {
    for (const family of this.#open) {
      const errno = this.#channel.isOpen ? this.#channel.check(family) : 0
      if (errno !== 0) this.#end(family, this.#errorOf(errno, "fstat"))
    }
  }

  /** The socket of a family moves nothing any more. Where there is no other, rows wait until it is replaced. */
  #end(family: 4 | 6, cause: unknown): void {
    if (!this.#open.delete(family) || !this.#channel.isOpen) return
    this.#channel.drop(family)
    if (this.#open.size === 0) this.#channel.close()
    this.failed(cause, "socket", 0, 0)
  }

  async rebind(options: BindOptions = {}): Promise<void> {
    // A new socket may get the number of one that is no more.
    this.#check()
    const opened = await this.#parts.reopen(options, async () => this.#channel.close())
    if (this.isClosed) return void (await Promise.all(opened.sockets.map((socket) => socket.close())))
    const before = this.#channel
    try {
      this.#use(opened)
    } catch (error) {
      await Promise.all(opened.sockets.map((socket) => socket.close()))
      throw error
    }
    before.close()
    this.#hasStaging = false
    for (const [id, bytes] of this.slabs.entries()) if (id !== this.#one.slab[0]) this.#tables.setSlab(id, bytes)
    for (const [id, address] of this.addresses.entries()) this.#tables.setAddress(id, address)
    for (const [id, sealer] of this.sealers.entries()) this.#tables.setSealer(id, sealer)
    this.writable()
  }

  override registerSlab(bytes: Uint8Array): number {
    const id = super.registerSlab(bytes)
    this.#tables.setSlab(id, bytes)
    return id
  }

  override releaseSlab(slab: number): void {
    super.releaseSlab(slab)
    this.#tables.setSlab(slab, null)
  }

  override internAddress(address: Address): number {
    checkScope(parseHost(address.host)?.scope ?? "", (message) => new RangeError(message))
    return super.internAddress(address)
  }

  override registerSealer(sealer: Sealer): number {
    const id = super.registerSealer(sealer)
    this.#tables.setSealer(id, sealer)
    return id
  }

  override releaseSealer(sealer: number): void {
    super.releaseSealer(sealer)
    this.#tables.clearSealer(sealer)
  }

  override send(batch: SendBatch): number {
    if (this.#tables.owes && !this.#tables.pay()) return this.#awaitMemory()
    if (this.#tables.ownSealers.size > 0) return this.#sendSingly(batch)
    for (let from = 0; from < batch.count;) {
      const count = Math.min(ROWS_MAX, batch.count - from)
      const taken = this.#sendRows(batch, from, count)
      from += taken
      if (taken < count) return from
    }
    return batch.count
  }

  /** The helper doesn't know yet what rows may name: to its user that is a full socket. */
  #awaitMemory(): number {
    this.#shortage ??= setTimeout(() => {
      this.#shortage = undefined
      this.writable()
    }, SHORTAGE_MS)
    return 0
  }

  override open(batch: ReceiveBatch): void {
    if (batch !== this.#batch || this.#tables.ownSealers.size > 0 || !this.#channel.isOpen)
      openBatch(batch, this.sealers)
    else this.#channel.open(batch.count)
  }

  override ref(): void {
    this.#isReferenced = true
    this.#channel.ref()
  }

  override unref(): void {
    this.#isReferenced = false
    this.#channel.unref()
  }

  protected override closeSockets(): Promise<void> {
    this.#turnEnd.removeReader(this.#reader)
    this.#endChecks()
    clearTimeout(this.#shortage)
    this.#channel.close()
    return Promise.resolve()
  }

  protected override surface(error: unknown): void {
    surface(error)
  }

  #sendRows(batch: SendBatch, from: number, count: number): number {
    // An error function of the user may have closed the transport.
    if (!this.#channel.isOpen && !this.isClosed) return 0
    if (!this.#channel.isOpen) {
      this.counts.datagramsUnsendable += count
      return count
    }
    const taken = this.#channel.send(batch, from, count)
    const { bytes, unsendable, refused } = this.#channel.report
    this.counts.datagramsSent += taken - unsendable
    this.counts.datagramsUnsendable += unsendable
    this.counts.bytesSent += bytes
    if (refused.length > 0) this.#tellRefused(batch, [...refused])
    return taken
  }

  #tellRefused(batch: SendBatch, refused: readonly number[]): void {
    for (let i = 0; i < refused.length; i += 3) {
      const address = batch.address[refused[i]!]!
      const cause = this.#errorOf(refused[i + 1]!, "sendmmsg")
      const { family } = this.addressOf(address)
      this.failed(cause, "send", address, refused[i + 2]!)
      if (isEnd(cause)) this.#end(family, cause)
    }
  }

  /**
   * Seals rows in memory of its own: if the socket is full, the caller sends the same row again, and it must be
   * unchanged.
   */
  #sendSingly(batch: SendBatch): number {
    const one = this.#one
    if (!this.#channel.isOpen) return this.#sendRows(batch, 0, batch.count)
    if (!this.#hasStaging) {
      this.#tables.setSlab(one.slab[0]!, this.#row.staging)
      if (this.#tables.owes) return this.#awaitMemory()
      this.#hasStaging = true
    }
    for (let row = 0; row < batch.count; row++) {
      let taken: number
      if (this.#tables.ownSealers.has(batch.sealer[row]!)) {
        this.#row.seal(batch, row, this.slabs.get(batch.slab[row]!), true)
        const { length } = this.#row
        if (length > DATAGRAM_BYTES_MAX) {
          // The row wasn't sealed.
          this.counts.datagramsSent++
          this.counts.bytesSent += length
          this.failed(TOO_LONG, "send", batch.address[row]!, length)
          continue
        }
        one.offset[0] = 0
        one.length[0] = length
        one.address[0] = batch.address[row]!
        one.sealer[0] = 0
        one.ecn[0] = batch.ecn[row]!
        taken = this.#sendRows(one, 0, 1)
      } else {
        taken = this.#sendRows(batch, row, 1)
      }
      if (taken === 0) return row
    }
    return batch.count
  }

  #received(count: number, dropped: number): void {
    if (this.isClosed) return
    this.#hasRead = true
    const { counts } = this
    counts.datagramsDropped += dropped
    if (count === 0) return
    this.#failedReads.clear()
    const { address, length } = this.#batch
    let bytes = 0
    let last = -1
    for (let row = 0; row < count; row++) {
      bytes += length[row]!
      if (address[row] === last) continue
      if (address[row] === 0) this.#nameSource(row, count)
      else this.addresses.touch(address[row]!)
      last = address[row]!
    }
    counts.datagramsReceived += count
    counts.bytesReceived += bytes
    this.#batch.count = count
    this.handOver(this.#batch)
    this.#turnEnd.lookOut(count)
  }

  /** Gives a source its id, and writes that id to the following rows from the same source. */
  #nameSource(row: number, count: number): void {
    const { address } = this.#batch
    const { host, port } = this.#channel.sourceOf(row)
    const id = this.addresses.seen(host, port)
    address[row] = id
    for (let next = row + 1; next < count && address[next] === 0; next++) {
      const source = this.#channel.sourceOf(next)
      if (source.host !== host || source.port !== port) return
      address[next] = id
    }
  }

  #errorOf(errno: number, syscall: string): Error {
    const code = this.#channel.errorName(errno)
    return Object.assign(new Error(`${syscall} ${code}`), { code, errno: -errno, syscall })
  }
}

function take(
  channel: Channel,
  socket: OpenedSocket,
): { readonly gso: boolean; readonly gro: boolean; readonly ecn: boolean } {
  try {
    const abilities = channel.add(socket.fd, socket.address.family)
    socket.isTaken = true
    return abilities
  } catch (error) {
    channel.close()
    throw error
  }
}
