import type { Defect } from "../../defects/index.mjs"

/** The modules of the explorer's `index.ts`, with all private fields made public; defects are put into the sources. */
export function load(defects?: readonly Defect[]): Promise<unknown>
