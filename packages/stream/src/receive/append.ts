/**
 * Lists of ranges in a status, as they are filled.
 *
 * @module
 */

import type { RangeList } from "@x/wire"

/** Gaps that were split by a packet between them can touch; the ranges of a list are maximal. */
export function append(list: RangeList, from: number, to: number): void {
  const { edges, count } = list
  if (count > 0 && edges[2 * count - 1] === from) {
    edges[2 * count - 1] = to
    return
  }
  edges[2 * count] = from
  edges[2 * count + 1] = to
  list.count++
}

/** Where the last range ends; 0: there are none. */
export function lastEdge({ count, edges }: RangeList): number {
  return count === 0 ? 0 : edges[2 * count - 1]!
}
