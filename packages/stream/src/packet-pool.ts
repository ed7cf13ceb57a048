/**
 * Buffers for packets: for those that arrived early, and for those that were written and aren't acknowledged yet. One
 * pool serves all streams of a process, so its ceiling bounds the memory whatever peers do, and idle streams hold none.
 *
 * Most packets have a usual size, and few paths carry much larger ones. So slots have up to three sizes. All lie in
 * chunks of one size, each a row of *units*, the size of the least slots. A chunk has slots of one size; once none of
 * them is in use, it may have slots of another: what one size leaves is there for the others. Memory of chunks goes back
 * only by `trim`.
 *
 * @module
 */

import { checkWhole } from "@x/wire"

/** Slots are allocated in chunks of at most this size, or of one largest slot. */
const CHUNK_BYTES = 131_072
/** The size of the slots in between, in units: Ethernet's jumbo frames where the unit is its usual frame. */
const MIDDLE_UNITS = 7
/** The low bits of a slot's number tell its size; behind them come its first unit in the chunk, and the chunk. */
const SIZE_BITS = 2
const SIZE_MASK = 3
const SIZES = 3
const NO_BYTES = new Uint8Array(0)
const NO_VIEW = new DataView(NO_BYTES.buffer)

/** The slots of a pool, as a stream sees them. */
export interface PacketSlots {
  /** Bytes of the largest slot. */
  readonly slotBytes: number
  /** Bytes of a slot. Absent: all have `slotBytes`. */
  bytesOf?(slot: number): number
  /** Slots of the least size that could be acquired now. */
  readonly available: number
  /** Slots for this many bytes each that could be acquired now. Absent: slots have one size, and `available` tells. */
  availableFor?(bytes: number): number
  /** Whether this many slots for so many bytes each could be acquired now: cheaper to say than how many. */
  fits?(slots: number, bytes: number): boolean
  /** Returns a slot for this many bytes, `slotBytes` at most and by default, or −1: none is free. */
  acquire(bytes?: number): number
  /**
   * Returns one of the slots reserved for messages that the receiver has memory for already, or −1. Absent: none are
   * reserved.
   */
  acquireKept?(bytes?: number): number
  /** Whether such a reserved slot is free, for this many bytes. */
  hasKept?(bytes?: number): boolean
  /** Gives a slot back, once for each time that it was acquired or shared. */
  release(slot: number): void
  /** Holds a slot that is in use once more: it is free once all who hold it have released it. `false`: no room. */
  share(slot: number): boolean
  /** Whether a slot is held more than once: then nothing may be written around its payload. */
  isShared(slot: number): boolean
  /** The memory that a slot lies in, together with other slots: it begins at `offset(slot)`. */
  bytes(slot: number): Uint8Array
  /** A view of all of `bytes(slot)`. */
  view(slot: number): DataView
  /** Where the slot begins in its bytes. */
  offset(slot: number): number
}

/** The size of a {@link PacketPool}. */
export interface PacketPoolOptions {
  /** Bytes of the largest slot, 1 to 66,560: the largest payload and the room around it. */
  readonly slotBytes: number
  /** Bytes that most packets take, 1 to `slotBytes`, its default: slots for those are as small. */
  readonly usualBytes?: number
  /**
   * The most slots, from 0, default 16,384 (some 20 MiB of usual packets). A slot that is larger than the usual ones
   * counts as many as it takes the place of. They are allocated when needed, some 128 KiB at a time, and kept until
   * `trim` finds them unused.
   */
  readonly slotsMax?: number
}

