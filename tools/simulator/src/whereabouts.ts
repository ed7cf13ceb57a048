/**
 * Until when others may be wrong about where a node is.
 *
 * @module
 */

/** What moved a node, and what may have kept others from finding it. */
export class Whereabouts {
  readonly #unreachableMs: number
  /** When the node last was at another address than before. */
  #movedMs: number = -Infinity
  /** When it last moved, or the last copy arrived that may have kept others from finding it. */
  #unfoundMs: number = -Infinity

  /** @param unreachableMs Who isn't heard for so long counts as unreachable. */
  constructor(unreachableMs: number) {
    this.#unreachableMs = unreachableMs
  }

  get hasMoved(): boolean {
    return this.#movedMs > -Infinity
  }

  moved(nowMs: number): void {
    this.#movedMs = nowMs
    this.#unfoundMs = Math.max(this.#unfoundMs, nowMs)
  }

  /**
   * A copy of a datagram from the node or to it, sent now, arrives then. The copies of what it sends keep it from being
   * unreachable, though nobody has found it; and copies of the challenges take its answers elsewhere.
   */
  copied(nowMs: number, arrivesMs: number): void {
    if (this.mayBeLost(nowMs)) this.#unfoundMs = Math.max(this.#unfoundMs, arrivesMs)
  }

  /** Whether others may still hold it elsewhere: later they have found it, or it counts as unreachable. */
  mayBeLost(nowMs: number): boolean {
    return this.#unfoundMs + this.#unreachableMs > nowMs
  }
}
