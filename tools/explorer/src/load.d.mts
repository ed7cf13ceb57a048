/** The modules of the explorer's `index.ts`, with all private fields made plain. */
export function load(): Promise<unknown>