/** Slots for packets, up to a ceiling. The constructor throws a `RangeError` if an option is out of range. */
export class PacketPool implements PacketSlots {
  /** Bytes of the largest slot: the requested size, or somewhat more. */
  readonly slotBytes: number
  /** The ceiling, in units: slots of the least size. */
  readonly slotsMax: number
  /** Bytes of a unit; the units of a chunk; and the shift from a slot's number to that of its chunk. */
  readonly #unitBytes: number
  readonly #chunkUnits: number
  readonly #shift: number
  readonly #unitMask: number
  /** By size: the bytes, the units from one slot to the next in a chunk, the slots of a chunk, and what a slot counts. */
  readonly #sizeBytes: readonly number[]
  readonly #sizeUnits: readonly number[]
  readonly #sizeSlots: readonly number[]
  readonly #counts: readonly number[]
  readonly #chunks: Uint8Array[] = []
  readonly #views: DataView[] = []
  /** By chunk: slots that are in use. */
  readonly #inUse: number[] = []
  /** Chunks that have no slots at present, and numbers of chunks that have no memory. */
  readonly #spare: number[] = []
  readonly #absent: number[] = []
  /** Since the last `trim`: the least number of chunks without a slot in use. */
  #unusedLeast = 0
  /** By size: free slots, and chunks of which all slots are free. */
  readonly #free: readonly number[][] = Array.from({ length: SIZES }, () => [])
  readonly #idle: number[] = Array.from({ length: SIZES }, () => 0)
  /** How often slots are held besides once: few are, and the others cost nothing. */
  readonly #sharers = new Map<number, number>()
  /** Slots that were released while the pool was held. */
  readonly #held: number[] = []
  #isHeld = false
  #used = 0
  #refused = 0

  constructor({ slotBytes, usualBytes = slotBytes, slotsMax = 16_384 }: PacketPoolOptions) {
    checkWhole("slotBytes", slotBytes, 1, 66_560)
    checkWhole("usualBytes", usualBytes, 1, slotBytes)
    checkWhole("slotsMax", slotsMax, 0)
    // Slots begin on a word, so that the fields before the payload are aligned for a native gather.
    const unitBytes = (usualBytes + 7) & ~7
    const largest = Math.ceil(slotBytes / unitBytes)
    const chunkUnits = unitsOfChunk(unitBytes, largest)
    const middle = largest > 2 * MIDDLE_UNITS ? MIDDLE_UNITS : largest
    this.#unitBytes = unitBytes
    this.#chunkUnits = chunkUnits
    this.slotBytes = largest * unitBytes
    this.slotsMax = slotsMax
    const unitBits = 32 - Math.clz32(chunkUnits - 1)
    this.#shift = unitBits + SIZE_BITS
    this.#unitMask = (1 << unitBits) - 1
    this.#sizeUnits = [1, middle, largest]
    this.#sizeBytes = this.#sizeUnits.map((units) => units * unitBytes)
    this.#sizeSlots = this.#sizeUnits.map((units) => Math.floor(chunkUnits / units))
    this.#counts = this.#sizeSlots.map((slots) => Math.ceil(chunkUnits / slots))
  }

  /** Slots in use, in units. */
  get used(): number {
    return this.#used
  }

  get available(): number {
    return this.availableFor(1)
  }

