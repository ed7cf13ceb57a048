/** Ranges of a block before it is cut in two. */
const BLOCK_RANGES = 128

/**
 * A set of mostly consecutive numbers, kept as ranges: the ids of a peer's finished streams. The ranges lie in blocks,
 * so that one more costs no more than a block, however many there are.
 */
export class NumberSet {
  /** Blocks of `[from, to)`, ascending, never touching; none is empty, but the only one. */
  readonly #blocks: number[][] = [[]]
  #ranges = 0

  /** The number of ranges. */
  get ranges(): number {
    return this.#ranges
  }

  has(number: number): boolean {
    const block = this.#blocks[this.#blockOf(number)]!
    const at = search(block, number)
    return at < block.length && block[at]! <= number
  }

  add(number: number): void {
    const index = this.#blockOf(number)
    const block = this.#blocks[index]!
    const at = search(block, number)
    if (at < block.length && block[at]! <= number) return
    // A block begins at or below its numbers, so the range before is in it; the one behind may be in the next.
    const right = at < block.length ? block : this.#blocks[index + 1]
    const rightAt = right === block ? at : 0
    const joinsLeft = at > 0 && block[at - 1] === number
    const joinsRight = right !== undefined && right[rightAt] === number + 1
    if (joinsLeft && joinsRight) {
      block[at - 1] = right[rightAt + 1]!
      this.#remove(right === block ? index : index + 1, rightAt)
    } else if (joinsLeft) block[at - 1] = number + 1
    else if (joinsRight) right[rightAt] = number
    else this.#insert(index, at, number)
  }

  /** Fills the lowest hole, to make the set smaller. */
  fillLowestHole(): void {
    const [first, second] = this.#blocks
    if (this.#ranges < 2) return
    const [from, at] = first!.length > 2 ? [first!, 2] : [second!, 0]
    first![1] = from[at + 1]!
    this.#remove(from === first ? 0 : 1, at)
  }

  #insert(index: number, at: number, number: number): void {
    const block = this.#blocks[index]!
    block.splice(at, 0, number, number + 1)
    this.#ranges++
    if (block.length > 2 * BLOCK_RANGES) this.#blocks.splice(index + 1, 0, block.splice(BLOCK_RANGES))
  }

  #remove(index: number, at: number): void {
    const block = this.#blocks[index]!
    block.splice(at, 2)
    this.#ranges--
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(index, 1)
  }

  /** The index of the last block that begins at or below a number, or 0. */
  #blockOf(number: number): number {
    let low = 0
    let high = this.#blocks.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#blocks[middle]![0]! <= number) low = middle
      else high = middle
    }
    return low
  }
}

/** The index of the first range that ends after the number. */
function search(ranges: readonly number[], number: number): number {
  let low = 0
  let high = ranges.length / 2
  while (low < high) {
    const middle = (low + high) >> 1
    if (ranges[2 * middle + 1]! <= number) low = middle + 1
    else high = middle
  }
  return 2 * low
}
