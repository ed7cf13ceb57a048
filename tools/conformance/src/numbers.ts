/** §1. The limit of every u48 of the format. */
const NUMBER_MAX = 2 ** 48 - 2 ** 20 - 1

export function isNumber(value: number): boolean {
  return value <= NUMBER_MAX
}