  availableFor(bytes: number): number {
    const size = this.#sizeFor(bytes)
    const left = Math.floor((this.slotsMax - this.#used) / this.#counts[size]!)
    const free = this.#free[size]!.length
    if (left <= free) return left
    let chunks = this.#chunksLeft() + this.#spare.length
    for (let other = 0; other < SIZES; other++) if (other !== size) chunks += this.#idle[other]!
    return Math.min(left, free + chunks * this.#sizeSlots[size]!)
  }

  /** How often no slot was free. */
  get refused(): number {
    return this.#refused
  }

  /** Bytes of a unit. */
  get unitBytes(): number {
    return this.#unitBytes
  }

  /** Bytes that are allocated, whether slots are in use or not. */
  get allocatedBytes(): number {
    return (this.#chunks.length - this.#absent.length) * this.#chunkUnits * this.#unitBytes
  }

  /** Chunks with memory, and without a slot in use. */
  get unusedChunks(): number {
    return this.#spare.length + this.#idle[0]! + this.#idle[1]! + this.#idle[2]!
  }

  /**
   * Gives back the memory of chunks that weren't in use at any time since the last call, but for so many. Returns their
   * numbers: they may have other memory later.
   */
  trim(keptChunks: number): readonly number[] {
    const gone = Math.max(0, Math.min(this.#unusedLeast, this.unusedChunks) - keptChunks)
    for (let size = 0; size < SIZES && this.#spare.length < gone; size++)
      this.#emptyIdle(size, Math.min(this.#idle[size]!, gone - this.#spare.length))
    const chunks = this.#spare.splice(0, gone)
    for (const chunk of chunks) {
      this.#chunks[chunk] = NO_BYTES
      this.#views[chunk] = NO_VIEW
    }
    this.#absent.push(...chunks)
    this.#unusedLeast = this.unusedChunks
    return chunks
  }

  bytesOf(slot: number): number {
    return this.#sizeBytes[slot & SIZE_MASK]!
  }

  /** How many units a slot for this many bytes counts. */
  unitsFor(bytes: number): number {
    return this.#counts[this.#sizeFor(bytes)]!
  }

  /** How many units a slot counts. */
  unitsOf(slot: number): number {
    return this.#counts[slot & SIZE_MASK]!
  }

  /**
   * Returns a slot of the least size that holds this many bytes, or −1: the pool is at its ceiling, or what is left lies
   * between slots of other sizes. Throws a `RangeError` for more than `slotBytes`.
   */
  acquire(bytes: number = this.slotBytes): number {
    const size = this.#sizeFor(bytes)
    const units = this.#counts[size]!
    const free = this.#free[size]!
    if (this.#used + units > this.slotsMax || (free.length === 0 && !this.#grow(size))) {
      this.#refused++
      return -1
    }
    this.#used += units
    const slot = free.pop()!
    if (this.#inUse[slot >> this.#shift]!++ === 0) {
      this.#idle[size]!--
      this.#unusedLeast = Math.min(this.#unusedLeast, this.unusedChunks)
    }
    return slot
  }

  share(slot: number): boolean {
    this.#sharers.set(slot, (this.#sharers.get(slot) ?? 0) + 1)
    return true
  }

  isShared(slot: number): boolean {
    return this.#sharers.size > 0 && this.#sharers.has(slot)
  }

  release(slot: number): void {
    if (this.isShared(slot)) return this.#unshare(slot)
    this.#used -= this.#counts[slot & SIZE_MASK]!
    if (this.#isHeld) this.#held.push(slot)
    else this.#give(slot)
  }

  #give(slot: number): void {
    const size = slot & SIZE_MASK
    this.#free[size]!.push(slot)
    if (--this.#inUse[slot >> this.#shift]! === 0) this.#idle[size]!++
  }

  #unshare(slot: number): void {
    const sharers = this.#sharers.get(slot)!
    if (sharers > 1) this.#sharers.set(slot, sharers - 1)
    else this.#sharers.delete(slot)
  }

  /** From now on no released slot is given out again until `reclaim` or `unhold`: somebody still reads from them. */
  hold(): void {
    this.#isHeld = true
  }

  /** Released slots are given out again, including those released in the meantime. */
  unhold(): void {
    this.#isHeld = false
    this.reclaim()
  }

  /** Nobody reads any more from the slots released so far. */
  reclaim(): void {
    for (let slot = this.#held.pop(); slot !== undefined; slot = this.#held.pop()) this.#give(slot)
  }

  /**
   * The number of the chunk that a slot lies in, from 0; its memory stays the same. A caller that registers memory
   * elsewhere registers each chunk once.
   */
  chunk(slot: number): number {
    return slot >> this.#shift
  }

  bytes(slot: number): Uint8Array {
    return this.#chunks[slot >> this.#shift]!
  }

  view(slot: number): DataView {
    return this.#views[slot >> this.#shift]!
  }

  /** Where the slot begins in its bytes. */
  offset(slot: number): number {
    return ((slot >> SIZE_BITS) & this.#unitMask) * this.#unitBytes
  }

  #sizeFor(bytes: number): number {
    if (bytes <= this.#unitBytes) return 0
    if (bytes <= this.#sizeBytes[1]!) return 1
    if (bytes > this.slotBytes) throw new RangeError(`no slot holds ${bytes} B: the largest have ${this.slotBytes} B`)
    return 2
  }

  /**
   * Chunks that may still be allocated: what the ceiling needs, one more for each other size, so that a chunk may be
   * half used, and those in which slots wait to be reclaimed.
   */
  #chunksLeft(): number {
    const others = this.#sizeUnits[2] === 1 ? 0 : SIZES - 1
    const most = Math.ceil(this.slotsMax / this.#chunkUnits) + others + this.#held.length
    return Math.max(0, most - this.#chunks.length + this.#absent.length)
  }

  /** Makes slots of a size. Returns whether there was memory for them. */
  #grow(size: number): boolean {
    if (this.#spare.length === 0) {
      if (this.#chunksLeft() > 0) this.#allocate()
      else this.#spareIdle(size)
    }
    const chunk = this.#spare.pop()
    if (chunk === undefined) return false
    const [units, free] = [this.#sizeUnits[size]!, this.#free[size]!]
    const first = chunk << (this.#shift - SIZE_BITS)
    for (let i = this.#sizeSlots[size]! - 1; i >= 0; i--) free.push(((first + i * units) << SIZE_BITS) | size)
    this.#idle[size]!++
    return true
  }

  #allocate(): void {
    const bytes = new Uint8Array(this.#chunkUnits * this.#unitBytes)
    const chunk = this.#absent.pop() ?? this.#chunks.length
    this.#spare.push(chunk)
    this.#chunks[chunk] = bytes
    this.#views[chunk] = new DataView(bytes.buffer)
    this.#inUse[chunk] = 0
  }

  /** Half of the chunks that another size leaves unused are free for any: all would have to be asked for back soon. */
  #spareIdle(size: number): void {
    let from = -1
    for (let other = 0; other < SIZES; other++)
      if (other !== size && this.#idle[other]! > (from < 0 ? 0 : this.#idle[from]!)) from = other
    if (from < 0) return
    this.#emptyIdle(from, Math.ceil(this.#idle[from]! / 2))
  }

  /** So many chunks of a size that aren't in use have no slots any more. */
  #emptyIdle(from: number, most: number): void {
    const taken = new Set<number>()
    const free = this.#free[from]!
    let kept = 0
    for (const slot of free) {
      const chunk = slot >> this.#shift
      if (this.#inUse[chunk] === 0 && (taken.size < most || taken.has(chunk))) taken.add(chunk)
      else free[kept++] = slot
    }
    free.length = kept
    this.#idle[from]! -= taken.size
    this.#spare.push(...taken)
  }

  /** For tests: throws an `Error` if slots are counted wrongly, or overlap. */
  assertInvariants(): void {
    const free = this.#free.map(() => new Map<number, number>())
    for (const [size, slots] of this.#free.entries())
      for (const slot of slots) {
        if ((slot & SIZE_MASK) !== size) throw new Error(`slot ${slot} is free among those of size ${size}`)
        const chunk = slot >> this.#shift
        free[size]!.set(chunk, (free[size]!.get(chunk) ?? 0) + 1)
      }
    for (const [chunk, inUse] of this.#inUse.entries()) {
      const sizes = free.flatMap((chunks, size) => (chunks.has(chunk) ? [size] : []))
      if (sizes.length > 1) throw new Error(`chunk ${chunk} has slots of sizes ${sizes.join(" and ")}`)
      const [size] = sizes
      if (size !== undefined && free[size]!.get(chunk)! + inUse !== this.#sizeSlots[size])
        throw new Error(`chunk ${chunk} has ${inUse} slots in use, and ${free[size]!.get(chunk)} free`)
      if (this.#spare.includes(chunk) && (inUse > 0 || size !== undefined))
        throw new Error(`chunk ${chunk} isn't spare`)
    }
    for (const [size, chunks] of free.entries()) {
      const idle = [...chunks.keys()].filter((chunk) => this.#inUse[chunk] === 0).length
      if (idle !== this.#idle[size]) throw new Error(`${this.#idle[size]} chunks of size ${size} are idle, not ${idle}`)
    }
  }
}

/** A chunk is whole slots of the largest size; of one size, a power of two of them. */
function unitsOfChunk(unitBytes: number, largest: number): number {
  const units = Math.floor(CHUNK_BYTES / unitBytes) || 1
  if (largest === 1) return 1 << (31 - Math.clz32(units))
  return largest * Math.max(1, Math.floor(units / largest))
}

/** Slots for this many bytes each that could be acquired now. */
export function availableFor(slots: PacketSlots, bytes: number): number {
  return slots.availableFor?.(bytes) ?? slots.available
}

/** Whether this many slots for so many bytes each could be acquired now. */
export function fits(slots: PacketSlots, count: number, bytes: number): boolean {
  return count <= 0 || (slots.fits?.(count, bytes) ?? availableFor(slots, bytes) >= count)
}

/** Bytes of a slot. */
export function bytesOf(slots: PacketSlots, slot: number): number {
  return slots.bytesOf?.(slot) ?? slots.slotBytes
}
